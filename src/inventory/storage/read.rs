//! From the file's `[storage]` and its nodes to the model, defaults filled in.

use std::path::Path;

use super::{DEFAULT_IMAGE, DEFAULT_PROOF_SIZE, DEFAULT_RESERVE, Engine, Storage, quantity};
use crate::document::{At, Field};
use crate::inventory::build::place;
use crate::inventory::file::{File, StorageTable};
use crate::inventory::rules::storage_engine;

/// How many replicas a Jiva volume has where there are nodes enough.
const REPLICAS: u32 = 3;

/// The engine of a file that names none: what is replicated needs three nodes to keep its majority when one is lost.
pub(in crate::inventory) fn engine_for(nodes: usize) -> Engine {
    if nodes >= 3 { Engine::Jiva } else { Engine::Hostpath }
}

/// What the file says; none when a rule has refused a part of it.
pub(in crate::inventory) fn of(file: &File, folder: &Path) -> Option<Storage> {
    let nodes = u32::try_from(file.nodes().len()).unwrap_or(u32::MAX);
    let engine = storage_engine::of(file)?;
    let empty = StorageTable::default();
    let table = match &file.storage {
        Field::Given(table) => table,
        Field::Absent => &empty,
        Field::Faulty => return None,
    };
    let text = |field: &Field<At<String>>| field.given().map(|text| text.value.clone());
    let size =
        |field: &Field<At<String>>, default| field.given().map_or(Some(default), |text| quantity::bytes(&text.value));
    Some(Storage {
        engine,
        replicas: match engine {
            Engine::Jiva => table.replicas.given().map_or(REPLICAS.min(nodes), |number| number.value),
            _ => 1,
        },
        rwx: match engine {
            Engine::Jiva => table.rwx.given().is_none_or(|switch| switch.value),
            Engine::ExistingClass => table.rwx_class.given().is_some(),
            Engine::Hostpath | Engine::None => false,
        },
        reserve: size(&table.reserve, DEFAULT_RESERVE)?,
        class: text(&table.class),
        rwx_class: text(&table.rwx_class),
        prove_every: match text(&table.prove_every) {
            Some(age) => Some(quantity::span(&age)?),
            None => None,
        },
        proof_size: size(&table.proof_size, DEFAULT_PROOF_SIZE)?,
        image: text(&table.image).unwrap_or_else(|| DEFAULT_IMAGE.to_owned()),
        chart: text(&table.chart).map(|chart| place(&chart, folder)),
        nfs_chart: text(&table.nfs_chart).map(|chart| place(&chart, folder)),
    })
}

//! The cluster identity as this machine, the controller, has recorded it.

use std::fs;
use std::io;
use std::path::PathBuf;

use etcetera::{BaseStrategy, choose_base_strategy};

use super::identity::IdentityRecord;

/// homeprov's folder for state: `$XDG_STATE_HOME/homeprov`, by default `~/.local/state/homeprov`.
pub fn state_folder() -> io::Result<PathBuf> {
    let strategy = choose_base_strategy().map_err(io::Error::other)?;
    let base = strategy.state_dir().unwrap_or_else(|| strategy.data_dir());
    Ok(base.join("homeprov"))
}

fn file(cluster: &str) -> io::Result<PathBuf> {
    Ok(state_folder()?.join("clusters").join(cluster).join("identity"))
}

/// The record of a cluster; absent when this machine has none, or none that can be read.
pub fn read(cluster: &str) -> Option<IdentityRecord> {
    IdentityRecord::parse(&fs::read_to_string(file(cluster).ok()?).ok()?)
}

/// Writes the record, whole or not at all.
pub fn write(record: &IdentityRecord) -> io::Result<()> {
    let path = file(&record.cluster)?;
    let folder = path.parent().ok_or_else(|| io::Error::other("no folder"))?;
    fs::create_dir_all(folder)?;
    let mut draft = tempfile::NamedTempFile::new_in(folder)?;
    io::Write::write_all(&mut draft, record.to_string().as_bytes())?;
    draft.persist(path).map(drop).map_err(|error| error.error)
}

//! From the checked file to the model.

use std::path::{Path, PathBuf};

use super::file::{DEFAULT_CHANNEL, File, NodeTable, SshTable};
use super::model::{Cluster, Inventory, Metallb, Node, NodeSsh, Ssh};
use super::paths::resolve;
use super::rules::{address, channel, host_key, role, sudo};
use super::{flux, mastodon, storage};
use crate::document::{At, Field};

/// What the file says; none when a rule has refused a part of it. `folder` is where relative paths start.
pub(super) fn inventory(file: &File, folder: &Path) -> Option<Inventory> {
    let cluster = file.cluster.given()?;
    let storage = storage::of(file, folder)?;
    Some(Inventory {
        cluster: Cluster {
            name: cluster.name.given()?.value.clone(),
            channel: match cluster.channel.given() {
                Some(text) => channel::parse(text).ok()?,
                None => DEFAULT_CHANNEL.to_owned(),
            },
            allow_two_control_planes: cluster.allow_two_control_planes.given().is_some_and(|switch| switch.value),
        },
        ssh: match file.ssh.given() {
            Some(table) => ssh(table, folder)?,
            None => Ssh::default(),
        },
        nodes: file.nodes().iter().map(|table| node(table, folder)).collect::<Option<_>>()?,
        metallb: match file.metallb.given() {
            Some(table) => Some(Metallb {
                pool: table.pool.given()?.iter().map(|text| text.value.parse().ok()).collect::<Option<_>>()?,
                dhcp_range: match table.dhcp_range.given() {
                    Some(text) => Some(text.value.parse().ok()?),
                    None => None,
                },
            }),
            None => None,
        },
        flux: match file.flux.given() {
            Some(table) => Some(flux::of(table, &cluster.name.given()?.value, folder)?),
            None => None,
        },
        mastodon: match file.mastodon.given() {
            Some(table) => Some(mastodon::of(table, &storage, folder)?),
            None => None,
        },
        storage,
    })
}

fn ssh(table: &SshTable, folder: &Path) -> Option<Ssh> {
    Some(Ssh {
        user: text(&table.user),
        port: port(&table.port),
        identity: path(&table.identity, folder),
        config: path(&table.config, folder),
        jump: text(&table.jump),
        known_hosts: path(&table.known_hosts, folder),
        sudo: match table.sudo.given() {
            Some(text) => sudo::parse(text).ok()?,
            None => super::model::Sudo::default(),
        },
    })
}

fn node(table: &NodeTable, folder: &Path) -> Option<Node> {
    Some(Node {
        name: text(&table.name)?,
        address: address::parse(table.address.given()?).ok()?,
        role: role::of(table)?,
        failure_domain: table.failure_domain.given().map(|number| number.value),
        labels: table.labels.iter().map(|(key, value)| (key.value.clone(), value.value.clone())).collect(),
        host_key: match table.host_key.given() {
            Some(text) => Some(host_key::parse(text).ok()?),
            None => None,
        },
        ssh: table.ssh.given().map_or_else(NodeSsh::default, |ssh| NodeSsh {
            host: text(&ssh.host),
            user: text(&ssh.user),
            port: port(&ssh.port),
            identity: path(&ssh.identity, folder),
            jump: text(&ssh.jump),
        }),
    })
}

pub(super) fn text(field: &Field<At<String>>) -> Option<String> {
    field.given().map(|text| text.value.clone())
}

pub(super) fn port(field: &Field<At<u32>>) -> Option<u16> {
    field.given().and_then(|port| u16::try_from(port.value).ok())
}

pub(super) fn path(field: &Field<At<String>>, folder: &Path) -> Option<PathBuf> {
    field.given().map(|text| resolve(&text.value, folder))
}

/// The URL of a file as it is, or the path to it from here.
pub(super) fn place(text: &str, folder: &Path) -> String {
    if text.contains("://") { text.to_owned() } else { resolve(text, folder).display().to_string() }
}

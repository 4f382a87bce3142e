//! The rules an inventory has to keep, one small function each. A rule looks at the file alone, reports what it
//! finds and leaves alone what another rule reports.

pub(super) mod address;
pub(super) mod channel;
mod cluster_name;
mod control_planes;
mod failure_domain;
pub(super) mod host_key;
mod labels;
mod login;
pub(super) mod mastodon_smtp;
mod networks;
mod node_name;
mod pool_overlap;
mod pool_place;
mod pool_syntax;
mod present;
pub(super) mod role;
mod storage_chart;
pub(super) mod storage_engine;
mod storage_image;
mod storage_quantity;
mod storage_replicas;
mod storage_scope;
pub(super) mod sudo;
mod unique;

use super::file::File;
use crate::document::Report;

type Rule = fn(&File, &mut Report);

const RULES: &[Rule] = &[
    present::cluster,
    present::nodes,
    cluster_name::sane,
    channel::well_formed,
    sudo::known,
    sudo::never_needs_root,
    login::texts,
    login::paths,
    node_name::valid,
    unique::node_names,
    address::usable,
    unique::addresses,
    unique::logins,
    unique::hosts,
    role::known,
    control_planes::one,
    control_planes::not_two,
    control_planes::odd,
    failure_domain::not_by_accident,
    labels::keys,
    labels::values,
    labels::not_reserved,
    host_key::well_formed,
    unique::host_keys,
    pool_syntax::not_empty,
    pool_syntax::valid,
    pool_overlap::nodes,
    pool_overlap::taken_networks,
    pool_overlap::itself,
    pool_place::near_nodes,
    pool_place::plain_addresses,
    storage_engine::known,
    storage_engine::chosen,
    storage_replicas::enough_nodes,
    storage_replicas::quorum,
    storage_scope::keys_of_the_engine,
    storage_scope::existing_classes,
    storage_scope::class_names,
    storage_quantity::sizes,
    storage_quantity::age,
    storage_image::pinned,
    storage_chart::archives,
    mastodon_smtp::known,
    mastodon_smtp::tls_once,
    mastodon_smtp::login,
];

/// Runs every rule.
pub(super) fn check(file: &File, report: &mut Report) {
    for rule in RULES {
        rule(file, report);
    }
}

//! The rules an inventory has to keep, one small function each. A rule looks at the file alone, reports what it
//! finds and leaves alone what another rule reports.

pub(super) mod address;
pub(super) mod channel;
mod cluster_name;
mod control_planes;
mod dhcp_range;
mod failure_domain;
mod flux_release;
mod flux_repository;
pub(super) mod host_key;
mod labels;
mod login;
mod mastodon_ingress;
mod mastodon_names;
mod mastodon_needs;
mod mastodon_pins;
mod mastodon_servers;
pub(super) mod mastodon_smtp;
mod mastodon_values;
mod mastodon_volumes;
mod networks;
mod node_name;
mod pool_overlap;
mod pool_place;
mod pool_syntax;
mod present;
pub(super) mod role;
pub(super) mod secret_files;
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
    dhcp_range::valid,
    dhcp_range::apart,
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
    flux_repository::urls,
    flux_repository::branch,
    flux_repository::folders,
    flux_repository::login,
    flux_release::version,
    flux_release::kubernetes,
    flux_release::components,
    mastodon_needs::foundations,
    mastodon_needs::folders_apart,
    mastodon_names::domains,
    mastodon_names::owner,
    mastodon_names::sender,
    mastodon_names::language,
    mastodon_pins::chart,
    mastodon_pins::image,
    mastodon_volumes::sizes,
    mastodon_volumes::access,
    mastodon_volumes::not_with_s3,
    mastodon_servers::hosts,
    mastodon_servers::s3,
    mastodon_servers::databases,
    mastodon_ingress::certificate,
    mastodon_ingress::names,
    mastodon_ingress::in_pool,
    mastodon_values::not_ours,
    mastodon_values::not_secret,
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

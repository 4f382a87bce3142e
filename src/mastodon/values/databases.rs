//! The values of the databases. The chart brings Bitnami's PostgreSQL 14.2, Redis 22.0 and Elasticsearch 19.19
//! (mastodon/chart `Chart.yaml`); the images come from `bitnamilegacy`, where Bitnami left them
//! (bitnami/containers issue 83267).

use serde_json::{Value, json};

use super::super::secrets::{POSTGRESQL, REDIS};
use super::{bare, merge, pods, table};
use crate::inventory::model::{Inventory, Mastodon, Postgresql, Redis};
use crate::inventory::storage::classes::rwo_class;

/// Seconds between two looks of the kubelet at a starting database.
const PERIOD: u32 = 10;

/// A probe that lets a database start for as long as the inventory says. Without it the kubelet kills by liveness what is
/// replaying its log, again and again.
fn startup(mastodon: &Mastodon) -> Value {
    json!({
        "enabled": true,
        "initialDelaySeconds": PERIOD,
        "periodSeconds": PERIOD,
        "timeoutSeconds": 5,
        "failureThreshold": mastodon.startup_seconds.div_ceil(PERIOD),
        "successThreshold": 1,
    })
}

/// A disk that stalls for a minute is no reason to kill a database.
fn liveness() -> Value {
    json!({ "timeoutSeconds": 15, "failureThreshold": 12 })
}

/// A volume of the class that keeps it on several nodes and after its claim is gone. Never NFS: databases lose data there.
fn volume(inventory: &Inventory, size: u64) -> Value {
    table([
        ("size", Some(pods::quantity(size).into())),
        ("storageClass", rwo_class(&inventory.storage).map(Into::into)),
    ])
}

pub(super) fn postgresql(inventory: &Inventory, mastodon: &Mastodon) -> Value {
    match &mastodon.postgresql {
        Postgresql::Bundled { size } => {
            let mut primary = json!({
                "startupProbe": startup(mastodon),
                "livenessProbe": liveness(),
                "persistence": volume(inventory, *size),
                // Long enough for a last checkpoint on slow disks.
                "terminationGracePeriodSeconds": 120,
            });
            merge(&mut primary, &table([("resources", pods::resources(&mastodon.resources.postgresql))]));
            json!({
                "enabled": true,
                "image": { "registry": "docker.io", "repository": "bitnamilegacy/postgresql" },
                "auth": { "database": "mastodon_production", "username": "mastodon", "existingSecret": POSTGRESQL },
                "primary": primary,
            })
        }
        Postgresql::External { host, port, database, user, direct, .. } => json!({
            "enabled": false,
            "postgresqlHostname": bare(host),
            "postgresqlPort": port,
            "auth": { "database": bare(database), "username": bare(user), "existingSecret": POSTGRESQL },
            "direct": match direct {
                Some((host, port)) => json!({ "hostname": bare(host), "port": port }),
                None => json!({}),
            },
        }),
    }
}

/// A connection pooler gives each transaction another connection, which has not prepared the statement.
pub(super) fn prepared_statements(mastodon: &Mastodon) -> bool {
    !matches!(mastodon.postgresql, Postgresql::External { direct: Some(_), .. })
}

pub(super) fn redis(inventory: &Inventory, mastodon: &Mastodon) -> Value {
    let auth = json!({ "existingSecret": REDIS, "existingSecretKey": super::super::secrets::REDIS_PASSWORD });
    match &mastodon.redis {
        Redis::Bundled { size } => {
            let mut master = json!({
                "startupProbe": startup(mastodon),
                "livenessProbe": liveness(),
                "persistence": volume(inventory, *size),
            });
            merge(&mut master, &table([("resources", pods::resources(&mastodon.resources.redis))]));
            json!({
                "enabled": true,
                // The chart's values name `replica` twice, and the second takes its count of 0 away.
                "architecture": "standalone",
                "image": { "registry": "docker.io", "repository": "bitnamilegacy/redis" },
                "auth": auth,
                "master": master,
                "replica": { "replicaCount": 0, "startupProbe": startup(mastodon) },
            })
        }
        Redis::External { host, port, .. } => {
            json!({ "enabled": false, "hostname": bare(host), "port": port, "auth": auth })
        }
    }
}

pub(super) fn elasticsearch(inventory: &Inventory, mastodon: &Mastodon) -> Value {
    if !mastodon.elasticsearch {
        return json!({ "enabled": false });
    }
    let role = |replicas: u32| json!({ "replicaCount": replicas, "startupProbe": startup(mastodon), "livenessProbe": liveness() });
    let mut master = role(1);
    // One node does everything; the chart's default is eight.
    let alone = json!({ "masterOnly": false, "heapSize": "512m", "persistence": volume(inventory, SEARCH_SIZE) });
    merge(&mut master, &alone);
    json!({
        "enabled": true,
        "image": { "registry": "docker.io", "repository": "bitnamilegacy/elasticsearch", "tag": "7" },
        // Its image is gone; homeprov sets vm.max_map_count on the nodes itself.
        "sysctlImage": { "enabled": false },
        "master": master,
        "data": role(0),
        "coordinating": role(0),
        "ingest": role(0),
    })
}

/// The bytes of the volume of the index.
const SEARCH_SIZE: u64 = 8 << 30;

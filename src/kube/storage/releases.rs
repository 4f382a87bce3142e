//! Helm's releases. A release's Secret holds the whole chart; its labels say all that is asked for here.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Client;

use crate::facts::storage::Release;
use crate::kube::request::list_metadata;

pub(super) async fn read(client: &Client) -> kube::Result<BTreeMap<(String, String), Release>> {
    let records = list_metadata(client, "/api/v1/secrets?labelSelector=owner%3Dhelm").await?;
    Ok(newest(records.into_iter().filter_map(describe)))
}

type Named = ((String, String), Release);

fn describe(metadata: ObjectMeta) -> Option<Named> {
    let labels = metadata.labels?;
    let label = |key: &str| labels.get(key).cloned();
    let release = Release {
        secret: metadata.name?,
        revision: label("version")?.parse().ok()?,
        status: label("status")?,
        at: metadata.creation_timestamp.map(|time| time.0),
    };
    Some(((metadata.namespace?, label("name")?), release))
}

/// Of each release its newest revision.
fn newest(releases: impl Iterator<Item = Named>) -> BTreeMap<(String, String), Release> {
    let mut newest: BTreeMap<(String, String), Release> = BTreeMap::new();
    for (name, release) in releases {
        let newer = newest.get(&name).is_none_or(|known| known.revision < release.revision);
        if newer {
            newest.insert(name, release);
        }
    }
    newest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_revision_counts() {
        let secret = |revision: u32, status: &str| -> ObjectMeta {
            serde_json::from_value(serde_json::json!({
                "name": format!("sh.helm.release.v1.openebs.v{revision}"), "namespace": "openebs",
                "creationTimestamp": "2026-01-01T00:00:00Z",
                "labels": { "owner": "helm", "name": "openebs", "status": status, "version": revision.to_string() },
            }))
            .unwrap()
        };
        let all = [secret(10, "pending-upgrade"), secret(9, "superseded"), secret(2, "superseded")];
        let found = newest(all.into_iter().filter_map(describe));
        let release = &found[&("openebs".to_owned(), "openebs".to_owned())];
        assert_eq!((release.revision, release.pending()), (10, true));
        assert_eq!(release.secret, "sh.helm.release.v1.openebs.v10");
    }
}

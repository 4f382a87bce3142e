//! The class for volumes that several nodes mount at once keeps them on Jiva volumes.
//!
//! The NFS provisioner's ready-made manifest has a class of the same name whose volumes lie on one node's disk
//! (openebs/dynamic-nfs-provisioner `deploy/kubectl/openebs-nfs-provisioner.yaml`), and its shares acknowledge writes before
//! they are on any disk unless told otherwise (`nfs-server-container/exports`).

use async_trait::async_trait;
use serde_json::json;

use super::retain_class::CLASSES;
use super::{jiva, seen};
use crate::facts::storage::StorageClass;
use crate::facts::{Facts, StorageFacts};
use crate::inventory::model::Inventory;
use crate::inventory::storage::classes::{JIVA_RETAIN, JIVA_STOCK, RWX};
use crate::kube::request;
use crate::kube::storage::classes::CONFIG;
use crate::plan::{Place, Verdict};
use crate::steps::{Context, Failure, RustStep};

/// `openebs-rwx` has a Jiva class behind it, synchronous exports, and an owner Mastodon can write as.
pub struct RwxClass;

const PROVISIONER: &str = "openebs.io/nfsrwx";
/// User and group of Mastodon's containers (mastodon/mastodon `Dockerfile`); its group may write.
const OWNER: [(&str, &str); 3] = [("UID", "991"), ("GID", "991"), ("mode", "0775")];
/// The default but for `sync`; one line replaces `/etc/exports` (openebs/dynamic-nfs-provisioner
/// `nfs-server-container/nfsd.sh`).
const EXPORTS: &str = "/nfsshare *(rw,fsid=0,sync,no_subtree_check,no_auth_nlm,insecure,no_root_squash)";
/// Seconds for which clients wait after a server's restart, instead of 90.
const GRACE: &str = "30";

/// The annotation's text.
fn config() -> String {
    let owner = OWNER.map(|(key, value)| format!("    {key}: \"{value}\"\n")).concat();
    format!(
        "- name: NFSServerType\n  value: kernel\n- name: BackendStorageClass\n  value: {JIVA_RETAIN}\n- name: CustomServerConfig\n  value: \"{EXPORTS}\"\n- name: LeaseTime\n  value: \"{GRACE}\"\n- name: GraceTime\n  value: \"{GRACE}\"\n- name: FilePermissions\n  data:\n{owner}"
    )
}

/// What is wrong with the class behind the shares; the name of the cause is the same everywhere.
pub fn wrong_backend(seen: &StorageFacts) -> Option<String> {
    let class = seen.classes.get(RWX)?;
    let backend = class.openebs.backend.as_deref();
    let known = backend.and_then(|name| seen.classes.get(name));
    let jiva = seen.classes.get(JIVA_STOCK)?;
    if backend == Some(JIVA_RETAIN) || known.is_some_and(|known| known.provisioner == jiva.provisioner) {
        return None;
    }
    Some(match backend {
        Some(backend) => format!("backend class: {RWX} keeps its volumes on {backend}, not on a Jiva class"),
        None => format!("backend class: {RWX} names none, so its volumes lie on the default class or nowhere"),
    })
}

fn differences(class: &StorageClass) -> Vec<String> {
    let mut differences = Vec::new();
    if class.provisioner != PROVISIONER {
        differences.push(format!("its provisioner is {}", class.provisioner));
    }
    if class.reclaim_policy != "Retain" {
        differences.push(format!("its reclaim policy is {}", class.reclaim_policy));
    }
    if !class.openebs.exports.as_deref().is_some_and(synchronous) {
        differences.push("its shares are not exported with `sync`".to_owned());
    }
    if !owned(class) {
        differences.push("its shares are not owned by 991:991 and writable for the group".to_owned());
    }
    differences
}

/// Whether the roots of its shares are made Mastodon's: the provisioner leaves them to root otherwise, and `fsGroup` changes nothing
/// about an NFS share (openebs/dynamic-nfs-provisioner `docs/troubleshooting/non-root-application-accesing-nfs-volume.md`).
pub fn owned(class: &StorageClass) -> bool {
    OWNER.iter().all(|(key, value)| class.openebs.permissions.get(*key).is_some_and(|is| is == value))
}

fn synchronous(exports: &str) -> bool {
    let options = exports.split(['(', ')', ',', ' ']);
    options.clone().any(|option| option == "sync") && !{ options }.any(|option| option == "async")
}

#[async_trait]
impl RustStep for RwxClass {
    fn check(&self, inventory: &Inventory, facts: &Facts, _: &Place) -> Verdict {
        if !(jiva(inventory) && inventory.storage.rwx) {
            return Verdict::Holds;
        }
        let Some(seen) = seen(facts) else { return Verdict::unknown("members-joined") };
        if !seen.classes.contains_key(JIVA_STOCK) {
            return Verdict::unknown("openebs-installed");
        }
        let Some(class) = seen.classes.get(RWX) else { return Verdict::differs(format!("no class {RWX}")) };
        if let Some(why) = wrong_backend(seen) {
            return Verdict::differs(why);
        }
        let differences = differences(class);
        if differences.is_empty() { Verdict::Holds } else { Verdict::differs(differences.join(", ")) }
    }

    async fn apply(&self, context: &Context) -> Result<(), Failure> {
        let Some(seen) = seen(&context.facts) else { return Ok(()) };
        if let Some(why) = wrong_backend(seen) {
            return Err(Failure::NotVerified {
                reason: format!(
                    "{why}. It is not used: look at what uses it (`microk8s kubectl get pvc -A`), then delete the class (`microk8s kubectl delete storageclass {RWX}`; its volumes stay) and run `up` again, or write [storage] rwx = false"
                ),
            });
        }
        let client = context.api().await?;
        let path = format!("{CLASSES}/{RWX}");
        let immutable = |class: &StorageClass| class.provisioner != PROVISIONER || class.reclaim_policy != "Retain";
        if seen.classes.get(RWX).is_some_and(immutable) {
            request::delete(&client, &path).await?;
        }
        let object = json!({
            "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
            "metadata": {
                "name": RWX,
                "labels": { "app.kubernetes.io/managed-by": "homeprov" },
                "annotations": { "openebs.io/cas-type": "nfsrwx", CONFIG: config() },
            },
            "provisioner": PROVISIONER,
            "reclaimPolicy": "Retain",
            "volumeBindingMode": "Immediate",
        });
        request::apply(&client, &path, &object).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{inventory, with};
    use super::*;

    fn check(change: impl FnOnce(&mut StorageClass)) -> Verdict {
        let facts = with(|storage| change(storage.classes.get_mut(RWX).unwrap()));
        RwxClass.check(&inventory(3), &facts, &Place::Cluster)
    }

    #[test]
    fn what_homeprov_writes_holds() {
        assert_eq!(check(|_| ()), Verdict::Holds);
    }

    #[test]
    fn a_local_backend_is_named() {
        let why = check(|class| class.openebs.backend = Some("openebs-hostpath".into()));
        assert_eq!(
            why,
            Verdict::differs("backend class: openebs-rwx keeps its volumes on openebs-hostpath, not on a Jiva class")
        );
        assert!(check(|class| class.openebs.backend = None).text().starts_with("backend class"));
        assert_eq!(check(|class| class.openebs.backend = Some(JIVA_STOCK.into())), Verdict::Holds);
    }

    #[test]
    fn asynchronous_exports_and_other_owners_differ() {
        let why = check(|class| {
            class.openebs.exports = Some(EXPORTS.replace(",sync,", ",async,"));
            class.openebs.permissions.clear();
        });
        assert_eq!(
            why.text(),
            "its shares are not exported with `sync`, its shares are not owned by 991:991 and writable for the group"
        );
    }

    #[test]
    fn the_annotation_is_read_as_it_is_written() {
        let object = json!({ "metadata": { "annotations": { CONFIG: config() } }, "provisioner": PROVISIONER, "reclaimPolicy": "Retain" });
        let class = crate::kube::storage::classes::describe(serde_json::from_value(object).unwrap());
        assert!(differences(&class).is_empty(), "{:?}", differences(&class));
        assert_eq!(class.openebs.backend.as_deref(), Some(JIVA_RETAIN));
    }
}

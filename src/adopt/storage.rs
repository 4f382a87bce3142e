//! The storage classes, and which engine they come to.

use super::text::Text;
use crate::facts::StorageFacts;
use crate::facts::storage::StorageClass;
use crate::inventory::model::Engine;
use crate::inventory::storage::classes::{JIVA_RETAIN, JIVA_STOCK, MICROK8S_HOSTPATH, RWX};

/// The annotation of the class that claims get which name none.
const DEFAULT: &str = "storageclass.kubernetes.io/is-default-class";
/// The policy behind the stock class (openebs/jiva-operator `deploy/helm/charts/templates/default-policy.yaml`).
const POLICY: &str = "openebs-jiva-default-policy";

pub(super) fn write(storage: &StorageFacts, nodes: usize, text: &mut Text) {
    if storage.classes.is_empty() {
        text.comment("The cluster has no storage class. To have volumes made: engine = \"jiva\" keeps each on several nodes, \"hostpath\" in a folder of one.");
    } else {
        text.comment("The cluster's storage classes:");
        for (name, class) in &storage.classes {
            text.comment(&format!("  {name}: {}", about(storage, name, class)));
        }
    }
    let engine = engine(storage);
    if engine == Engine::ExistingClass {
        text.comment("None of them is one that homeprov makes: it uses what is there.");
    }
    text.header("[storage]");
    text.key("engine", engine.name());
    match engine {
        Engine::Jiva => jiva(storage, nodes, text),
        Engine::ExistingClass => text.key("class", preferred(storage).unwrap_or_default()),
        Engine::Hostpath | Engine::None => {}
    }
    text.gap();
}

fn engine(storage: &StorageFacts) -> Engine {
    let has = |name: &str| storage.classes.contains_key(name);
    match () {
        () if has(JIVA_STOCK) || has(JIVA_RETAIN) => Engine::Jiva,
        () if has(MICROK8S_HOSTPATH) => Engine::Hostpath,
        () if storage.classes.is_empty() => Engine::None,
        () => Engine::ExistingClass,
    }
}

fn is_default(class: &StorageClass) -> bool {
    class.annotations.get(DEFAULT).is_some_and(|value| value == "true")
}

/// The class claims get by default, or the first.
fn preferred(storage: &StorageFacts) -> Option<&str> {
    let default = storage.classes.iter().find(|(_, class)| is_default(class));
    default.or_else(|| storage.classes.iter().next()).map(|(name, _)| name.as_str())
}

fn jiva(storage: &StorageFacts, nodes: usize, text: &mut Text) {
    let factor = storage.jiva_policies.get(POLICY).or_else(|| storage.jiva_policies.values().next());
    match factor {
        Some(factor) if usize::try_from(*factor).is_ok_and(|factor| factor <= nodes) => {
            text.key("replicas", i64::from(*factor));
        }
        Some(factor) => text.comment(&format!(
            "New volumes get {factor} replicas, and there are {nodes} nodes: a replica waits for a node for ever. homeprov wants as many \
             as there are nodes, three at the most."
        )),
        None => text.comment("How many replicas new volumes get could not be read; homeprov wants three."),
    }
    text.key("rwx", storage.classes.contains_key(RWX));
}

/// Who makes a class's volumes, on what, and how many there are.
fn about(storage: &StorageFacts, name: &str, class: &StorageClass) -> String {
    let mut parts = vec![class.provisioner.clone()];
    parts.extend(class.openebs.backend.as_ref().map(|backend| format!("on {backend}")));
    parts.extend(class.openebs.base_path.as_ref().map(|path| format!("in {path}")));
    parts.extend(is_default(class).then(|| "the default".to_owned()));
    parts.push(format!("reclaim {}", class.reclaim_policy));
    match storage.volumes.values().filter(|volume| volume.class == name).count() {
        0 => {}
        1 => parts.push("1 volume".to_owned()),
        count => parts.push(format!("{count} volumes")),
    }
    parts.join(", ")
}

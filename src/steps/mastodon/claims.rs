//! Volume claims that are there and cannot become what the inventory asks for now: class and access modes of a claim
//! never change (kubernetes/kubernetes `pkg/apis/core/validation/validation.go`, `ValidatePersistentVolumeClaimUpdate`).
//! Pushed, such a change would be refused by the API server at each attempt of Flux's.

use serde_json::Value;

use crate::facts::Facts;
use crate::facts::storage::Claim;
use crate::inventory::model::{Access, Inventory, Mastodon};
use crate::inventory::storage::classes::{rwo_class, rwx_class};
use crate::mastodon::{ASSETS_CLAIM, NAMESPACE, SYSTEM_CLAIM, values};
use crate::plan::Verdict;

/// A claim as it should be.
struct Wanted<'a> {
    name: &'a str,
    /// None: the cluster's default, whichever that was when the claim was made.
    class: Option<String>,
    mode: Access,
}

/// The claims of the bitnami charts' `StatefulSets`, and where the values name their class.
const DATABASES: [(&str, &str); 3] = [
    ("data-mastodon-postgresql-0", "/postgresql/primary/persistence/storageClass"),
    ("redis-data-mastodon-redis-master-0", "/redis/master/persistence/storageClass"),
    ("data-mastodon-elasticsearch-master-0", "/elasticsearch/master/persistence/storageClass"),
];

fn wanted<'a>(inventory: &Inventory, mastodon: &Mastodon) -> Vec<Wanted<'a>> {
    let values = values::values(inventory, mastodon);
    let class = |pointer: &str| values.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let databases = DATABASES.map(|(name, pointer)| Wanted { name, class: class(pointer), mode: Access::Rwo });
    let media = match mastodon.access {
        Access::Rwx => rwx_class(&inventory.storage),
        Access::Rwo => rwo_class(&inventory.storage),
    };
    let media = [ASSETS_CLAIM, SYSTEM_CLAIM].into_iter().filter(|_| mastodon.s3.is_none()).map(|name| Wanted {
        name,
        class: media.map(str::to_owned),
        mode: mastodon.access,
    });
    databases.into_iter().chain(media).collect()
}

/// What cannot be changed of a claim, in words.
fn conflict(is: &Claim, wanted: &Wanted<'_>) -> Option<String> {
    let name = wanted.name;
    if let (Some(is), Some(wanted)) = (&is.class, &wanted.class)
        && is != wanted
    {
        return Some(format!("the claim {name} has the storage class {is}, the inventory now asks for {wanted}"));
    }
    let mode = wanted.mode.mode();
    (!is.modes.is_empty() && !is.modes.iter().any(|is| is == mode))
        .then(|| format!("the claim {name} is {}, the inventory now asks for {mode}", is.modes.join(", ")))
}

/// A refusal that names the claims and both ways out; none where every claim can be as it should.
pub fn refusal(inventory: &Inventory, facts: &Facts) -> Option<Verdict> {
    let mastodon = inventory.mastodon.as_ref()?;
    let claims = &facts.cluster.as_ref()?.storage.claims;
    let wanted = wanted(inventory, mastodon);
    let mut conflicts = Vec::new();
    let mut names = Vec::new();
    for wanted in &wanted {
        let is = claims.iter().find(|is| is.namespace == NAMESPACE && is.name == wanted.name);
        if let Some(conflict) = is.and_then(|is| conflict(is, wanted)) {
            conflicts.push(conflict);
            names.push(wanted.name);
        }
    }
    if conflicts.is_empty() {
        return None;
    }
    Some(Verdict::blocked(format!(
        "{}\nKubernetes never changes class and access mode of a claim, so nothing was pushed.\nTo keep the data where it is, say \
         in the inventory what the claim was made with ([storage], `access` under [mastodon]). To move: back up what is on \
         it, stop what uses it, `microk8s kubectl -n {NAMESPACE} delete pvc {}`, and run `homeprov up` again, which makes an \
         empty one. With the reclaim policy Retain the old volume stays.",
        conflicts.join("\n"),
        names.join(" ")
    )))
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{facts, inventory};
    use super::*;

    fn with(name: &str, class: &str, mode: &str) -> Facts {
        let mut facts = facts();
        facts.cluster.as_mut().unwrap().storage.claims.push(Claim {
            namespace: NAMESPACE.to_owned(),
            name: name.to_owned(),
            class: Some(class.to_owned()),
            modes: vec![mode.to_owned()],
            ..Claim::default()
        });
        facts
    }

    fn check(name: &str, class: &str, mode: &str) -> Option<String> {
        refusal(&inventory(), &with(name, class, mode)).map(|verdict| verdict.text())
    }

    #[test]
    fn a_claim_that_is_as_it_should_be_is_no_matter() {
        assert_eq!(check(SYSTEM_CLAIM, "openebs-rwx", "ReadWriteMany"), None);
        assert_eq!(check("data-mastodon-postgresql-0", "homeprov-jiva-retain", "ReadWriteOnce"), None);
        assert_eq!(check("somebody-elses", "fast", "ReadWriteOnce"), None);
    }

    #[test]
    fn another_class_or_mode_is_refused_before_anything_is_pushed() {
        let text = check(SYSTEM_CLAIM, "microk8s-hostpath", "ReadWriteMany").unwrap();
        insta::assert_snapshot!(text);
        let text = check("data-mastodon-postgresql-0", "fast", "ReadWriteOnce").unwrap();
        assert!(
            text.starts_with(
                "the claim data-mastodon-postgresql-0 has the storage class fast, the inventory now asks for"
            ),
            "{text}"
        );
        let text = check(SYSTEM_CLAIM, "openebs-rwx", "ReadWriteOnce").unwrap();
        assert!(text.starts_with("the claim mastodon-system is ReadWriteOnce, the inventory now asks for"), "{text}");
    }

    #[test]
    fn the_class_of_the_users_own_values_counts() {
        let mut inventory = inventory();
        let values = serde_json::json!({ "postgresql": { "primary": { "persistence": { "storageClass": "fast" } } } });
        inventory.mastodon.as_mut().unwrap().values = values.as_object().cloned().unwrap();
        assert_eq!(refusal(&inventory, &with("data-mastodon-postgresql-0", "fast", "ReadWriteOnce")), None);
    }
}

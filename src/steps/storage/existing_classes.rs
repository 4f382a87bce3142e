//! The classes the inventory names are there.

use async_trait::async_trait;

use super::seen;
use crate::facts::Facts;
use crate::inventory::model::{Engine, Inventory};
use crate::plan::{Place, Verdict};
use crate::steps::{Context, Failure, RustStep};

/// `class` and `rwx_class` of the inventory exist. homeprov makes neither.
pub struct ExistingClasses;

#[async_trait]
impl RustStep for ExistingClasses {
    fn check(&self, inventory: &Inventory, facts: &Facts, _: &Place) -> Verdict {
        let storage = &inventory.storage;
        if storage.engine != Engine::ExistingClass {
            return Verdict::Holds;
        }
        let Some(seen) = seen(facts) else { return Verdict::unknown("members-joined") };
        let wanted = [("class", &storage.class), ("rwx_class", &storage.rwx_class)];
        let absent: Vec<String> = wanted
            .into_iter()
            .filter_map(|(key, class)| Some((key, class.as_ref()?)))
            .filter(|(_, class)| !seen.classes.contains_key(*class))
            .map(|(key, class)| format!("[storage] {key} = \"{class}\""))
            .collect();
        if absent.is_empty() {
            return Verdict::Holds;
        }
        let there: Vec<&str> = seen.classes.keys().map(String::as_str).collect();
        let there = if there.is_empty() { "no class at all".to_owned() } else { there.join(", ") };
        Verdict::blocked(format!(
            "there is no such storage class: {}. The cluster has {there}. Install that storage first, or name a class that is there",
            absent.join(", ")
        ))
    }

    async fn apply(&self, _: &Context) -> Result<(), Failure> {
        Ok(())
    }
}

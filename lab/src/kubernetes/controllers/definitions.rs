//! `CustomResourceDefinition`s: a moment after its creation a definition is established and its kind is served.

use crate::kubernetes::Kubernetes;
use crate::kubernetes::store::Key;
use crate::kubernetes::types::Millis;
use crate::kubernetes::value::{Condition, at, condition, set, set_condition, text};

const ESTABLISHES_AFTER: Millis = 200;
const GROUP: &str = "apiextensions.k8s.io";

impl Kubernetes {
    pub(super) fn run_definitions(&mut self) {
        for (key, definition) in self.all_of(GROUP, "customresourcedefinitions") {
            if condition(&definition, "Established") == "True"
                || !self.due(text(&definition, "/metadata/uid"), "established", ESTABLISHES_AFTER)
            {
                continue;
            }
            let stamp = self.stamp();
            self.edit(&key, |definition| {
                let names = at(definition, "/spec/names").clone();
                set(definition, "/status/acceptedNames", names);
                let accepted = Condition {
                    kind: "NamesAccepted",
                    status: "True",
                    reason: "NoConflicts",
                    message: "no conflicts found",
                };
                set_condition(definition, &accepted, &stamp);
                let established = Condition {
                    kind: "Established",
                    status: "True",
                    reason: "InitialNamesAccepted",
                    message: "the initial names have been accepted",
                };
                set_condition(definition, &established, &stamp);
            });
        }
        self.serve_definitions();
    }

    /// Serves exactly the established definitions, and removes the objects of those that are gone.
    fn serve_definitions(&mut self) {
        let mut definitions = self.all_of(GROUP, "customresourcedefinitions");
        definitions.retain(|(_, definition)| condition(definition, "Established") == "True");
        let versions = definitions
            .iter()
            .map(|(key, definition)| format!("{}@{}", key.name, text(definition, "/metadata/resourceVersion")));
        let versions: Vec<String> = versions.collect();
        if versions == self.defined {
            return;
        }
        self.defined = versions;
        let before: Vec<(String, String)> = self.custom_kinds();
        self.kinds.define(definitions.iter().map(|(_, definition)| &**definition));
        let after = self.custom_kinds();
        for (group, plural) in before.into_iter().filter(|kind| !after.contains(kind)) {
            let keys: Vec<Key> = self.store.list(&group, &plural, None).map(|(key, _)| key.clone()).collect();
            for key in keys {
                self.erase(&key);
            }
        }
    }

    fn custom_kinds(&self) -> Vec<(String, String)> {
        let custom = self.kinds.all().iter().filter(|kind| kind.custom.is_some());
        custom.map(|kind| (kind.group.clone(), kind.plural.clone())).collect()
    }
}

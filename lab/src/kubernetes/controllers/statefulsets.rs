//! `StatefulSet`s: numbered pods, one after the other, each with its own claims.

use serde_json::{Value, json};

use super::{count, is_leaving, is_ready};
use crate::kubernetes::Kubernetes;
use crate::kubernetes::names;
use crate::kubernetes::options::Propagation;
use crate::kubernetes::store::Key;
use crate::kubernetes::value::{at, entries, list, number, set, text};

const REVISION: &str = "/metadata/labels/controller-revision-hash";

impl Kubernetes {
    pub(super) fn run_stateful_sets(&mut self) {
        for (key, owner) in self.all_of("apps", "statefulsets") {
            if !is_leaving(&owner) {
                self.order(&owner);
                self.report_stateful_set(&key, &owner);
            }
        }
    }

    fn order(&mut self, owner: &Value) {
        let (name, namespace) =
            (text(owner, "/metadata/name").to_owned(), text(owner, "/metadata/namespace").to_owned());
        let revision = revision(owner);
        let wanted = number(owner, "/spec/replicas");
        let parallel = text(owner, "/spec/podManagementPolicy") == "Parallel";
        let key_of = |ordinal: i64| Key::core("pods", &namespace, &format!("{name}-{ordinal}"));
        for ordinal in 0..wanted {
            match self.store.get(&key_of(ordinal)).cloned() {
                None => {
                    self.make_claims(owner, ordinal);
                    self.make_ordinal(owner, &format!("{name}-{ordinal}"), ordinal, &revision);
                    if !parallel {
                        return;
                    }
                }
                Some(pod) if !parallel && (!is_ready(&pod) || is_leaving(&pod)) => return,
                Some(_) => {}
            }
        }
        let last =
            self.pods_of(owner).iter().filter_map(|(key, _)| key.name.rsplit('-').next()?.parse::<i64>().ok()).max();
        if let Some(last) = last.filter(|last| *last >= wanted) {
            self.discard(&key_of(last), Propagation::Background, None);
            return;
        }
        if text(owner, "/spec/updateStrategy/type") == "RollingUpdate" {
            let stale = (0..wanted)
                .rev()
                .find(|ordinal| self.store.get(&key_of(*ordinal)).is_some_and(|pod| text(pod, REVISION) != revision));
            if let Some(ordinal) = stale {
                self.discard(&key_of(ordinal), Propagation::Background, None);
            }
        }
    }

    fn make_ordinal(&mut self, owner: &Value, name: &str, ordinal: i64, revision: &str) {
        let mut template = at(owner, "/spec/template").clone();
        set(&mut template, REVISION, revision);
        set(&mut template, "/metadata/labels/statefulset.kubernetes.io~1pod-name", name);
        set(&mut template, "/metadata/labels/apps.kubernetes.io~1pod-index", ordinal.to_string());
        let mut volumes = list(&template, "/spec/volumes").to_vec();
        for claim in list(owner, "/spec/volumeClaimTemplates") {
            let volume = text(claim, "/metadata/name");
            volumes.push(json!({"name": volume, "persistentVolumeClaim": {"claimName": format!("{volume}-{name}")}}));
        }
        if !volumes.is_empty() {
            set(&mut template, "/spec/volumes", volumes);
        }
        set(&mut template, "/spec/hostname", name);
        self.make_pod(owner, name, &template);
    }

    /// Claims outlive their pods, and the set: nobody owns them.
    fn make_claims(&mut self, owner: &Value, ordinal: i64) {
        for claim in list(owner, "/spec/volumeClaimTemplates") {
            let name = format!("{}-{}-{ordinal}", text(claim, "/metadata/name"), text(owner, "/metadata/name"));
            let mut claim = claim.clone();
            set(&mut claim, "/metadata/name", name);
            set(&mut claim, "/metadata/namespace", text(owner, "/metadata/namespace"));
            for (label, value) in entries(owner, "/spec/selector/matchLabels") {
                crate::kubernetes::value::object(&mut claim, "/metadata/labels").insert(label.clone(), value.clone());
            }
            self.make("", "persistentvolumeclaims", claim);
        }
    }

    fn report_stateful_set(&mut self, key: &Key, owner: &Value) {
        let pods = self.pods_of(owner);
        let revision = revision(owner);
        let ready = count(pods.iter().filter(|(_, pod)| is_ready(pod)).count());
        let updated = count(pods.iter().filter(|(_, pod)| text(pod, REVISION) == revision).count());
        let done = updated == number(owner, "/spec/replicas");
        self.edit(key, |object| {
            let before = match text(object, "/status/currentRevision") {
                "" => revision.clone(),
                known => known.to_owned(),
            };
            object["status"] = json!({"observedGeneration": number(owner, "/metadata/generation"), "replicas": pods.len(),
                "readyReplicas": ready, "availableReplicas": ready, "updatedReplicas": updated, "currentReplicas": updated,
                "currentRevision": if done { revision.clone() } else { before }, "updateRevision": revision, "collisionCount": 0});
        });
    }
}

fn revision(owner: &Value) -> String {
    format!("{}-{}", text(owner, "/metadata/name"), names::template_hash(at(owner, "/spec/template")))
}

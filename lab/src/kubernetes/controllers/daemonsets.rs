//! `DaemonSet`s: one pod on every node that fits.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};

use super::scheduler::{fits_selector, tolerates};
use super::{count, is_leaving, is_ready};
use crate::kubernetes::Kubernetes;
use crate::kubernetes::names;
use crate::kubernetes::options::Propagation;
use crate::kubernetes::store::Key;
use crate::kubernetes::value::{at, list, number, set, text};

/// Taints a daemon's pod bears without saying so (kube-controller-manager `daemon`).
const BORNE: [&str; 6] =
    ["not-ready", "unreachable", "disk-pressure", "memory-pressure", "pid-pressure", "unschedulable"];

impl Kubernetes {
    pub(super) fn run_daemon_sets(&mut self) {
        for (key, daemon) in self.all_of("apps", "daemonsets") {
            if !is_leaving(&daemon) {
                self.spread(&daemon);
                self.report_daemon_set(&key, &daemon);
            }
        }
    }

    /// The nodes a daemon belongs on.
    fn daemon_nodes(&self, daemon: &Value) -> Vec<String> {
        let spec = at(daemon, "/spec/template/spec");
        let fits = |node: &Value| fits_selector(spec, node) && tolerates(list(spec, "/tolerations"), node);
        self.store.list("", "nodes", None).filter(|(_, node)| fits(node)).map(|(key, _)| key.name.clone()).collect()
    }

    fn spread(&mut self, daemon: &Value) {
        let nodes = self.daemon_nodes(daemon);
        let hash = names::template_hash(at(daemon, "/spec/template"));
        let pods = self.pods_of(daemon);
        let stale = |pod: &Value| text(pod, "/metadata/labels/controller-revision-hash") != hash;
        let mut seen = BTreeSet::new();
        for (key, pod) in &pods {
            let node = text(pod, "/spec/nodeName");
            let twice = !seen.insert(node);
            if !nodes.iter().any(|known| known == node) || twice || text(pod, "/status/phase") == "Failed" {
                self.discard(key, Propagation::Background, None);
            }
        }
        let all_up = pods.len() == nodes.len() && pods.iter().all(|(_, pod)| is_ready(pod));
        if all_up
            && text(daemon, "/spec/updateStrategy/type") == "RollingUpdate"
            && let Some((key, _)) = pods.iter().find(|(_, pod)| stale(pod))
        {
            self.discard(key, Propagation::Background, None);
        }
        let occupied = self.occupied(daemon);
        for node in nodes.iter().filter(|node| !occupied.contains(*node)) {
            self.make_daemon(daemon, node, &hash);
        }
    }

    /// The nodes that run a pod of the daemon, also one whose containers are still stopping: the next may need the same
    /// ports of the host.
    fn occupied(&self, daemon: &Value) -> BTreeSet<String> {
        let uid = &daemon["metadata"]["uid"];
        self.store
            .list("", "pods", Some(text(daemon, "/metadata/namespace")))
            .filter(|(_, pod)| super::controller_of(pod).is_some_and(|owner| owner["uid"] == *uid))
            .map(|(_, pod)| text(pod, "/spec/nodeName").to_owned())
            .collect()
    }

    fn make_daemon(&mut self, daemon: &Value, node: &str, hash: &str) {
        let mut template = at(daemon, "/spec/template").clone();
        set(&mut template, "/metadata/labels/controller-revision-hash", hash);
        set(
            &mut template,
            "/metadata/labels/pod-template-generation",
            number(daemon, "/metadata/generation").to_string(),
        );
        let mut tolerations = list(&template, "/spec/tolerations").to_vec();
        for taint in BORNE {
            let effect = if ["not-ready", "unreachable"].contains(&taint) { "NoExecute" } else { "NoSchedule" };
            tolerations
                .push(json!({"key": format!("node.kubernetes.io/{taint}"), "operator": "Exists", "effect": effect}));
        }
        set(&mut template, "/spec/tolerations", tolerations);
        set(&mut template, "/spec/nodeName", node);
        let name = format!("{}-{}", text(daemon, "/metadata/name"), names::suffix(&mut self.rng, 5));
        self.make_pod(daemon, &name, &template);
    }

    fn report_daemon_set(&mut self, key: &Key, daemon: &Value) {
        let desired = self.daemon_nodes(daemon).len();
        let hash = names::template_hash(at(daemon, "/spec/template"));
        let pods = self.pods_of(daemon);
        let matching = |wanted: &dyn Fn(&Arc<Value>) -> bool| count(pods.iter().filter(|(_, pod)| wanted(pod)).count());
        let ready = matching(&|pod| is_ready(pod));
        let updated = matching(&|pod| text(pod, "/metadata/labels/controller-revision-hash") == hash);
        let mut status = json!({"currentNumberScheduled": pods.len(), "desiredNumberScheduled": desired, "numberMisscheduled": 0,
            "numberReady": ready, "observedGeneration": number(daemon, "/metadata/generation")});
        for (field, value) in [
            ("numberAvailable", ready),
            ("updatedNumberScheduled", updated),
            ("numberUnavailable", count(desired) - ready),
        ] {
            if value > 0 {
                status[field] = value.into();
            }
        }
        self.edit(key, |object| object["status"] = status);
    }
}

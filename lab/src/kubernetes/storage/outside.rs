//! Containers that run outside of the simulation: what they wrote, and how they ended.

use serde_json::Value;

use super::container::{Runner, run_of};
use super::view::ContainerRun;
use crate::kubernetes::Kubernetes;
use crate::kubernetes::controllers::is_leaving;
use crate::kubernetes::store::Key;
use crate::kubernetes::types::Millis;
use crate::kubernetes::value::{at, list, number, text};

/// The status of a container that was killed.
const KILLED: i32 = 137;

/// One container that runs outside.
#[derive(Debug)]
pub(super) struct Process {
    run: ContainerRun,
    /// The boot of the node it was started in.
    boot: String,
    /// What it wrote, standard output and error as they came.
    log: Vec<u8>,
    /// Its exit status, once it has ended.
    status: Option<i32>,
}

impl super::Storage {
    pub(super) fn has_running(&self, uid: &str) -> bool {
        self.processes.iter().any(|((of, _), process)| of == uid && process.status.is_none())
    }

    /// Drops what is known of containers that have ended.
    pub(super) fn forget_processes(&mut self, ids: &[(String, String)]) {
        for id in ids {
            if self.processes.get(id).is_some_and(|process| process.status.is_some()) {
                self.processes.remove(id);
            }
        }
    }

    /// Ends what ran where `lost` says so.
    pub(super) fn kill_processes(&mut self, lost: impl Fn(&str, &str) -> bool) {
        for process in self.processes.values_mut().filter(|process| process.status.is_none()) {
            if lost(&process.run.node, &process.boot) {
                process.status = Some(KILLED);
            }
        }
    }
}

impl Kubernetes {
    /// From now on the containers of jobs, and of other pods without an owner that are to end by themselves, are run by the
    /// caller, who tells of them by [`Self::container_wrote`] and [`Self::container_ended`]. Without it a job's pod succeeds
    /// after two seconds.
    pub fn run_containers_outside(&mut self) {
        self.storage.outside = true;
    }

    /// A container wrote something, which its log then shows.
    pub fn container_wrote(&mut self, now: Millis, uid: &str, container: &str, bytes: &[u8]) {
        self.now = self.now.max(now);
        if let Some(process) = self.storage.processes.get_mut(&(uid.to_owned(), container.to_owned())) {
            process.log.extend_from_slice(bytes);
        }
    }

    /// A container ended; `status` is its exit status, 128 and the signal's number for one that was killed.
    pub fn container_ended(&mut self, now: Millis, uid: &str, container: &str, status: i32) {
        self.now = self.now.max(now);
        if let Some(process) = self.storage.processes.get_mut(&(uid.to_owned(), container.to_owned())) {
            process.status.get_or_insert(status);
            self.unseen.get_or_insert(self.now);
        }
    }

    /// Whether the containers of a pod are run by somebody else.
    pub(in crate::kubernetes) fn runs_outside(&self, pod: &Value) -> bool {
        let owners = list(pod, "/metadata/ownerReferences");
        self.storage.outside
            && !Self::is_simulated(pod)
            && text(pod, "/spec/restartPolicy") != "Always"
            && (owners.is_empty() || owners.iter().any(|owner| owner["kind"] == "Job"))
    }

    /// Starts the containers of a pod that do not run yet.
    pub(in crate::kubernetes) fn launch(&mut self, pod: &Value) {
        let uid = text(pod, "/metadata/uid");
        let node = text(pod, "/spec/nodeName");
        for container in list(pod, "/spec/containers") {
            let run = run_of(&Runner { cluster: self, pod }, container);
            let process = Process { run, boot: self.kubelets.boot(node), log: Vec::new(), status: None };
            self.storage.processes.insert((uid.to_owned(), text(container, "/name").to_owned()), process);
        }
    }

    /// Starts one container of a pod again; what it wrote before is gone from its log.
    pub(in crate::kubernetes) fn relaunch(&mut self, uid: &str, container: &str) {
        if let Some(process) = self.storage.processes.get_mut(&(uid.to_owned(), container.to_owned())) {
            process.status = None;
            process.log.clear();
            self.unseen.get_or_insert(self.now);
        }
    }

    /// The exit statuses of a pod's containers by their names; none for one that runs.
    pub(in crate::kubernetes) fn exits(&self, pod: &Value) -> Vec<(String, Option<i32>)> {
        let uid = text(pod, "/metadata/uid");
        let status = |name: &str| match self.storage.processes.get(&(uid.to_owned(), name.to_owned())) {
            Some(process) => process.status,
            None => Some(KILLED),
        };
        let names = list(pod, "/spec/containers").iter().map(|container| text(container, "/name"));
        names.map(|name| (name.to_owned(), status(name))).collect()
    }

    /// Whether a container of the pod still runs outside.
    pub(in crate::kubernetes) fn has_processes(&self, uid: &str) -> bool {
        self.storage.has_running(uid)
    }

    /// What a container wrote; none for one that does not run outside.
    pub(in crate::kubernetes) fn written(&self, uid: &str, container: &str) -> Option<&[u8]> {
        let process = self.storage.processes.get(&(uid.to_owned(), container.to_owned()))?;
        Some(&process.log)
    }

    /// The containers that should be running now.
    pub(super) fn container_runs(&self) -> Vec<ContainerRun> {
        let running = self.storage.processes.values().filter(|process| process.status.is_none());
        running
            .map(|process| {
                let run = &process.run;
                let pod = self.store.get(&Key::core("pods", &run.namespace, &run.pod));
                let pod = pod.filter(|pod| text(pod, "/metadata/uid") == run.uid);
                let leaving = pod.is_none_or(|pod| is_leaving(pod));
                let grace = match pod {
                    // Deleted by force: there is nothing to wait for.
                    None => 0,
                    Some(pod) if leaving => number(pod, "/metadata/deletionGracePeriodSeconds"),
                    Some(pod) => at(pod, "/spec/terminationGracePeriodSeconds").as_i64().unwrap_or(30),
                };
                ContainerRun {
                    ending: leaving && self.kubelets.reachable(&run.node).is_some(),
                    grace_seconds: u64::try_from(grace).unwrap_or_default(),
                    ..run.clone()
                }
            })
            .collect()
    }
}

//! Jobs: pods that run to their end.

use serde_json::{Value, json};

use super::{count, is_leaving, is_ready};
use crate::kubernetes::Kubernetes;
use crate::kubernetes::names;
use crate::kubernetes::options::Propagation;
use crate::kubernetes::store::Key;
use crate::kubernetes::types::Millis;
use crate::kubernetes::value::{Condition, at, condition, list, number, set, set_condition, text};

/// From a pod's failure until the next try, doubled with each (kube-controller-manager `job`).
const BACK_OFF: (Millis, Millis) = (10_000, 600_000);

/// Why a job is given up.
struct Verdict {
    reason: &'static str,
    message: &'static str,
}

impl Kubernetes {
    pub(super) fn run_jobs(&mut self) {
        for (key, job) in self.all_of("batch", "jobs") {
            if is_leaving(&job) {
                continue;
            }
            if ["Complete", "Failed"].iter().any(|kind| condition(&job, kind) == "True") {
                self.expire(&key, &job);
            } else if at(&job, "/spec/suspend") != true {
                self.work(&key, &job);
            }
        }
    }

    fn work(&mut self, key: &Key, job: &Value) {
        let pods = self.pods_of(job);
        let phase = |wanted: &str| count(pods.iter().filter(|(_, pod)| text(pod, "/status/phase") == wanted).count());
        let restarts: i64 = pods.iter().map(|(_, pod)| restarts(pod)).sum();
        let (succeeded, failed) = (phase("Succeeded"), phase("Failed"));
        let active = count(pods.len()) - succeeded - failed;
        let completions = number(job, "/spec/completions");
        let verdict = self.verdict(job, failed + restarts);
        let mut wanted = number(job, "/spec/parallelism").min(completions - succeeded);
        if verdict.is_some() {
            wanted = 0;
            for (pod, _) in pods.iter().filter(|(_, pod)| !is_finished(pod)) {
                self.discard(pod, Propagation::Background, None);
            }
        } else if active < wanted && self.rested(job, failed) {
            for _ in active..wanted {
                let name = format!("{}-{}", text(job, "/metadata/name"), names::suffix(&mut self.rng, 5));
                self.make_pod(job, &name, at(job, "/spec/template"));
            }
        } else {
            wanted = active;
        }
        let ready = count(pods.iter().filter(|(_, pod)| is_ready(pod)).count());
        let stamp = self.stamp();
        self.edit(key, |object| {
            crate::kubernetes::value::default(object, "/status/startTime", stamp.as_str());
            let active = if verdict.is_some() { 0 } else { active.max(wanted) };
            for (field, value) in [("active", active), ("succeeded", succeeded), ("failed", failed)] {
                if value > 0 {
                    set(object, &format!("/status/{field}"), value);
                } else {
                    crate::kubernetes::value::remove(object, &format!("/status/{field}"));
                }
            }
            set(object, "/status/ready", ready);
            set(object, "/status/terminating", 0);
            set(object, "/status/uncountedTerminatedPods", json!({}));
            if let Some(Verdict { reason, message }) = verdict {
                for kind in ["FailureTarget", "Failed"] {
                    set_condition(object, &Condition { kind, status: "True", reason, message }, &stamp);
                }
            } else if succeeded >= completions {
                let message = "Reached expected number of succeeded pods";
                for kind in ["SuccessCriteriaMet", "Complete"] {
                    set_condition(
                        object,
                        &Condition { kind, status: "True", reason: "CompletionsReached", message },
                        &stamp,
                    );
                }
                set(object, "/status/completionTime", stamp.as_str());
            }
        });
    }

    /// Whether a job is given up: too many failures, or too long at it.
    fn verdict(&mut self, job: &Value, failures: i64) -> Option<Verdict> {
        if failures > number(job, "/spec/backoffLimit") {
            let message = "Job has reached the specified backoff limit";
            return Some(Verdict { reason: "BackoffLimitExceeded", message });
        }
        let seconds = at(job, "/spec/activeDeadlineSeconds").as_u64()?;
        let late = self.due(text(job, "/metadata/uid"), "deadline", seconds * 1000);
        late.then_some(Verdict { reason: "DeadlineExceeded", message: "Job was active longer than specified deadline" })
    }

    /// Whether the pause after the latest failure is over.
    fn rested(&mut self, job: &Value, failed: i64) -> bool {
        if failed == 0 {
            return true;
        }
        let uid = text(job, "/metadata/uid");
        let doublings = u32::try_from(failed - 1).unwrap_or_default().min(16);
        let over = self.due(uid, "back-off", (BACK_OFF.0 << doublings).min(BACK_OFF.1));
        if over {
            self.reset(uid, "back-off");
        }
        over
    }

    /// Finished jobs go by themselves when they say after how long.
    fn expire(&mut self, key: &Key, job: &Value) {
        if let Some(seconds) = at(job, "/spec/ttlSecondsAfterFinished").as_u64()
            && self.due(text(job, "/metadata/uid"), "ttl", seconds * 1000)
        {
            self.discard(key, Propagation::Background, None);
        }
    }
}

fn is_finished(pod: &Value) -> bool {
    ["Succeeded", "Failed"].contains(&text(pod, "/status/phase"))
}

/// How often a pod's containers were restarted, which counts where they are restarted instead of replaced.
fn restarts(pod: &Value) -> i64 {
    list(pod, "/status/containerStatuses").iter().map(|container| number(container, "/restartCount")).sum()
}

/// Whether a pod is one that ends: its program is a job's.
pub(super) fn ends(pod: &Value) -> bool {
    text(pod, "/spec/restartPolicy") != "Always"
        && list(pod, "/metadata/ownerReferences").iter().any(|owner| owner["kind"] == "Job")
}

//! Jobs: pods that run to their end.

use serde_json::{Value, json};

use super::{count, is_leaving, is_ready};
use crate::kubernetes::Kubernetes;
use crate::kubernetes::names;
use crate::kubernetes::options::Propagation;
use crate::kubernetes::store::Key;
use crate::kubernetes::value::{Condition, at, condition, list, number, set, set_condition, text};

impl Kubernetes {
    pub(super) fn run_jobs(&mut self) {
        for (key, job) in self.all_of("batch", "jobs") {
            if is_leaving(&job) {
                continue;
            }
            if condition(&job, "Complete") == "True" {
                self.expire(&key, &job);
            } else if at(&job, "/spec/suspend") != true {
                self.work(&key, &job);
            }
        }
    }

    fn work(&mut self, key: &Key, job: &Value) {
        let pods = self.pods_of(job);
        let phase = |wanted: &str| count(pods.iter().filter(|(_, pod)| text(pod, "/status/phase") == wanted).count());
        let (succeeded, failed) = (phase("Succeeded"), phase("Failed"));
        let active = count(pods.len()) - succeeded - failed;
        let completions = number(job, "/spec/completions");
        let wanted = number(job, "/spec/parallelism").min(completions - succeeded);
        for _ in active..wanted {
            let name = format!("{}-{}", text(job, "/metadata/name"), names::suffix(&mut self.rng, 5));
            self.make_pod(job, &name, at(job, "/spec/template"));
        }
        let ready = count(pods.iter().filter(|(_, pod)| is_ready(pod)).count());
        let stamp = self.stamp();
        self.edit(key, |object| {
            crate::kubernetes::value::default(object, "/status/startTime", stamp.as_str());
            for (field, value) in [("active", active.max(wanted)), ("succeeded", succeeded), ("failed", failed)] {
                if value > 0 {
                    set(object, &format!("/status/{field}"), value);
                } else {
                    crate::kubernetes::value::remove(object, &format!("/status/{field}"));
                }
            }
            set(object, "/status/ready", ready);
            set(object, "/status/terminating", 0);
            set(object, "/status/uncountedTerminatedPods", json!({}));
            if succeeded >= completions {
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

    /// Finished jobs go by themselves when they say after how long.
    fn expire(&mut self, key: &Key, job: &Value) {
        if let Some(seconds) = at(job, "/spec/ttlSecondsAfterFinished").as_u64()
            && self.due(text(job, "/metadata/uid"), "ttl", seconds * 1000)
        {
            self.discard(key, Propagation::Background, None);
        }
    }
}

/// Whether a pod is one that ends: its program is a job's.
pub(super) fn ends(pod: &Value) -> bool {
    text(pod, "/spec/restartPolicy") != "Always"
        && list(pod, "/metadata/ownerReferences").iter().any(|owner| owner["kind"] == "Job")
}

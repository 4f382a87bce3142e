//! Probes, without a look at each period: from when something passes or fails follows when the kubelet will have found out.

use serde_json::Value;

use super::program::main_container;
use super::progress::Progress;
use super::state::Probes;
use crate::kubernetes::Kubernetes;
use crate::kubernetes::controllers::Note;
use crate::kubernetes::types::Millis;
use crate::kubernetes::value::{at, number, text};

/// What the probes come to.
pub(super) enum Finding {
    /// The container goes on.
    Fine,
    /// It is to be killed, and the probe that says so: `Liveness` or `Startup`.
    Kill(&'static str),
}

/// One probe of a container's.
struct Probe<'a> {
    spec: &'a Value,
    /// The container's start.
    started: Millis,
}

impl Probe<'_> {
    fn seconds(&self, field: &str, usual: u64) -> Millis {
        match u64::try_from(number(self.spec, field)).unwrap_or_default() {
            0 => usual * 1000,
            given => given * 1000,
        }
    }

    fn threshold(&self) -> u64 {
        u64::try_from(number(self.spec, "/failureThreshold")).ok().filter(|given| *given > 0).unwrap_or(3)
    }

    fn first(&self) -> Millis {
        self.started + self.seconds("/initialDelaySeconds", 0)
    }

    /// The first look at `from` or later.
    fn look(&self, from: Millis) -> Millis {
        let (first, period) = (self.first(), self.seconds("/periodSeconds", 10));
        if from <= first { first } else { first + (from - first).div_ceil(period) * period }
    }

    /// When as many looks have failed as it takes, if all do from `since` on.
    fn gives_up(&self, since: Millis) -> Millis {
        self.look(since) + (self.threshold() - 1) * self.seconds("/periodSeconds", 10)
    }

    /// Whether what it looks at is as it wants it.
    fn passes(&self, progress: &Progress) -> bool {
        if at(self.spec, "/tcpSocket").is_object() { progress.listening } else { progress.serving }
    }
}

impl Kubernetes {
    /// Lets the probes of a pod's container look.
    pub(super) fn probe(&mut self, pod: &Value, uid: &str, progress: &Progress) -> Finding {
        let Some((container, _)) = main_container(pod) else { return Finding::Fine };
        let Some(process) = self.programs.processes.get(uid) else { return Finding::Fine };
        let (started, mut probes) = (process.started, process.probes.clone());
        let told = probes.unready_seen.is_some();
        let probe = |field: &str| {
            let spec = at(container, field);
            spec.is_object().then_some(Probe { spec, started })
        };
        let finding = self.look_all(
            &mut probes,
            probe("/startupProbe"),
            probe("/livenessProbe"),
            probe("/readinessProbe"),
            progress,
        );
        if probes.unready_seen.is_some() && !told {
            self.unhealthy(pod, "Readiness", &refusal(pod, container, "/readinessProbe", progress));
        }
        if let Finding::Kill(kind) = finding {
            let field = format!("/{}Probe", kind.to_lowercase());
            self.unhealthy(pod, kind, &refusal(pod, container, &field, progress));
        }
        if let Some(process) = self.programs.processes.get_mut(uid) {
            process.probes = probes;
        }
        finding
    }

    fn look_all(
        &mut self,
        probes: &mut Probes,
        startup: Option<Probe<'_>>,
        liveness: Option<Probe<'_>>,
        readiness: Option<Probe<'_>>,
        progress: &Progress,
    ) -> Finding {
        match startup.filter(|_| !probes.started) {
            None => probes.started = true,
            Some(probe) if probe.passes(progress) => {
                let seen = *probes.start_seen.get_or_insert(probe.look(self.now));
                if self.now < seen {
                    self.wake_at(seen);
                    return Finding::Fine;
                }
                probes.started = true;
            }
            Some(probe) => {
                probes.start_seen = None;
                let end = probe.gives_up(probe.started);
                if self.now >= end {
                    return Finding::Kill("Startup");
                }
                self.wake_at(end);
                return Finding::Fine;
            }
        }
        match liveness {
            Some(probe) if !probe.passes(progress) => {
                let since = *probes.dead_since.get_or_insert(self.now);
                let end = probe.gives_up(since);
                if self.now >= end {
                    return Finding::Kill("Liveness");
                }
                self.wake_at(end);
            }
            _ => probes.dead_since = None,
        }
        self.look_ready(probes, readiness, progress);
        Finding::Fine
    }

    fn look_ready(&mut self, probes: &mut Probes, readiness: Option<Probe<'_>>, progress: &Progress) {
        let Some(probe) = readiness else {
            probes.ready = true;
            return;
        };
        let passes = probe.passes(progress);
        if passes == probes.ready {
            (probes.ready_seen, probes.unready_seen) = (None, None);
            return;
        }
        let seen = if passes {
            *probes.ready_seen.get_or_insert(probe.look(self.now))
        } else {
            *probes.unready_seen.get_or_insert(probe.gives_up(self.now))
        };
        if self.now < seen {
            self.wake_at(seen);
        } else {
            probes.ready = passes;
            (probes.ready_seen, probes.unready_seen) = (None, None);
        }
    }
}

/// What a failed look says of the address it looked at.
fn refusal(pod: &Value, container: &Value, field: &str, progress: &Progress) -> String {
    let get = at(container, &format!("{field}/httpGet"));
    if !get.is_object() || progress.listening {
        return progress.refusal.clone();
    }
    let port = at(container, "/ports/0/containerPort").as_u64().unwrap_or_default();
    let address = text(pod, "/status/podIP");
    format!(
        "Get \"http://{address}:{port}{}\": dial tcp {address}:{port}: connect: connection refused",
        text(get, "/path")
    )
}

impl Kubernetes {
    fn unhealthy(&mut self, pod: &Value, probe: &str, refusal: &str) {
        let message = format!("{probe} probe failed: {refusal}");
        self.note(pod, &Note { kind: "Warning", reason: "Unhealthy", message: &message, component: "kubelet" });
    }
}

//! The kubelet's side of the simulated containers: starts, probes, kills, pauses, statuses
//! (k8s.io/kubernetes `pkg/kubelet/prober`, `pkg/kubelet/kuberuntime/kuberuntime_manager.go`).

use std::sync::Arc;

use serde_json::{Value, json};

use super::probes::Finding;
use super::program::{Program, main_container};
use super::progress::RECOVERING;
use super::state::{Life, Probes, Process};
use crate::kubernetes::Kubernetes;
use crate::kubernetes::controllers::{Note, end_pod, set_ready};
use crate::kubernetes::store::Key;
use crate::kubernetes::types::{Fault, Millis};
use crate::kubernetes::value::{at, list, set, text};

/// The pauses before a container that keeps ending is started again; the first restart is at once.
const PAUSES: (Millis, Millis) = (10_000, 300_000);
/// From the end of a container to its next start where there is no pause.
const AT_ONCE: Millis = 1_000;
/// A container that ran that long begins with the first pause again.
const FORGIVEN: Millis = 600_000;

impl Kubernetes {
    /// Whether a pod's programs are simulated in here.
    pub(in crate::kubernetes) fn is_simulated(pod: &Value) -> bool {
        main_container(pod).is_some()
    }

    /// What the container of a simulated pod wrote; `previous` is what the run before this one wrote.
    pub(in crate::kubernetes) fn program_log(&self, uid: &str, container: &str, previous: bool) -> Option<&str> {
        let process = self.programs.processes.get(uid).filter(|process| process.container == container)?;
        Some(if previous { &process.previous } else { &process.log })
    }

    /// What happens besides pods: processes of pods that are gone are forgotten, the fault takes its key.
    pub(in crate::kubernetes) fn run_programs(&mut self) {
        let Self { store, programs, .. } = self;
        if !programs.processes.is_empty() || !programs.pulls.is_empty() {
            let pods: std::collections::BTreeSet<&str> =
                store.list("", "pods", None).map(|(_, pod)| text(pod, "/metadata/uid")).collect();
            programs.processes.retain(|uid, _| pods.contains(uid.as_str()));
            programs.files.keep(|uid| pods.contains(uid));
            programs.pulls.retain(|uid, _| pods.contains(uid.as_str()));
        }
        if self.faults.contains(&Fault::MissingSecretKey) && !self.programs.key_lost {
            let key = Key::core("secrets", "mastodon", "mastodon-secrets");
            let there = self.store.get(&key).filter(|secret| at(secret, "/data/OTP_SECRET").is_string());
            let uid = there.map(|secret| text(secret, "/metadata/uid").to_owned());
            if uid.is_some_and(|uid| self.due(&uid, "key", 2_000)) {
                self.programs.key_lost = true;
                self.edit(&key, |secret| {
                    crate::kubernetes::value::remove(secret, "/data/OTP_SECRET");
                });
            }
        }
    }

    /// Goes on with a running pod of simulated programs.
    pub(in crate::kubernetes) fn attend(&mut self, key: &Key, pod: &Value) {
        if !self.mount_volumes(pod) {
            return;
        }
        let uid = text(pod, "/metadata/uid").to_owned();
        let boot = self.kubelets.boot(text(pod, "/spec/nodeName"));
        match self.programs.processes.get(&uid).map(|process| (process.life, process.boot == boot)) {
            None => self.launch_program(pod, &uid, &boot),
            Some((Life::Waiting(until), _)) => {
                if self.now < until {
                    self.wake_at(until);
                    return;
                }
                if self.hindered(key, pod) {
                    return;
                }
                self.launch_program(pod, &uid, &boot);
                self.tell_restart(pod, &uid);
            }
            // The node was off in between, and everything on it ended with it.
            Some((Life::Running, false)) => {
                self.finish(key, pod, &uid, 255, "");
                return;
            }
            Some((Life::Running, true)) => {}
        }
        let data = self.data_of(pod);
        let progress = self.progress(&uid, &key.namespace, &data);
        if let Some((status, log)) = &progress.ended {
            self.finish(key, pod, &uid, *status, log);
            return;
        }
        match self.probe(pod, &uid, &progress) {
            Finding::Fine => self.show_running(key, &uid),
            Finding::Kill(probe) => {
                let name =
                    self.programs.processes.get(&uid).map(|process| process.container.clone()).unwrap_or_default();
                let word = probe.to_lowercase();
                let message = format!("Container {name} failed {word} probe, will be restarted");
                self.note(pod, &Note { kind: "Normal", reason: "Killing", message: &message, component: "kubelet" });
                self.injure(&uid, &data, progress.serving);
                self.finish(key, pod, &uid, 137, "");
            }
        }
    }

    /// What a kill does to what the process had in hand: under the fault a database that recovers does not survive it.
    fn injure(&mut self, uid: &str, data: &str, serving: bool) {
        let recovers =
            self.programs.processes.get(uid).is_some_and(|process| process.program == Program::Database) && !serving;
        if recovers
            && self.faults.contains(&Fault::DbSlowStart)
            && let Some(database) = self.programs.databases.get_mut(data)
        {
            database.corrupted = true;
        }
    }

    fn launch_program(&mut self, pod: &Value, uid: &str, boot: &str) {
        let Some((container, program)) = main_container(pod) else { return };
        let mut env = self.environment(pod, container);
        if program == Program::Redis
            && let Some(password) = self.redis_password(pod)
        {
            env.insert("REDIS_PASSWORD".to_owned(), password);
        }
        let before = self.programs.processes.remove(uid);
        let (restarts, previous) = before.map_or((0, String::new()), |before| (before.restarts, before.log));
        let mut log = greeting(&program).to_owned();
        if program == Program::Database && self.faults.contains(&Fault::DbSlowStart) {
            log.push_str(RECOVERING);
        }
        let process = Process {
            container: text(container, "/name").to_owned(),
            program,
            boot: boot.to_owned(),
            started: self.now,
            life: Life::Running,
            restarts,
            env: Arc::new(env),
            log,
            previous,
            booted: false,
            probes: Probes::default(),
        };
        self.programs.processes.insert(uid.to_owned(), process);
    }

    /// Redis reads its password from a file, which is a Secret's.
    fn redis_password(&self, pod: &Value) -> Option<String> {
        use base64::Engine;
        let source = list(pod, "/spec/volumes").iter().find_map(|volume| volume.get("secret"))?;
        let item = list(source, "/items").first().map_or("redis-password", |item| text(item, "/key"));
        let secret =
            self.store.get(&Key::core("secrets", text(pod, "/metadata/namespace"), text(source, "/secretName")))?;
        let coded = secret["data"][item].as_str()?;
        String::from_utf8(base64::engine::general_purpose::STANDARD.decode(coded).ok()?).ok()
    }

    fn tell_restart(&mut self, pod: &Value, uid: &str) {
        let Some(name) = self.programs.processes.get(uid).map(|process| process.container.clone()) else { return };
        for (reason, message) in
            [("Created", format!("Created container: {name}")), ("Started", format!("Started container {name}"))]
        {
            self.note(pod, &Note { kind: "Normal", reason, message: &message, component: "kubelet" });
        }
    }

    /// A container ended: its pod with it where that is how it is meant, else it is started again after a pause.
    fn finish(&mut self, key: &Key, pod: &Value, uid: &str, status: i32, log: &str) {
        let stamp = self.stamp();
        let Some(process) = self.programs.processes.get_mut(uid) else { return };
        process.log.push_str(log);
        let name = process.container.clone();
        let policy = text(pod, "/spec/restartPolicy");
        if policy == "Never" || policy == "OnFailure" && status == 0 {
            self.edit(key, |pod| end_pod(pod, &[(name, status)], &stamp));
            return;
        }
        let ran = self.now.saturating_sub(process.started);
        let pauses = if ran >= FORGIVEN { 0 } else { process.restarts };
        process.restarts = pauses + 1;
        let doublings = pauses.saturating_sub(1).min(5);
        let pause = if pauses == 0 { AT_ONCE } else { (PAUSES.0 << doublings).min(PAUSES.1) };
        process.life = Life::Waiting(self.now + pause);
        self.wake_at(self.now + pause);
        let place = format!("{}_{}", key.name, key.namespace);
        let waiting = format!("back-off {} restarting failed container={name} pod={place}({uid})", pretty(pause));
        self.edit(key, |pod| {
            let reason = if status == 0 { "Completed" } else { "Error" };
            let shown = pod.pointer_mut("/status/containerStatuses").and_then(Value::as_array_mut);
            for shown in shown.into_iter().flatten().filter(|shown| shown["name"] == name.as_str()) {
                let started = at(shown, "/state/running/startedAt").clone();
                let end = json!({"terminated": {"exitCode": status, "reason": reason, "startedAt": started, "finishedAt": stamp}});
                let count = crate::kubernetes::value::number(shown, "/restartCount");
                shown["lastState"] = end.clone();
                shown["started"] = false.into();
                shown["restartCount"] = (count + 1).into();
                shown["state"] = if pauses == 0 { end } else { json!({"waiting": {"reason": "CrashLoopBackOff", "message": waiting}}) };
            }
            set_ready(pod, false, &stamp);
        });
        if pauses > 0 {
            let message = format!("Back-off restarting failed container {name} in pod {place}({uid})");
            self.note(pod, &Note { kind: "Warning", reason: "BackOff", message: &message, component: "kubelet" });
        }
    }

    /// The status of a container that runs, and whether its pod is ready.
    fn show_running(&mut self, key: &Key, uid: &str) {
        let Some(process) = self.programs.processes.get(uid) else { return };
        let (name, started, ready) = (process.container.clone(), process.probes.started, process.probes.ready);
        let since = self.clock.stamp(process.started);
        let stamp = self.stamp();
        let node_ready = self.store.get(key).is_some_and(|pod| {
            let node = Key::core("nodes", "", text(pod, "/spec/nodeName"));
            self.store.get(&node).is_some_and(|node| crate::kubernetes::controllers::is_ready(node))
        });
        self.edit(key, |pod| {
            let shown = pod.pointer_mut("/status/containerStatuses").and_then(Value::as_array_mut);
            for shown in shown.into_iter().flatten().filter(|shown| shown["name"] == name.as_str()) {
                set(shown, "/state", json!({"running": {"startedAt": since}}));
                shown["started"] = started.into();
            }
            set_ready(pod, ready && node_ready, &stamp);
        });
    }
}

/// The first lines of a program.
const fn greeting(program: &Program) -> &'static str {
    match program {
        Program::Database => {
            "postgresql INFO  ==> ** Starting PostgreSQL setup **\nLOG:  starting PostgreSQL 16.2 on x86_64-pc-linux-gnu\nLOG:  listening on IPv4 address \"0.0.0.0\", port 5432\n"
        }
        Program::Redis => "Server initialized\nReady to accept connections tcp\n",
        Program::Search => "[INFO ][o.e.n.Node               ] initializing ...\n",
        Program::Web => "Puma starting in cluster mode...\n* Environment: production\n",
        Program::Streaming => "{\"level\":\"info\",\"msg\":\"Streaming API now listening on 0.0.0.0:4000\"}\n",
        Program::Sidekiq | Program::Command(_) => "",
    }
}

/// A pause as Go prints it.
fn pretty(pause: Millis) -> String {
    let seconds = pause / 1000;
    if seconds < 60 { format!("{seconds}s") } else { format!("{}m{}s", seconds / 60, seconds % 60) }
}

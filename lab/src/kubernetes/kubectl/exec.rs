//! `kubectl exec` (k8s.io/kubectl `pkg/cmd/exec`): which container is meant, and what can be wrong with it. What the program
//! in there does is [`Kubernetes::exec`]'s.

use std::fmt::Write as _;

use serde_json::Value;

use super::arguments::Arguments;
use super::{Printed, object_path, server_error};
use crate::kubernetes::Kubernetes;
use crate::kubernetes::controllers::{is_leaving, is_ready};
use crate::kubernetes::selector::Labels;
use crate::kubernetes::types::{Fault, Millis};
use crate::kubernetes::value::{at, list, text};

/// How long a program of Mastodon's needs to load Rails.
const RAILS: Millis = 8_000;

/// A container that is there and runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    namespace: String,
    pod: String,
    container: String,
    /// What `kubectl` says about its choice.
    note: String,
}

/// How long dumping and reading back a database takes, and packing and unpacking files.
const COPIES: Millis = 4_000;
/// A stream longer than this may be cut off by the fault.
const LONG: usize = 64;

/// How long the program that is to be executed runs.
pub(super) fn lasts(arguments: &Arguments) -> Millis {
    let has = |programs: &[&str]| {
        let mut words = arguments.command.iter().flatten();
        words.any(|word| programs.iter().any(|program| word.contains(program)))
    };
    if has(&["tootctl", "rails", "rake"]) {
        RAILS
    } else if has(&["pg_dump", "pg_restore", "tar"]) {
        COPIES
    } else {
        0
    }
}

impl Kubernetes {
    pub(super) fn kubectl_exec(&mut self, arguments: &Arguments, stdin: &[u8]) -> Printed {
        let target = match self.exec_target(arguments) {
            Ok(target) => target,
            Err(refusal) => return refusal,
        };
        let command = arguments.command.clone().unwrap_or_default();
        let stdin = if arguments.is_set("stdin") { stdin } else { &[] };
        let now = self.now;
        let mut printed = Printed { err: target.note, ..Printed::default() };
        match self.exec(now, &target.namespace, &target.pod, &target.container, &command, stdin) {
            Ok(executed) => {
                printed.bytes = self.cut_stream(executed.stdout);
                printed.err += &String::from_utf8_lossy(&executed.stderr);
                printed.status = executed.status;
                if executed.status != 0 {
                    let _ = writeln!(printed.err, "command terminated with exit code {}", executed.status);
                }
            }
            Err(why) => {
                let _ = writeln!(printed.err, "{}", why.trim_end());
                printed.status = 1;
            }
        }
        printed
    }

    /// The fault: the first long stream of bytes that are no text ends in its middle, and kubectl says nothing of it
    /// (<https://github.com/kubernetes/kubernetes/issues/60140>).
    fn cut_stream(&mut self, mut bytes: Vec<u8>) -> Vec<u8> {
        let is_data = bytes.len() > LONG && (bytes.starts_with(b"PGDMP") || bytes.contains(&0));
        if is_data
            && self.faults.contains(&Fault::TruncatedStream)
            && !std::mem::replace(&mut self.programs.stream_cut, true)
        {
            bytes.truncate(bytes.len() / 2);
        }
        bytes
    }

    /// The container a command line means.
    pub(super) fn exec_target(&mut self, arguments: &Arguments) -> Result<Target, Printed> {
        let (word, more) = match arguments.words.as_slice() {
            [] => return Err(usage("pod, type/name or --filename must be specified")),
            [word, more @ ..] => (word.clone(), !more.is_empty()),
        };
        if more || arguments.command.is_none() {
            return Err(usage("exec [POD] [COMMAND] is not supported anymore. Use exec [POD] -- [COMMAND] instead"));
        }
        if arguments.command.iter().flatten().next().is_none() {
            return Err(usage("you must specify at least one command for the container"));
        }
        let namespace = arguments.namespace().unwrap_or("default").to_owned();
        let pod = match word.split_once('/') {
            None => self.asked("pods", &namespace, &word)?,
            Some((kind, name)) => self.attachable(kind, &namespace, name)?,
        };
        let phase = text(&pod, "/status/phase");
        if ["Succeeded", "Failed"].contains(&phase) {
            let why = format!("error: cannot exec into a container in a completed pod; current phase is {phase}\n");
            return Err(Printed::error(why));
        }
        let (container, note) = chosen(&pod, arguments);
        self.reachable_container(&pod, &container)
            .map_err(|why| Printed { err: format!("{note}{why}\n"), ..Printed::error("") })?;
        Ok(Target { namespace, pod: text(&pod, "/metadata/name").to_owned(), container, note })
    }

    fn asked(&mut self, kind: &str, namespace: &str, name: &str) -> Result<Value, Printed> {
        let kind = self.kind_named(kind).map_err(Printed::error)?;
        let response = self.ask("GET", &object_path(&kind, namespace, name), None);
        if response.status == 200 { Ok(response.json()) } else { Err(Printed::error(server_error(&response, ""))) }
    }

    /// The pod of a workload or Service to go into: ready ones first, those on their way out last.
    fn attachable(&mut self, kind: &str, namespace: &str, name: &str) -> Result<Value, Printed> {
        let object = self.asked(kind, namespace, name)?;
        if text(&object, "/kind") == "Pod" {
            return Ok(object);
        }
        let selector = Labels::of(at(&object, "/spec/selector"));
        if selector.is_empty() {
            let why = format!("error: cannot attach to *{}: selector is empty\n", text(&object, "/kind"));
            return Err(Printed::error(why));
        }
        let mut pods: Vec<&Value> = self
            .store
            .list("", "pods", Some(namespace))
            .map(|(_, pod)| &**pod)
            .filter(|pod| selector.accept(pod))
            .collect();
        pods.sort_by_key(|pod| (is_leaving(pod), !is_ready(pod), text(pod, "/status/phase") != "Running"));
        // It waits a minute for one to come; nothing that is about to be asked makes one come.
        let none = || Printed::error("error: timed out waiting for the condition\n");
        pods.first().map(|pod| Value::clone(pod)).ok_or_else(none)
    }

    /// What the API server or the kubelet has against it.
    fn reachable_container(&self, pod: &Value, container: &str) -> Result<(), String> {
        let name = text(pod, "/metadata/name");
        if !list(pod, "/spec/containers").iter().any(|known| known["name"] == container) {
            return Err(format!("Error from server (BadRequest): container {container} is not valid for pod {name}"));
        }
        let node = text(pod, "/spec/nodeName");
        if node.is_empty() {
            return Err(format!("Error from server (BadRequest): pod {name} does not have a host assigned"));
        }
        if self.kubelets.reachable(node).is_none() {
            let address = text(pod, "/status/hostIP");
            return Err(format!(
                "Error from server: error dialing backend: dial tcp {address}:10250: connect: no route to host"
            ));
        }
        let statuses = list(pod, "/status/containerStatuses");
        let runs = |status: &Value| status["name"] == container && at(status, "/state/running").is_object();
        if statuses.iter().any(runs) {
            return Ok(());
        }
        Err(format!(
            "error: Internal error occurred: unable to upgrade connection: container not found (\"{container}\")"
        ))
    }
}

/// The container that is named, annotated as the default one, or the first, which is said where there are several.
fn chosen(pod: &Value, arguments: &Arguments) -> (String, String) {
    if let Some(named) = arguments.flag("container") {
        return (named.to_owned(), String::new());
    }
    let annotated = text(pod, "/metadata/annotations/kubectl.kubernetes.io~1default-container");
    if !annotated.is_empty() {
        return (annotated.to_owned(), String::new());
    }
    let names = |path: &str, mark: &str| -> Vec<String> {
        list(pod, path).iter().map(|container| format!("{}{mark}", text(container, "/name"))).collect()
    };
    let own = names("/spec/containers", "");
    let first = own.first().cloned().unwrap_or_default();
    let all = [own, names("/spec/initContainers", " (init)")].concat();
    let quiet = all.len() < 2 || arguments.is_set("quiet");
    let note =
        if quiet { String::new() } else { format!("Defaulted container \"{first}\" out of: {}\n", all.join(", ")) };
    (first, note)
}

fn usage(why: &str) -> Printed {
    Printed::error(format!("error: {why}\nSee 'kubectl exec -h' for help and examples\n"))
}

//! `kubectl rollout` and `kubectl wait`: one look, and whether it is done.

use serde_json::Value;

use super::arguments::Arguments;
use super::resources::{Wanted, object_path};
use super::{Printed, server_error};
use crate::kubernetes::Kubernetes;
use crate::kubernetes::jsonpath::Template;
use crate::kubernetes::kinds::Kind;
use crate::kubernetes::value::{condition, list, number, text};

/// How far something has come.
enum Progress {
    /// Not there yet; what `kubectl` says meanwhile.
    Waiting(String),
    Done(String),
    Failed(String),
}

impl Kubernetes {
    /// The end of a waiting command, if it can end now. What it says meanwhile is [`Self::waiting_line`].
    pub(super) fn wait_once(&mut self, arguments: &Arguments) -> Option<Printed> {
        if arguments.verb == "rollout" && arguments.words.first().is_some_and(|word| word == "restart") {
            return Some(self.kubectl_restart(arguments));
        }
        let mut printed = Printed::default();
        for progress in self.look(arguments) {
            match progress {
                Progress::Waiting(_) => return None,
                Progress::Done(line) => printed.out.push_str(&line),
                Progress::Failed(line) => printed.join(&Printed::error(line)),
            }
        }
        Some(printed)
    }

    /// What a waiting command prints while it waits; empty for `kubectl wait`.
    pub(super) fn waiting_line(&mut self, arguments: &Arguments) -> String {
        let lines = self.look(arguments).into_iter().filter_map(|progress| match progress {
            Progress::Waiting(line) => Some(line),
            Progress::Done(_) | Progress::Failed(_) => None,
        });
        lines.collect()
    }

    /// What a waiting command says when its time is over.
    pub(super) fn timed_out(&self, arguments: &Arguments) -> String {
        let subject = self.wanted(&arguments.words).ok().and_then(|wanted| {
            let first = wanted.first()?;
            Some(format!("{}/{}", first.kind.plural, first.names.first()?))
        });
        match subject {
            Some(subject) if arguments.verb == "wait" => {
                format!("error: timed out waiting for the condition on {subject}\n")
            }
            _ => "error: timed out waiting for the condition\n".to_owned(),
        }
    }

    fn look(&mut self, arguments: &Arguments) -> Vec<Progress> {
        let rollout = arguments.verb == "rollout";
        let words = match arguments.words.split_first() {
            Some((first, rest)) if rollout && first == "status" => rest,
            Some(_) if rollout => {
                return vec![Progress::Failed("error: unknown command for \"kubectl rollout\"\n".to_owned())];
            }
            _ => &arguments.words,
        };
        let wanted = match self.wanted(words) {
            Ok(wanted) => wanted,
            Err(refusal) => return vec![Progress::Failed(refusal)],
        };
        let namespace = arguments.namespace().unwrap_or("default").to_owned();
        let mut all = Vec::new();
        for Wanted { kind, mut names } in wanted {
            if names.is_empty() {
                names = self.selected(arguments, &kind);
            }
            if names.is_empty() {
                all.push(Progress::Failed("error: no matching resources found\n".to_owned()));
            }
            for name in names {
                let response = self.ask("GET", &object_path(&kind, &namespace, &name), None);
                let deleted = response.status == 404 && arguments.flag("for") == Some("delete");
                all.push(match response.status {
                    200 if rollout => rolled_out(&kind, &response.json()),
                    200 => Self::awaited(arguments, &kind, &response.json()),
                    _ if deleted => Progress::Done(format!("{}/{name} condition met\n", kind.qualified_singular())),
                    _ => Progress::Failed(server_error(&response, "")),
                });
            }
        }
        all
    }

    fn selected(&mut self, arguments: &Arguments, kind: &Kind) -> Vec<String> {
        let target = format!(
            "{}?{}",
            super::resources::collection(kind, arguments.namespace()),
            super::resources::selection(arguments)
        );
        let found = self.ask("GET", &target, None).json();
        list(&found, "/items").iter().map(|object| text(object, "/metadata/name").to_owned()).collect()
    }

    fn awaited(arguments: &Arguments, kind: &Kind, object: &Value) -> Progress {
        let wish = arguments.flag("for").unwrap_or_default();
        let met = || {
            Progress::Done(format!("{}/{} condition met\n", kind.qualified_singular(), text(object, "/metadata/name")))
        };
        let waiting = Progress::Waiting(String::new());
        if let Some(wanted) = wish.strip_prefix("condition=") {
            let (name, status) = wanted.split_once('=').unwrap_or((wanted, "True"));
            let known = list(object, "/status/conditions").iter().map(|condition| text(condition, "/type"));
            let name = known.into_iter().find(|known| known.eq_ignore_ascii_case(name)).unwrap_or(name);
            return if condition(object, name).eq_ignore_ascii_case(status) { met() } else { waiting };
        }
        if let Some(wanted) = wish.strip_prefix("jsonpath=") {
            let (path, value) = wanted
                .rsplit_once("}=")
                .map_or((wanted.to_owned(), None), |(path, value)| (format!("{path}}}"), Some(value)));
            let found =
                Template::parse(path.trim_matches('\'')).and_then(|path| path.render(object)).unwrap_or_default();
            let fits = value.map_or(!found.is_empty(), |value| found == value.trim_matches('\''));
            return if fits { met() } else { waiting };
        }
        if wish == "delete" {
            return waiting;
        }
        Progress::Failed(format!("error: unrecognized condition: \"{wish}\"\n"))
    }
}

/// The texts of k8s.io/kubectl `pkg/polymorphichelpers/rollout_status.go`.
fn rolled_out(kind: &Kind, object: &Value) -> Progress {
    let name = text(object, "/metadata/name");
    let status = |field: &str| number(object, &format!("/status/{field}"));
    if number(object, "/metadata/generation") > status("observedGeneration") {
        let what = match kind.plural.as_str() {
            "daemonsets" => "daemon set",
            "statefulsets" => "statefulset",
            _ => "deployment",
        };
        return Progress::Waiting(format!("Waiting for {what} spec update to be observed...\n"));
    }
    match kind.plural.as_str() {
        "deployments" => {
            let wanted = number(object, "/spec/replicas");
            let (updated, total, available) =
                (status("updatedReplicas"), status("replicas"), status("availableReplicas"));
            let head = format!("Waiting for deployment \"{name}\" rollout to finish");
            let late = list(object, "/status/conditions")
                .iter()
                .any(|condition| condition["reason"] == "ProgressDeadlineExceeded");
            if late {
                Progress::Failed(format!("error: deployment \"{name}\" exceeded its progress deadline\n"))
            } else if updated < wanted {
                Progress::Waiting(format!("{head}: {updated} out of {wanted} new replicas have been updated...\n"))
            } else if total > updated {
                Progress::Waiting(format!("{head}: {} old replicas are pending termination...\n", total - updated))
            } else if available < updated {
                Progress::Waiting(format!("{head}: {available} of {updated} updated replicas are available...\n"))
            } else {
                Progress::Done(format!("deployment \"{name}\" successfully rolled out\n"))
            }
        }
        "daemonsets" => {
            let (desired, updated, available) =
                (status("desiredNumberScheduled"), status("updatedNumberScheduled"), status("numberAvailable"));
            let head = format!("Waiting for daemon set \"{name}\" rollout to finish");
            if updated < desired {
                Progress::Waiting(format!("{head}: {updated} out of {desired} new pods have been updated...\n"))
            } else if available < desired {
                Progress::Waiting(format!("{head}: {available} of {desired} updated pods are available...\n"))
            } else {
                Progress::Done(format!("daemon set \"{name}\" successfully rolled out\n"))
            }
        }
        "statefulsets" => {
            let wanted = number(object, "/spec/replicas");
            let (ready, updated) = (status("readyReplicas"), status("updatedReplicas"));
            let revision = text(object, "/status/updateRevision");
            if ready < wanted {
                Progress::Waiting(format!("Waiting for {} pods to be ready...\n", wanted - ready))
            } else if text(object, "/status/currentRevision") != revision {
                Progress::Waiting(format!(
                    "waiting for statefulset rolling update to complete {updated} pods at revision {revision}...\n"
                ))
            } else {
                let current = status("currentReplicas");
                Progress::Done(format!(
                    "statefulset rolling update complete {current} pods at revision {revision}...\n"
                ))
            }
        }
        _ => Progress::Failed(format!("error: no status viewer has been implemented for {}\n", kind.kind)),
    }
}

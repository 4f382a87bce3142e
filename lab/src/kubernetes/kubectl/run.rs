//! A `kubectl` command that takes its time.

use super::arguments::Arguments;
use super::{Printed, exec};
use crate::kubernetes::Kubernetes;
use crate::kubernetes::types::Millis;

/// What a running command has printed since the last poll, and its exit status once it has ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KubectlStep {
    /// New bytes on standard output.
    pub stdout: Vec<u8>,
    /// New bytes on standard error.
    pub stderr: Vec<u8>,
    /// The exit status; none while the command waits. Poll again when the cluster has had its next event.
    pub exit: Option<i32>,
}

impl From<Printed> for KubectlStep {
    fn from(printed: Printed) -> Self {
        let stdout = [printed.bytes, printed.out.into_bytes()].concat();
        Self { stdout, stderr: printed.err.into_bytes(), exit: Some(printed.status) }
    }
}

/// A `kubectl` command that may have to wait: `rollout status`, `wait`, a `delete` until the objects are gone, an `exec`
/// until the program in the container has ended.
#[derive(Debug, Clone)]
pub struct KubectlRun {
    arguments: Result<Arguments, String>,
    stdin: Vec<u8>,
    started: Option<Millis>,
    said: String,
    /// The paths of the objects a `delete` waits for, and its exit status.
    leaving: Option<(Vec<String>, i32)>,
}

impl KubectlRun {
    /// Arguments after the program's name, and all of standard input.
    pub fn new(argv: &[String], stdin: &[u8]) -> Self {
        Self {
            arguments: Arguments::parse(argv),
            stdin: stdin.to_vec(),
            started: None,
            said: String::new(),
            leaving: None,
        }
    }

    /// Goes on as far as possible at `now`.
    pub fn poll(&mut self, cluster: &mut Kubernetes, now: Millis) -> KubectlStep {
        cluster.now = cluster.now.max(now);
        let arguments = match &self.arguments {
            Ok(arguments) => arguments.clone(),
            Err(refusal) => return Printed::error(refusal.clone()).into(),
        };
        let started = *self.started.get_or_insert(now);
        match arguments.verb.as_str() {
            "rollout" | "wait" => self.watch(cluster, &arguments, started, now),
            "delete" => self.delete(cluster, &arguments),
            "exec" if now < started + exec::lasts(&arguments) && cluster.exec_target(&arguments).is_ok() => {
                KubectlStep::default()
            }
            _ => cluster.kubectl_at_once(&arguments, &self.stdin).into(),
        }
    }

    fn watch(&mut self, cluster: &mut Kubernetes, arguments: &Arguments, started: Millis, now: Millis) -> KubectlStep {
        if let Some(printed) = cluster.wait_once(arguments) {
            return printed.into();
        }
        let line = cluster.waiting_line(arguments);
        let mut step = KubectlStep::default();
        if line != self.said {
            step.stdout = line.clone().into_bytes();
            self.said = line;
        }
        let limit = arguments.flag("timeout").and_then(milliseconds);
        let limit = if arguments.verb == "wait" { limit.or(Some(30_000)) } else { limit.filter(|limit| *limit > 0) };
        if limit.is_some_and(|limit| now >= started + limit) {
            step.stderr = cluster.timed_out(arguments).into_bytes();
            step.exit = Some(1);
        }
        step
    }

    fn delete(&mut self, cluster: &mut Kubernetes, arguments: &Arguments) -> KubectlStep {
        let mut step = KubectlStep::default();
        let (paths, status) = if let Some(leaving) = self.leaving.take() {
            leaving
        } else {
            let targets = cluster.deletions(arguments, &self.stdin).unwrap_or_default();
            let printed = cluster.kubectl_delete(arguments, &self.stdin);
            step.stdout = printed.out.into_bytes();
            step.stderr = printed.err.into_bytes();
            let waits = arguments.flag("wait") != Some("false");
            (if waits { targets.into_iter().map(|(_, path, _)| path).collect() } else { Vec::new() }, printed.status)
        };
        let left: Vec<String> = paths.into_iter().filter(|path| cluster.ask("GET", path, None).status == 200).collect();
        if left.is_empty() {
            step.exit = Some(status);
        } else {
            self.leaving = Some((left, status));
        }
        step
    }
}

/// A length of time as Go writes it: `40s`, `1m30s`, `500ms`; a bare number is in seconds.
fn milliseconds(text: &str) -> Option<Millis> {
    let mut total = 0;
    let mut digits = String::new();
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter.is_ascii_digit() {
            digits.push(letter);
            continue;
        }
        let unit = match letter {
            'h' => 3_600_000,
            'm' if letters.next_if_eq(&'s').is_some() => 1,
            'm' => 60_000,
            's' => 1_000,
            _ => return None,
        };
        total += digits.parse::<Millis>().ok()? * unit;
        digits.clear();
    }
    if digits.is_empty() { Some(total) } else { digits.parse::<Millis>().ok().map(|seconds| total + seconds * 1000) }
}

#[cfg(test)]
mod tests {
    use super::milliseconds;

    #[test]
    fn durations_are_those_of_go() {
        for (text, expected) in [
            ("40s", Some(40_000)),
            ("1m30s", Some(90_000)),
            ("500ms", Some(500)),
            ("2h", Some(7_200_000)),
            ("5", Some(5_000)),
            ("x", None),
        ] {
            assert_eq!(milliseconds(text), expected, "{text}");
        }
    }
}

//! A small `kubectl` for `microk8s kubectl` on the machines of the simulated world.
//!
//! Texts are those of k8s.io/kubectl 1.36; what it does not know it refuses as the real one refuses unknown flags.

mod apply;
mod arguments;
mod change;
mod exec;
mod get;
mod output;
mod resources;
mod run;
mod wait;
pub(super) mod yaml;

use serde_json::Value;

use super::Kubernetes;
use super::types::{Millis, Request, Response};

pub(super) use apply::three_way;
pub(super) use resources::{collection, object_path};
pub use run::{KubectlRun, KubectlStep};

use arguments::Arguments;

/// What a command has printed and its exit status.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Printed {
    out: String,
    err: String,
    status: i32,
    /// What is on standard output before `out`: a program's bytes, which need not be text.
    bytes: Vec<u8>,
}

impl Printed {
    fn ok(out: impl Into<String>) -> Self {
        Self { out: out.into(), ..Self::default() }
    }

    fn error(err: impl Into<String>) -> Self {
        Self { err: err.into(), status: 1, ..Self::default() }
    }

    /// One more line on standard output.
    fn say(&mut self, line: &str) {
        self.out.push_str(line);
        self.out.push('\n');
    }

    fn join(&mut self, other: &Self) {
        self.out.push_str(&other.out);
        self.err.push_str(&other.err);
        self.status = self.status.max(other.status);
    }
}

/// `Error from server (NotFound): …`, with what was being done before the message.
fn server_error(response: &Response, doing: &str) -> String {
    let status = response.json();
    let reason = status["reason"].as_str().unwrap_or_default();
    let message = status["message"].as_str().unwrap_or_default();
    let doing = if doing.is_empty() { String::new() } else { format!("{doing}: ") };
    match reason {
        "Invalid" => format!("The {message}\n"),
        "" => format!("Error from server: {doing}{message}\n"),
        _ => format!("Error from server ({reason}): {doing}{message}\n"),
    }
}

impl Kubernetes {
    /// Runs a `kubectl` command to its end, as far as it can end at once: arguments after the program's name; stdout,
    /// stderr and exit status. A command that would have to wait ends as after its timeout.
    pub fn kubectl(&mut self, now: Millis, argv: &[String], stdin: &[u8]) -> (Vec<u8>, Vec<u8>, i32) {
        self.now = self.now.max(now);
        let printed = match Arguments::parse(argv) {
            Err(refusal) => Printed::error(refusal),
            Ok(arguments) => match arguments.verb.as_str() {
                "rollout" | "wait" => self
                    .wait_once(&arguments)
                    .unwrap_or_else(|| Printed::error("error: timed out waiting for the condition\n")),
                _ => self.kubectl_at_once(&arguments, stdin),
            },
        };
        ([printed.bytes, printed.out.into_bytes()].concat(), printed.err.into_bytes(), printed.status)
    }

    /// Starts a `kubectl` command that may have to wait; poll it with [`KubectlRun::poll`].
    pub fn kubectl_start(argv: &[String], stdin: &[u8]) -> KubectlRun {
        KubectlRun::new(argv, stdin)
    }

    /// Everything that needs no waiting.
    fn kubectl_at_once(&mut self, arguments: &Arguments, stdin: &[u8]) -> Printed {
        match arguments.verb.as_str() {
            "get" => self.kubectl_get(arguments),
            "delete" => self.kubectl_delete(arguments, stdin),
            "apply" | "create" | "replace" => self.kubectl_write(arguments, stdin),
            "patch" => self.kubectl_patch(arguments),
            "label" => self.kubectl_mark(arguments, "labels"),
            "annotate" => self.kubectl_mark(arguments, "annotations"),
            "scale" => self.kubectl_scale(arguments),
            "cordon" | "uncordon" => self.kubectl_cordon(arguments),
            "logs" => self.kubectl_logs(arguments),
            "exec" => self.kubectl_exec(arguments, stdin),
            "version" => self.kubectl_version(),
            "cluster-info" => Printed::ok(
                "Kubernetes control plane is running at https://127.0.0.1:16443\n\
                 CoreDNS is running at https://127.0.0.1:16443/api/v1/namespaces/kube-system/services/kube-dns:dns/proxy\n\n\
                 To further debug and diagnose cluster problems, use 'kubectl cluster-info dump'.\n",
            ),
            other => Printed::error(format!("error: unknown command \"{other}\" for \"kubectl\"\n")),
        }
    }

    fn kubectl_version(&self) -> Printed {
        Printed::ok(format!("Client Version: {0}\nKustomize Version: v5.8.1\nServer Version: {0}\n", self.version))
    }

    /// A request of `kubectl`'s own.
    fn ask(&mut self, method: &str, target: &str, body: Option<(&str, &Value)>) -> Response {
        let mut request = Request::new(method, target);
        if let Some((content_type, body)) = body {
            request = request.with_body(content_type, body);
        }
        request.user_agent = Some(format!("kubectl/{} (linux/amd64)", self.version));
        let now = self.now;
        self.request(now, &request)
    }
}

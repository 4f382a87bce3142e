//! `microk8s helm` and `microk8s helm3`: helm 3 with the charts of `OpenEBS` and its NFS provisioner.

mod arguments;
mod constraint;
mod install;
mod record;
mod repositories;
mod show;
mod source;
mod uninstall;
mod upgrade;
mod values;

use serde_json::{Value, json};

use super::super::process::{Call, Next, after};
use super::super::{FaultKind, World};
use crate::kubernetes::{Chart, from_yaml, merge_values};
use arguments::Arguments;

pub(in super::super) use record::leave_failed;
pub(super) use repositories::no_route;

/// What goes on with a command's exit status once helm has ended.
pub(super) type Then = Box<dyn FnOnce(&mut World, &mut Call, i32) -> Next + Send>;

/// `microk8s helm|helm3 …`: on a worker a sentence and status 0.
pub(super) fn main(world: &mut World, call: &mut Call, command: &str, args: Vec<String>) -> Next {
    if !world.machine(&call.machine).is_worker() {
        return run(world, args, Box::new(|_, _, status| Next::Exit(status)));
    }
    let text = format!(
        "This MicroK8s deployment is acting as a node in a cluster. Please use the microk8s {command} on the master."
    );
    let took = world.around(400);
    after(took, move |_, call| call.quit(0, text))
}

/// Runs helm with these arguments, then goes on.
pub(super) fn run(world: &mut World, args: Vec<String>, then: Then) -> Next {
    let took = world.around(600);
    after(took, move |world, call| match Arguments::parse(&args) {
        Ok(arguments) => command(world, call, arguments, then),
        Err(refusal) => end(world, call, Err(refusal), then),
    })
}

/// Runs helm; the script ends with the first command that fails.
pub(super) fn step(
    world: &mut World,
    args: Vec<String>,
    next: impl FnOnce(&mut World, &mut Call) -> Next + Send + 'static,
) -> Next {
    run(
        world,
        args,
        Box::new(move |world, call, status| if status == 0 { next(world, call) } else { Next::Exit(status) }),
    )
}

/// The arguments in a line.
pub(super) fn words(line: &str) -> Vec<String> {
    line.split(' ').map(str::to_owned).collect()
}

fn command(world: &mut World, call: &mut Call, arguments: Arguments, then: Then) -> Next {
    let verb = arguments.words.first().map_or("", String::as_str);
    let status = match verb {
        "install" => return install::command(world, call, arguments, then),
        "upgrade" => return upgrade::command(world, call, arguments, then),
        "uninstall" | "delete" | "del" | "un" => return uninstall::command(world, call, arguments, then),
        "repo" => repositories::repo(world, call, &arguments),
        "search" => repositories::search(world, call, &arguments),
        "list" | "ls" => show::list(world, call, &arguments),
        "status" => show::status(world, call, &arguments),
        "history" | "hist" => show::history(world, call, &arguments),
        "get" => show::get(world, call, &arguments),
        "show" | "inspect" => show::chart(world, call, &arguments),
        "template" => show::template(world, call, &arguments),
        "pull" | "fetch" => show::pull(world, call, &arguments),
        "version" => {
            call.say("version.BuildInfo{Version:\"v3.20.2\", GitCommit:\"8fb76d6ab555577e98e23b7500009537a471feee\", GitTreeState:\"clean\", GoVersion:\"go1.25.9\"}");
            0
        }
        "" | "help" => {
            call.say("The Kubernetes package manager");
            0
        }
        other => {
            call.complain(format!("Error: unknown command \"{other}\" for \"helm\"\nRun 'helm --help' for usage."));
            1
        }
    };
    then(world, call, status)
}

/// Ends with what a command came to: its error on standard error and status 1.
fn end(world: &mut World, call: &mut Call, outcome: Result<(), String>, then: Then) -> Next {
    let status = i32::from(outcome.is_err());
    if let Err(error) = outcome {
        call.complain(error);
    }
    then(world, call, status)
}

/// The values a command line gives: its files in their order, then what it sets.
fn given_values(world: &World, call: &Call, arguments: &Arguments) -> Result<Value, String> {
    let mut values = json!({});
    for file in &arguments.files {
        let bytes = if file == "-" { Some(call.exec.stdin.clone()) } else { call.read(world, file) };
        let bytes = bytes.ok_or_else(|| format!("open {file}: no such file or directory"))?;
        let documents = from_yaml(&String::from_utf8_lossy(&bytes))
            .map_err(|why| format!("failed to parse {file}: error converting YAML to JSON: yaml: {why}"))?;
        over(&mut values, &documents.into_iter().next().unwrap_or_default());
    }
    for (strings, text) in &arguments.sets {
        values::set(&mut values, text, *strings)?;
    }
    Ok(values)
}

/// Lays values over others; here a null stays, since it is to remove a value of the chart's.
fn over(values: &mut Value, more: &Value) {
    match (values, more) {
        (Value::Object(here), Value::Object(more)) => {
            for (key, value) in more {
                over(here.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (_, Value::Null) if more.is_null() => {}
        (values, more) => values.clone_from(more),
    }
}

/// The chart's own values with those of a release on top.
fn computed(chart: Chart, config: &Value) -> Value {
    let mut values = chart.defaults();
    merge_values(&mut values, config);
    values
}

/// What the templates see, which is not what was asked for while the fault `kubelet-dir` is there.
fn rendered(world: &World, chart: Chart, config: &Value) -> Value {
    let mut values = computed(chart, config);
    if world.faults.has(FaultKind::KubeletDir) {
        let own = chart.defaults();
        for part in ["jiva", "cstor"] {
            if let Some(directory) = values.pointer_mut(&format!("/{part}/csiNode/kubeletDir")) {
                directory.clone_from(&own[part]["csiNode"]["kubeletDir"]);
            }
        }
    }
    values
}

/// What helm says while no API server answers on the machine.
fn cluster_unreachable() -> String {
    "Kubernetes cluster unreachable: Get \"https://127.0.0.1:16443/version\": dial tcp 127.0.0.1:16443: connect: connection refused".to_owned()
}

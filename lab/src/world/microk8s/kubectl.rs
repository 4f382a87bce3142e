//! `microk8s kubectl`.

use crate::kubernetes::KubectlRun;

use super::super::World;
use super::super::cluster::Cluster;
use super::super::process::{Call, Next, after};

/// `microk8s kubectl …`: on a worker a sentence and status 0.
pub(super) fn kubectl(world: &mut World, _call: &mut Call, args: Vec<String>) -> Next {
    let took = world.around(550);
    after(took, move |world, call| {
        if world.machine(&call.machine).is_worker() {
            return call.quit(
                0,
                "This MicroK8s deployment is acting as a node in a cluster. Please use the microk8s kubectl on the master.",
            );
        }
        let stdin = std::mem::take(&mut call.exec.stdin);
        go_on(world, call, KubectlRun::new(&args, &stdin))
    })
}

/// Polls a command that may have to wait for the cluster.
fn go_on(world: &mut World, call: &mut Call, mut run: KubectlRun) -> Next {
    let machine = call.machine.clone();
    let now = world.now;
    let Some(cluster) = world.serving_cluster(&machine) else {
        return call.fail(1, world.unreachable_api(&machine));
    };
    let step = run.poll(&mut cluster.kubernetes, now);
    call.out.extend(step.stdout);
    call.err.extend(step.stderr);
    match step.exit {
        Some(status) => Next::Exit(status),
        None => after(500, move |world, call| go_on(world, call, run)),
    }
}

impl World {
    /// The cluster of `machine`, if its own API server serves it now; its controllers look at it afterwards.
    pub(in super::super) fn serving_cluster(&mut self, machine: &str) -> Option<&mut Cluster> {
        if !self.api_up(machine) {
            return None;
        }
        let id = self.machine(machine).microk8s.as_ref()?.cluster?;
        let cluster = self.clusters.get_mut(&id)?;
        cluster.changed = true;
        Some(cluster)
    }

    /// What `kubectl` complains about while no API server serves on `machine`.
    pub(in super::super) fn unreachable_api(&self, machine: &str) -> &'static str {
        if self.listening_local(machine).contains(&16_443) {
            "Unable to connect to the server: net/http: TLS handshake timeout"
        } else {
            "The connection to the server 127.0.0.1:16443 was refused - did you specify the right host or port?"
        }
    }
}

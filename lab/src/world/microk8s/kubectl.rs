//! `microk8s kubectl` and `microk8s helm`.

use super::super::World;
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
        let machine = call.machine.clone();
        let (out, err, status) = world.kubectl_on(&machine, &args, &stdin);
        call.out.extend(out);
        call.err.extend(err);
        Next::Exit(status)
    })
}

impl World {
    /// `kubectl` with the admin's credentials against the API server on `machine`.
    pub(in super::super) fn kubectl_on(
        &mut self,
        machine: &str,
        args: &[String],
        stdin: &[u8],
    ) -> (Vec<u8>, Vec<u8>, i32) {
        let now = self.now;
        if !self.api_up(machine) {
            let listens = self.listening_local(machine).contains(&16443);
            let text = if listens {
                "Unable to connect to the server: net/http: TLS handshake timeout\n"
            } else {
                "The connection to the server 127.0.0.1:16443 was refused - did you specify the right host or port?\n"
            };
            return (Vec::new(), text.as_bytes().to_vec(), 1);
        }
        let id = self.machine(machine).microk8s.as_ref().and_then(|snap| snap.cluster);
        match id.and_then(|id| self.clusters.get_mut(&id)) {
            Some(cluster) => {
                cluster.changed = true;
                cluster.kubernetes.kubectl(now, args, stdin)
            }
            None => (Vec::new(), Vec::new(), 1),
        }
    }
}

/// `microk8s helm|helm3 …`: charts are no part of this world; a worker says its sentence.
pub(super) fn helm(world: &mut World, _call: &mut Call, command: &str) -> Next {
    let took = world.around(400);
    let command = command.to_owned();
    after(took, move |world, call| {
        if world.machine(&call.machine).is_worker() {
            return call.quit(
                0,
                format!("This MicroK8s deployment is acting as a node in a cluster. Please use the microk8s {command} on the master."),
            );
        }
        call.fail(1, "Error: Kubernetes cluster unreachable: the lab runs no charts")
    })
}

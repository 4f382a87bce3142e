//! `microk8s start`, `stop` and `inspect`.

use super::super::World;
use super::super::process::{Call, Next, after};
use super::lifecycle::Pace;

/// `microk8s start`: on a worker nothing happens and the status is 0.
pub(super) fn start(world: &mut World, call: &mut Call, args: &[String]) -> Next {
    if let Some(end) = super::lacks_sudo(world, call, "microk8s-start.wrapper") {
        return end;
    }
    if world.machine(&call.machine).is_worker() {
        return call.quit(
            0,
            "This MicroK8s deployment is acting as a node in a cluster. Please use the microk8s start on the master.",
        );
    }
    let unguard = args.iter().any(|arg| arg == "--disable-low-memory-guard");
    let took = world.around(1_500);
    after(took, move |world, call| {
        let machine = world.machine_mut(&call.machine);
        machine.set_lock("stopped.lock", false);
        if unguard {
            machine.set_lock("low-memory-guard.lock", false);
        } else if machine.locked("low-memory-guard.lock") {
            return low_memory(call);
        }
        world.start_services(&call.machine, Pace::RESTART);
        after(1_000, |_, _| Next::Exit(0))
    })
}

/// The text every command prints while the low memory guard is on.
pub(super) fn low_memory(call: &mut Call) -> Next {
    call.say(
        "This node does not have enough RAM to host the Kubernetes control plane services\nand join the database quorum. You \
         may consider joining this node as a worker instead.\n\nIf you would still like to start the control plane services, \
         start MicroK8s with:\n\n    microk8s start --disable-low-memory-guard\n",
    );
    Next::Exit(1)
}

/// `microk8s stop`
pub(super) fn stop(world: &mut World) -> Next {
    let took = world.around(4_000);
    after(took, |world, call| {
        world.machine_mut(&call.machine).set_lock("stopped.lock", true);
        world.stop_services(&call.machine);
        after(2_000, |_, call| call.quit(0, "Stopped."))
    })
}

/// `microk8s inspect`
pub(super) fn inspect(world: &mut World) -> Next {
    let took = world.around(9_000);
    after(took, |world, call| {
        call.say("Inspecting system\nInspecting Certificates\nInspecting services");
        let snap = world.machine(&call.machine).microk8s.clone();
        for service in ["daemon-cluster-agent", "daemon-containerd", "daemon-k8s-dqlite", "daemon-kubelite"] {
            let runs = snap.as_ref().is_some_and(|snap| snap.active(service.trim_start_matches("daemon-")));
            if runs {
                call.say(format!("  Service snap.microk8s.{service} is running"));
            } else {
                call.say(format!(" FAIL:  Service snap.microk8s.{service} is not running"));
                call.say(format!("For more details look at: sudo journalctl -u snap.microk8s.{service}"));
            }
        }
        Next::Exit(0)
    })
}

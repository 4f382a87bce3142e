//! `microk8s join --worker`: no data store, no API server, a proxy to those of the control planes.

use std::fmt::Write as _;

use super::super::process::{Call, Next, after};
use super::super::{DATA, World};
use super::agent::Grant;
use super::lifecycle::Pace;

/// What the script does once the agent has signed the worker's certificates.
pub(super) fn join(world: &mut World, call: &mut Call, grant: &Grant) -> Next {
    world.stop_services(&call.machine);
    let grant = grant.clone();
    after(1_500, move |world, call| {
        become_worker(world, &call.machine, &grant);
        let pace = Pace { dqlite: 0, kubelite: 3_000, kubelet: 5_500 };
        world.start_services(&call.machine, pace);
        after(6_600, |world, call| {
            call.say(
                "\nThe node has joined the cluster and will appear in the nodes list in a few seconds.\n\nThis worker node gets \
                 automatically configured with the API server endpoints.\nIf the API servers are behind a loadbalancer please set \
                 the '--refresh-interval' to '0s' in:\n    /var/snap/microk8s/current/args/apiserver-proxy\nand replace the API \
                 server endpoints with the one provided by the loadbalancer in:\n    \
                 /var/snap/microk8s/current/args/traefik/provider.yaml\n",
            );
            world.machine_mut(&call.machine).set_lock("join-in-progress", false);
            call.quit(0, "Successfully joined the cluster.")
        })
    })
}

fn become_worker(world: &mut World, name: &str, grant: &Grant) {
    let Some(cluster) = world.clusters.get(&grant.cluster) else {
        return;
    };
    let hosts = cluster.members.iter().filter_map(|member| Some(member.address.rsplit_once(':')?.0.to_owned()));
    let mut provider = "tcp:\n  routers:\n    Router-1:\n      rule: \"HostSNI(`*`)\"\n      service: \"kube-apiserver\"\n      \
                        tls:\n        passthrough: true\n  services:\n    kube-apiserver:\n      loadBalancer:\n        servers:\n"
        .to_owned();
    for host in hosts {
        let _ = writeln!(provider, "        - address: {host}:16443");
    }
    let authority = cluster.authority.pair.certificate.clone();
    let machine = world.machine_mut(name);
    if let Some(snap) = machine.microk8s.as_mut() {
        snap.cluster = Some(grant.cluster);
        snap.member = None;
    }
    let kubelet = machine.text(&format!("{DATA}/args/kubelet")).unwrap_or_default();
    let kubelet = kubelet.replace(
        "node.kubernetes.io/microk8s-controlplane=microk8s-controlplane",
        "node.kubernetes.io/microk8s-worker=microk8s-worker",
    );
    let files = machine.files.as_mut();
    files.write(&format!("{DATA}/args/kubelet"), kubelet.as_bytes(), 0o660);
    files.write(&format!("{DATA}/args/apiserver-proxy"), b"--refresh-interval=30s\n", 0o660);
    files.write(&format!("{DATA}/args/traefik/provider.yaml"), provider.as_bytes(), 0o660);
    // A worker keeps the authority it had as a cluster of its own beside the one it now trusts.
    files.write(&format!("{DATA}/certs/ca.remote.crt"), authority.as_bytes(), 0o660);
    machine.set_lock("clustered.lock", true);
    machine.set_lock("no-cert-reissue", true);
    machine.set_lock("no-k8s-dqlite", true);
    machine.set_lock("no-apiserver-proxy", false);
    world.forget_empty_clusters();
}

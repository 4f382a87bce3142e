//! The `metallb` addon: its installation, its webhook, addresses and announcements.

use serde_json::{Value, json};

use super::bench::{Bench, JSON, MERGE, balanced, deployment};
use crate::kubernetes::Fault;

const SERVICES: &str = "/api/v1/namespaces/default/services";
const POOLS: &str = "/apis/metallb.io/v1beta1/namespaces/metallb-system/ipaddresspools";
const RANGE: &str = "10.77.0.200-10.77.0.210";

fn installed(nodes: u8) -> Bench {
    let mut bench = Bench::settled(nodes);
    bench.cluster.install_metallb(bench.now);
    bench.pass(30_000);
    bench
}

/// Three nodes with a pool and a workload to balance.
fn ready() -> Bench {
    let mut bench = installed(3);
    bench.cluster.create_pool(bench.now, RANGE).expect("a pool");
    bench.post("/apis/apps/v1/namespaces/default/deployments", &deployment("d", 2, "i:1"));
    bench.pass(10_000);
    bench
}

fn address(bench: &mut Bench, service: &str) -> Value {
    bench.get(&format!("{SERVICES}/{service}"))["status"]["loadBalancer"]["ingress"][0]["ip"].clone()
}

fn events(bench: &mut Bench, reason: &str) -> Vec<String> {
    let events = bench.get(&format!("/api/v1/namespaces/default/events?fieldSelector=reason%3D{reason}"));
    events["items"].as_array().unwrap().iter().map(|event| event["message"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_addon_applies_what_the_real_one_does() {
    let mut bench = Bench::settled(1);
    assert_eq!(
        bench.cluster.install_metallb(bench.now),
        "customresourcedefinition.apiextensions.k8s.io/bfdprofiles.metallb.io created\n\
         customresourcedefinition.apiextensions.k8s.io/bgpadvertisements.metallb.io created\n\
         customresourcedefinition.apiextensions.k8s.io/bgppeers.metallb.io created\n\
         customresourcedefinition.apiextensions.k8s.io/communities.metallb.io created\n\
         customresourcedefinition.apiextensions.k8s.io/ipaddresspools.metallb.io created\n\
         customresourcedefinition.apiextensions.k8s.io/l2advertisements.metallb.io created\n\
         customresourcedefinition.apiextensions.k8s.io/servicebgpstatuses.metallb.io created\n\
         customresourcedefinition.apiextensions.k8s.io/servicel2statuses.metallb.io created\n\
         namespace/metallb-system created\n\
         serviceaccount/controller created\n\
         serviceaccount/speaker created\n\
         role.rbac.authorization.k8s.io/controller created\n\
         role.rbac.authorization.k8s.io/pod-lister created\n\
         clusterrole.rbac.authorization.k8s.io/metallb-system:controller created\n\
         clusterrole.rbac.authorization.k8s.io/metallb-system:speaker created\n\
         rolebinding.rbac.authorization.k8s.io/controller created\n\
         rolebinding.rbac.authorization.k8s.io/pod-lister created\n\
         clusterrolebinding.rbac.authorization.k8s.io/metallb-system:controller created\n\
         clusterrolebinding.rbac.authorization.k8s.io/metallb-system:speaker created\n\
         configmap/metallb-excludel2 created\n\
         secret/metallb-webhook-cert created\n\
         service/metallb-webhook-service created\n\
         deployment.apps/controller created\n\
         daemonset.apps/speaker created\n\
         validatingwebhookconfiguration.admissionregistration.k8s.io/metallb-webhook-configuration created\n"
    );
    let again = bench.cluster.install_metallb(bench.now);
    assert_eq!(again.lines().find(|line| !line.ends_with(" unchanged")), None);
    assert_eq!(
        bench.cluster.install_hostpath_storage(bench.now),
        "deployment.apps/hostpath-provisioner created\nstorageclass.storage.k8s.io/microk8s-hostpath created\n\
         serviceaccount/microk8s-hostpath created\nclusterrole.rbac.authorization.k8s.io/microk8s-hostpath created\n\
         clusterrolebinding.rbac.authorization.k8s.io/microk8s-hostpath created\n"
    );
}

#[test]
fn the_pool_is_refused_until_the_controller_serves_its_webhook() {
    let mut bench = Bench::settled(1);
    bench.cluster.install_metallb(bench.now);
    bench.pass(1_000);
    let service = bench.get("/api/v1/namespaces/metallb-system/services/metallb-webhook-service");
    let refused = |hook: &str, path: &str| {
        format!(
            "Error from server (InternalError): error when creating \"STDIN\": Internal error occurred: failed calling webhook \"{hook}.metallb.io\": failed to call webhook: Post \"https://metallb-webhook-service.metallb-system.svc:443/validate-metallb-io-v1beta1-{path}?timeout=10s\": dial tcp {}:443: connect: connection refused\n",
            service["spec"]["clusterIP"].as_str().unwrap()
        )
    };
    assert_eq!(
        bench.cluster.create_pool(bench.now, RANGE),
        Err(refused("ipaddresspoolvalidationwebhook", "ipaddresspool")
            + &refused("l2advertisementvalidationwebhook", "l2advertisement"))
    );
    assert!(!bench.cluster.available("metallb-system", "controller"));
    bench.pass(30_000);
    assert!(bench.cluster.available("metallb-system", "controller"));
    assert_eq!(
        bench.cluster.create_pool(bench.now, RANGE),
        Ok("ipaddresspool.metallb.io/default-addresspool created\nl2advertisement.metallb.io/default-advertise-all-pools created\n".to_owned())
    );
    let pool = bench.get(&format!("{POOLS}/default-addresspool"));
    assert_eq!(pool["spec"], json!({"addresses": [RANGE], "autoAssign": true, "avoidBuggyIPs": false}));
}

#[test]
fn the_endless_loop_fault_keeps_the_webhook_shut() {
    let mut bench = installed(1);
    bench.cluster.set_fault(Fault::MetallbEndlessLoop, true);
    assert!(bench.cluster.available("metallb-system", "controller"));
    assert!(bench.cluster.create_pool(bench.now, RANGE).unwrap_err().contains("connect: connection refused"));
    bench.cluster.set_fault(Fault::MetallbEndlessLoop, false);
    assert!(bench.cluster.create_pool(bench.now, RANGE).is_ok());
}

#[test]
fn bad_pools_are_denied() {
    let mut bench = installed(1);
    let denied = |bench: &mut Bench, name: &str, ranges: &[&str]| {
        let pool = json!({"metadata": {"name": name}, "spec": {"addresses": ranges}});
        let (status, answer) = bench.write("POST", POOLS, JSON, &pool);
        (status, answer["message"].as_str().unwrap_or_default().to_owned())
    };
    let head = "admission webhook \"ipaddresspoolvalidationwebhook.metallb.io\" denied the request: ";
    let cases: [(&[&str], &str); 4] = [
        (
            &["999.1.1.1-999.1.1.2"],
            "parsing address pool p: invalid CIDR \"999.1.1.1-999.1.1.2\" in pool \"p\": invalid IP range \"999.1.1.1-999.1.1.2\": invalid start IP \"999.1.1.1\"",
        ),
        (
            &["10.0.0.9-10.0.0.1"],
            "parsing address pool p: invalid CIDR \"10.0.0.9-10.0.0.1\" in pool \"p\": invalid IP range \"10.0.0.9-10.0.0.1\": start IP \"10.0.0.9\" is after the end IP \"10.0.0.1\"",
        ),
        (
            &["10.0.0.0/28", "10.0.0.5-10.0.0.6"],
            "CIDR \"10.0.0.5-10.0.0.6\" in pool \"p\" overlaps with already defined CIDR \"10.0.0.0/28\" in pool \"p\"",
        ),
        (&[], "parsing address pool p: pool has no prefixes defined"),
    ];
    for (ranges, text) in cases {
        assert_eq!(denied(&mut bench, "p", ranges), (403, format!("{head}{text}")));
    }
    bench.cluster.create_pool(bench.now, RANGE).unwrap();
    assert_eq!(denied(&mut bench, "q", &["10.77.0.210/32"]).0, 403);
    let (status, _) = bench.write(
        "PATCH",
        &format!("{POOLS}/default-addresspool"),
        MERGE,
        &json!({"spec": {"addresses": ["10.77.0.1-10.77.0.0"]}}),
    );
    assert_eq!(status, 403);
}

#[test]
fn services_get_addresses_and_one_node_announces_each() {
    let mut bench = ready();
    bench.post(SERVICES, &balanced("web", "d"));
    bench.pass(1_000);
    assert_eq!(address(&mut bench, "web"), "10.77.0.200");
    assert_eq!(events(&mut bench, "IPAllocated"), ["Assigned IP [\"10.77.0.200\"]"]);
    let announced = bench.cluster.announcements();
    assert_eq!(announced.len(), 1);
    let node = announced[0].node.clone();
    assert_eq!(
        (announced[0].address.to_string().as_str(), announced[0].ports[0].port, announced[0].ports[0].backends.len()),
        ("10.77.0.200", 80, 2)
    );
    assert_eq!(
        events(&mut bench, "nodeAssigned"),
        [format!("announcing from node \"{node}\" with protocol \"layer2\"")]
    );
    let routes = bench.cluster.routes();
    let route = routes.iter().find(|route| route.service == "web").unwrap();
    assert_eq!(route.addresses.last().unwrap().to_string(), "10.77.0.200", "kube-proxy answers on every node");

    bench.view(&node).reachable = false;
    bench.pass(6_000);
    let moved = bench.cluster.announcements();
    assert_ne!(moved[0].node, node, "another speaker takes over");
    assert_eq!(events(&mut bench, "nodeAssigned").len(), 2);
    bench.delete(&format!("{SERVICES}/web"));
    bench.pass(1_000);
    assert!(bench.cluster.announcements().is_empty());
    bench.post(SERVICES, &balanced("next", "d"));
    bench.pass(1_000);
    assert_eq!(address(&mut bench, "next"), "10.77.0.200", "a released address is given again");
}

#[test]
fn wishes_are_honoured_or_refused() {
    let mut bench = ready();
    let wishing = |name: &str, key: &str, value: &str| {
        let mut service = balanced(name, "d");
        service["metadata"]["annotations"] = json!({key: value});
        service
    };
    bench.post(SERVICES, &wishing("a", "metallb.universe.tf/loadBalancerIPs", "10.77.0.205"));
    bench.post(SERVICES, &wishing("b", "metallb.io/loadBalancerIPs", "10.77.0.206"));
    let mut spec = balanced("c", "d");
    spec["spec"]["loadBalancerIP"] = "10.77.0.207".into();
    bench.post(SERVICES, &spec);
    bench.post(SERVICES, &wishing("outside", "metallb.io/loadBalancerIPs", "10.99.0.1"));
    bench.post(SERVICES, &wishing("nowhere", "metallb.io/address-pool", "nosuch"));
    bench.pass(1_000);
    for (name, expected) in [("a", "10.77.0.205"), ("b", "10.77.0.206"), ("c", "10.77.0.207")] {
        assert_eq!(address(&mut bench, name), expected);
    }
    for name in ["outside", "nowhere"] {
        assert_eq!(address(&mut bench, name), Value::Null);
    }
    let mut refusals = events(&mut bench, "AllocationFailed");
    refusals.sort();
    assert_eq!(
        refusals,
        [
            "Failed to allocate IP for \"default/nowhere\": unknown pool \"nosuch\"",
            "Failed to allocate IP for \"default/outside\": [\"10.99.0.1\"] is not allowed in config",
        ]
    );
}

#[test]
fn a_wish_that_comes_later_moves_the_service() {
    let mut bench = ready();
    bench.post(SERVICES, &balanced("a", "d"));
    bench.pass(1_000);
    assert_eq!(address(&mut bench, "a"), "10.77.0.200");
    let wish = |address: &str| json!({"metadata": {"annotations": {"metallb.io/loadBalancerIPs": address}}});
    bench.write("PATCH", &format!("{SERVICES}/a"), MERGE, &wish("10.77.0.204"));
    bench.pass(1_000);
    assert_eq!(address(&mut bench, "a"), "10.77.0.204");
    bench.write("PATCH", &format!("{SERVICES}/a"), MERGE, &wish("10.99.0.1"));
    bench.pass(1_000);
    assert_eq!(address(&mut bench, "a"), Value::Null, "what is asked for and cannot be is not kept");
}

#[test]
fn an_exhausted_pool_says_so_and_serves_when_there_is_room() {
    let mut bench = ready();
    bench.write(
        "PATCH",
        &format!("{POOLS}/default-addresspool"),
        MERGE,
        &json!({"spec": {"addresses": ["10.77.0.200/32"]}}),
    );
    bench.post(SERVICES, &balanced("a", "d"));
    bench.post(SERVICES, &balanced("b", "d"));
    bench.pass(1_000);
    assert_eq!(address(&mut bench, "b"), Value::Null);
    assert_eq!(events(&mut bench, "AllocationFailed"), ["Failed to allocate IP for \"default/b\": no available IPs"]);
    bench.delete(&format!("{SERVICES}/a"));
    bench.pass(1_000);
    assert_eq!(address(&mut bench, "b"), "10.77.0.200");
}

#[test]
fn a_service_keeps_its_address_when_the_pool_moves() {
    let mut bench = ready();
    bench.post(SERVICES, &balanced("a", "d"));
    bench.pass(1_000);
    bench.write(
        "PATCH",
        &format!("{POOLS}/default-addresspool"),
        MERGE,
        &json!({"spec": {"addresses": ["10.77.0.220-10.77.0.230"]}}),
    );
    bench.pass(1_000);
    assert_eq!(address(&mut bench, "a"), "10.77.0.200");
    bench.delete(&format!("{SERVICES}/a"));
    bench.post(SERVICES, &balanced("a", "d"));
    bench.pass(1_000);
    assert_eq!(address(&mut bench, "a"), "10.77.0.220");
}

#[test]
fn without_advertisement_backend_or_speakers_nothing_is_announced() {
    let mut bench = ready();
    bench.post(SERVICES, &balanced("a", "d"));
    bench.post(SERVICES, &balanced("empty", "nobody"));
    bench.pass(1_000);
    assert_eq!(bench.cluster.announcements().len(), 1, "no backend, no announcement");
    let advertisement =
        "/apis/metallb.io/v1beta1/namespaces/metallb-system/l2advertisements/default-advertise-all-pools";
    bench.write(
        "PATCH",
        advertisement,
        MERGE,
        &json!({"spec": {"nodeSelectors": [{"matchLabels": {"kubernetes.io/hostname": "nuc3"}}]}}),
    );
    bench.pass(1_000);
    assert_eq!(bench.cluster.announcements()[0].node, "nuc3");
    bench.delete(advertisement);
    bench.pass(1_000);
    assert!(bench.cluster.announcements().is_empty());
}

#[test]
fn the_fault_pool_not_announced_allocates_all_the_same() {
    let mut bench = ready();
    bench.cluster.set_fault(Fault::PoolNotAnnounced, true);
    bench.post(SERVICES, &balanced("a", "d"));
    bench.pass(1_000);
    assert_eq!(address(&mut bench, "a"), "10.77.0.200");
    assert!(bench.cluster.announcements().is_empty());
    assert!(events(&mut bench, "nodeAssigned").is_empty());
    for fault in [Fault::PoolNotAnnounced, Fault::MetallbEndlessLoop] {
        assert_eq!(fault.to_string().parse(), Ok(fault));
    }
}

//! `repair`: each thing that is stuck is found with evidence, mended on proof, left alone without it, and nothing is found where
//! all is well.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use homeprov::engine::Outcome;
use homeprov::error::ExitCode;
use homeprov::facts::mending::Told;
use homeprov::repair::{Entry, Report};
use homeprov::steps::stuck::{Kind, Proof};
use homeprov_lab::kubernetes::Request;
use homeprov_lab::world::{Fault, FaultKind, Os};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::row::Row;
use super::session::{House, inventory, text, with_storage};

const JIVA: &str = "/apis/openebs.io/v1/namespaces/openebs/jivavolumes";

/// Three control planes with storage, on which everything is as wanted.
async fn standing() -> House {
    let mut house = House::new(3, 0, Os::Ubuntu2404, &[], 1);
    house.inventory = inventory(&with_storage(&text(3, 0), ""));
    let ran = house.up().await;
    assert_eq!(ran.outcome.code, ExitCode::Done, "{:?}\n{}", ran.outcome, ran.tail());
    house
}

fn kubectl(house: &House, words: &[&str], input: &str) {
    let argv: Vec<&str> = ["microk8s", "kubectl"].iter().chain(words).copied().collect();
    let up = house.lab.with(|world| {
        let mut names = world.machines().map(|machine| machine.name().to_owned());
        names.find(|name| world.api_up(name)).expect("an API server")
    });
    let done = house.lab.with(|world| world.run(&up, &argv, input.as_bytes()));
    assert_eq!(done.exit, 0, "{words:?}: {}{}", done.stdout, done.stderr);
}

fn get(house: &House, path: &str) -> Value {
    house.lab.with(|world| {
        let names: Vec<String> = world.machines().map(|machine| machine.name().to_owned()).collect();
        let up = names.iter().find(|name| world.api_up(name)).expect("an API server").clone();
        world.api(&up, &Request::new("GET", path)).json()
    })
}

/// A claim, and a Deployment of one pod that has it mounted; where the pod is.
async fn with_a_volume(house: &House) -> String {
    let claim = json!({ "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": { "name": "data" },
        "spec": { "accessModes": ["ReadWriteOnce"], "storageClassName": "homeprov-jiva-retain", "resources": { "requests": { "storage": "1Gi" } } } });
    let web = json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "web" },
        "spec": { "replicas": 1, "strategy": { "type": "Recreate" }, "selector": { "matchLabels": { "app": "web" } },
            "template": { "metadata": { "labels": { "app": "web" } }, "spec": {
                "containers": [{ "name": "web", "image": "docker.io/library/nginx:1", "volumeMounts": [{ "name": "data", "mountPath": "/data" }] }],
                "volumes": [{ "name": "data", "persistentVolumeClaim": { "claimName": "data" } }] } } } });
    for object in [claim, web] {
        kubectl(house, &["apply", "-f", "-"], &object.to_string());
    }
    for _ in 0..100 {
        sleep(Duration::from_secs(3)).await;
        if let Some(node) = ready_on(house) {
            return node;
        }
    }
    panic!("the pod never came up");
}

/// The pods of the Deployment: name, node, ready, being ended.
fn pods(house: &House) -> Vec<(String, String, bool, bool)> {
    let list = get(house, "/api/v1/namespaces/default/pods");
    let items = list["items"].as_array().cloned().unwrap_or_default();
    let describe = |pod: &Value| {
        let conditions = pod["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let ready = conditions.iter().any(|condition| condition["type"] == "Ready" && condition["status"] == "True");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        (
            text(&pod["metadata"]["name"]),
            text(&pod["spec"]["nodeName"]),
            ready,
            pod["metadata"]["deletionTimestamp"].is_string(),
        )
    };
    items.iter().map(describe).collect()
}

fn ready_on(house: &House) -> Option<String> {
    pods(house).into_iter().find(|(_, _, ready, leaving)| *ready && !leaving).map(|(_, node, ..)| node)
}

fn volume(house: &House) -> Value {
    get(house, JIVA)["items"][0].clone()
}

fn modes(house: &House) -> Vec<String> {
    let replicas = volume(house)["status"]["replicaStatus"].as_array().cloned().unwrap_or_default();
    replicas.iter().filter_map(|replica| replica["mode"].as_str().map(str::to_owned)).collect()
}

fn holds(house: &House, node: &str) -> (usize, usize) {
    let view = house.lab.with(|world| world.cluster_of("nuc1").expect("a cluster").kubernetes.storage_view());
    let mounts = view.mounts.iter().filter(|mount| mount.node == node && mount.source.starts_with("/dev/")).count();
    (mounts, view.sessions.iter().filter(|session| session.node == node).count())
}

fn inject(house: &House, kind: FaultKind, lasts: Option<Duration>) {
    let lasts = lasts.map(|lasts| u64::try_from(lasts.as_millis()).expect("short"));
    house.lab.with(|world| world.inject(Fault { kind, machine: None, lasts }));
}

/// `homeprov repair`, every question answered with this; what was asked.
async fn repairing(house: &House, answer: bool) -> (Report, Outcome, Vec<String>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let book = Arc::clone(&asked);
    let ask = move |question: &str| {
        book.lock().expect("nobody panicked").push(question.to_owned());
        answer
    };
    let (report, outcome, events) = house.repair(Some(Arc::new(ask))).await;
    let report = report.unwrap_or_else(|outcome| panic!("{outcome:?}\n{events:#?}"));
    let asked = asked.lock().expect("nobody panicked").clone();
    (report, outcome, asked)
}

/// What is left, as kinds.
fn left(report: &Report) -> Vec<Kind> {
    report.left.iter().map(|entry| entry.finding.kind).collect()
}

async fn nothing(house: &House) {
    let (report, outcome, asked) = repairing(house, true).await;
    assert_eq!((outcome.code, asked, &report.not_seen), (ExitCode::Done, vec![], &vec![]), "{report:#?}");
    assert_eq!((left(&report), report.mended), (vec![], vec![]));
}

/// It is mended after one question in which all of this is said, and then nothing is stuck.
async fn mends(house: &House, kind: Kind, said: &[&str]) {
    let (report, outcome, asked) = repairing(house, true).await;
    assert_eq!(outcome.code, ExitCode::Done, "{outcome:?} {report:#?}\n{asked:#?}");
    let about: Vec<&String> =
        asked.iter().filter(|question| said.iter().all(|words| question.contains(words))).collect();
    assert_eq!(about.len(), 1, "{said:?}: {asked:#?}");
    let name = serde_json::to_value(kind).expect("a word");
    let name = name.as_str().expect("a word");
    assert!(report.mended.iter().any(|id| id.starts_with(name)), "{name}: {report:#?}");
    nothing(house).await;
}

/// It is found and refused, with these words about what would prove it; nobody is asked, and nothing is done about it.
async fn refuses(house: &House, kind: Kind, said: &[&str]) -> Outcome {
    let (report, outcome, asked) = repairing(house, true).await;
    let told = |entry: &Entry| match &entry.finding.proof {
        Proof::Missing { because, would_prove } => format!("{} {because} {would_prove}", entry.finding.seen),
        Proof::Given { .. } => String::new(),
    };
    let mut of_kind = report.left.iter().filter(|entry| entry.finding.kind == kind);
    let entry = of_kind.find(|entry| said.iter().all(|words| told(entry).contains(words)));
    let entry = entry.unwrap_or_else(|| panic!("{said:?} is not said: {report:#?}"));
    assert_eq!((outcome.code, &entry.told), (ExitCode::Refused, &None), "{outcome:?}");
    assert!(!asked.iter().any(|question| question.contains(&entry.finding.seen)), "{asked:#?}");
    outcome
}

#[tokio::test(start_paused = true)]
async fn nothing_is_stuck_where_all_is_well() {
    let house = standing().await;
    nothing(&house).await;
    with_a_volume(&house).await;
    nothing(&house).await;
    let before = house.lab.with(|world| world.describe());
    nothing(&house).await;
    assert_eq!(house.lab.with(|world| world.describe()), before, "looking changes nothing");
}

/// The volume is nobody's, and the label says otherwise.
async fn with_a_stale_owner(house: &House) -> String {
    inject(house, FaultKind::StaleMountOwner, None);
    let owner = with_a_volume(house).await;
    kubectl(house, &["scale", "deployment", "web", "--replicas=0"], "");
    sleep(Duration::from_secs(60)).await;
    assert_eq!(volume(house)["metadata"]["labels"]["nodeID"], owner.as_str(), "the fault should have struck");
    assert_eq!(holds(house, &owner), (0, 0));
    owner
}

#[tokio::test(start_paused = true)]
async fn a_stale_owner_is_taken_off_once_its_node_has_let_go() {
    let row = Row::of(FaultKind::StaleMountOwner.name(), "after the pod is gone; `repair`");
    let house = standing().await;
    let owner = with_a_stale_owner(&house).await;
    // Elsewhere the volume cannot be mounted.
    kubectl(&house, &["cordon", &owner], "");
    kubectl(&house, &["scale", "deployment", "web", "--replicas=1"], "");
    sleep(Duration::from_secs(90)).await;
    assert_eq!(ready_on(&house), None, "the fault should keep it from starting");
    let evidence = format!("{owner} has neither a mount nor an iSCSI session of it");
    mends(&house, Kind::StaleOwner, &["of default/data names", &evidence]).await;
    sleep(Duration::from_secs(150)).await;
    let node = ready_on(&house).expect("it can be mounted elsewhere now");
    assert_ne!(node, owner);
    row.ended("taken off on proof; the pod came up on another node");
}

#[tokio::test(start_paused = true)]
async fn a_no_leaves_it_and_a_yes_later_does_not() {
    let row = Row::of(FaultKind::StaleMountOwner.name(), "`repair`, answered with no");
    let house = standing().await;
    let owner = with_a_stale_owner(&house).await;
    let (report, outcome, asked) = repairing(&house, false).await;
    assert_eq!((outcome.code, asked.len()), (ExitCode::Refused, 1), "{outcome:?} {asked:#?}");
    assert_eq!(report.left[0].told, Some(Told::Declined));
    assert_eq!(volume(&house)["metadata"]["labels"]["nodeID"], owner.as_str());
    row.refused(&outcome);
    // Without anybody to ask it only looks.
    let (report, outcome, events) = house.repair(None).await;
    assert_eq!((outcome.code, left(&report.expect("a report"))), (ExitCode::Refused, vec![Kind::StaleOwner]));
    assert!(!events.iter().any(|event| matches!(event, homeprov::engine::event::Event::StepStarted { .. })));
    mends(&house, Kind::StaleOwner, &["of default/data names"]).await;
}

#[tokio::test(start_paused = true)]
async fn an_owner_that_still_has_the_session_open_is_left_alone() {
    let row = Row::of(FaultKind::OrphanedContainer.name(), "the old node has mount and session; `repair` of the owner");
    let house = standing().await;
    inject(&house, FaultKind::OrphanedContainer, None);
    let owner = with_a_volume(&house).await;
    kubectl(&house, &["scale", "deployment", "web", "--replicas=0"], "");
    sleep(Duration::from_secs(20)).await;
    assert_eq!(holds(&house, &owner), (2, 1), "the fault should keep mount and session");
    // It has not been gone for long: that is no proof either.
    let outcome =
        refuses(&house, Kind::StaleOwner, &["names", "holds it:", "iqn.2016-09.com.openebs.jiva:pvc-", "--logout"])
            .await;
    assert_eq!(volume(&house)["metadata"]["labels"]["nodeID"], owner.as_str());
    assert_eq!(holds(&house, &owner), (2, 1));
    row.refused(&outcome);
}

#[tokio::test(start_paused = true)]
async fn a_container_nobody_knows_of_is_ended() {
    let row = Row::of(FaultKind::OrphanedContainer.name(), "minutes after its pod is gone; `repair`");
    let house = standing().await;
    inject(&house, FaultKind::OrphanedContainer, None);
    let owner = with_a_volume(&house).await;
    kubectl(&house, &["scale", "deployment", "web", "--replicas=0"], "");
    sleep(Duration::from_secs(300)).await;
    assert_eq!(holds(&house, &owner), (2, 1));
    mends(&house, Kind::OrphanedContainer, &["that is gone, and holds", "the cluster knows no pod"]).await;
    assert_eq!(holds(&house, &owner), (0, 0));
    row.ended("ended on proof; the volume was let go");
}

#[tokio::test(start_paused = true)]
async fn a_pod_on_a_node_that_is_off_is_forgotten() {
    let row = Row::of(FaultKind::TerminatingStuck.name(), "a machine with a volume is off for good; `repair`");
    let house = standing().await;
    inject(&house, FaultKind::TerminatingStuck, None);
    let node = with_a_volume(&house).await;
    sleep(Duration::from_secs(60)).await;
    assert!(!house.lab.with(|world| world.machine(&node).powered), "the fault should have struck");
    // Sent away after 300 s, it waits for its node for ever, and its successor for it.
    sleep(Duration::from_secs(480)).await;
    let stuck = pods(&house);
    assert!(stuck.iter().any(|(_, on, _, leaving)| *on == node && *leaving), "{stuck:?}");
    let (report, outcome, asked) = repairing(&house, true).await;
    let silent = format!("{node} is off: nobody answers for");
    assert!(asked.iter().any(|question| question.contains("default/web-") && question.contains(&silent)), "{asked:#?}");
    assert!(report.mended.iter().any(|id| id.starts_with("pod-terminating default/web-")), "{report:#?}");
    // The node is away still, and so are its replica and what cannot be looked at there.
    assert_eq!(outcome.code, ExitCode::Unreachable, "{outcome:?} {report:#?}");
    sleep(Duration::from_secs(180)).await;
    let now = ready_on(&house).expect("its successor runs elsewhere");
    assert_ne!(now, node);
    row.ended("forgotten on proof that its node is off; its successor came up elsewhere");
}

#[tokio::test(start_paused = true)]
async fn a_pod_on_a_node_that_only_ssh_does_not_reach_is_left_alone() {
    let row = Row::of("a machine is reached by nobody over SSH, and is on", "a pod of it is to end; `repair`");
    let house = standing().await;
    let node = with_a_volume(&house).await;
    // Its kubelet is stopped, so that pods stay; only the controller does not reach it.
    house.lab.with(|world| world.run(&node, &["snap", "stop", "microk8s"], b""));
    house.lab.cut_off([node.as_str()]);
    sleep(Duration::from_secs(600)).await;
    assert!(pods(&house).iter().any(|(_, on, _, leaving)| *on == node && *leaving), "{:?}", pods(&house));
    let outcome =
        refuses(&house, Kind::PodTerminating, &["is not reached over SSH", "answers for 10.77.0.", "it is on"]).await;
    assert!(pods(&house).iter().any(|(_, on, _, leaving)| *on == node && *leaving), "{:?}", pods(&house));
    row.refused(&outcome);
}

#[tokio::test(start_paused = true)]
async fn a_read_only_file_system_is_mounted_anew_once_the_quorum_is_back() {
    let row = Row::of(FaultKind::ReadOnlyVolume.name(), "before and after the quorum is back; `repair`");
    let house = standing().await;
    inject(&house, FaultKind::ReadOnlyVolume, Some(Duration::from_secs(900)));
    with_a_volume(&house).await;
    sleep(Duration::from_secs(60)).await;
    assert_eq!(volume(&house)["status"]["status"], "RO", "the fault should have struck");
    refuses(&house, Kind::ReadOnlyMount, &["is read-only on", "1 of 3 replicas are RW", "Bring back the nodes"]).await;
    sleep(Duration::from_secs(1200)).await;
    assert_eq!((volume(&house)["status"]["status"].clone(), modes(&house)), (json!("RW"), vec!["RW".to_owned(); 3]));
    let read_only = |house: &House| {
        let view = house.lab.with(|world| world.cluster_of("nuc1").expect("a cluster").kubernetes.storage_view());
        view.mounts.iter().any(|mount| mount.read_only && mount.source.starts_with("/dev/"))
    };
    assert!(read_only(&house), "it stays read-only by itself");
    mends(&house, Kind::ReadOnlyMount, &["of default/data is read-only on", "RW with 3 of 3 replicas"]).await;
    assert!(!read_only(&house) && ready_on(&house).is_some());
    let nodes = get(&house, "/api/v1/nodes");
    let cordoned = nodes["items"].as_array().expect("nodes").iter().any(|node| node["spec"]["unschedulable"] == true);
    assert!(!cordoned, "the node takes pods again");
    row.ended("refused without a quorum, mounted anew with one");
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_stays_write_only_is_made_anew() {
    let row = Row::of(FaultKind::ReplicaWo.name(), "after twenty minutes; `repair`");
    let house = standing().await;
    inject(&house, FaultKind::ReplicaWo, None);
    with_a_volume(&house).await;
    assert_eq!(modes(&house), ["RW", "RW", "WO"], "the fault should have struck");
    // One that is being rebuilt is let be.
    nothing(&house).await;
    sleep(Duration::from_secs(25 * 60)).await;
    mends(&house, Kind::ReplicaBehind, &["of default/data", "is write-only for", "2 other replicas are RW"]).await;
    assert_eq!(modes(&house), ["RW"; 3]);
    row.ended("made anew while the others were a write quorum");
}

#[tokio::test(start_paused = true)]
async fn a_replica_is_never_deleted_below_a_write_quorum() {
    let row = Row::of(FaultKind::ReplicaWo.name(), "while another replica's node is off; `repair`");
    let house = standing().await;
    inject(&house, FaultKind::ReplicaWo, None);
    with_a_volume(&house).await;
    assert_eq!(modes(&house), ["RW", "RW", "WO"], "the fault should have struck");
    sleep(Duration::from_secs(25 * 60)).await;
    let first = get(&house, "/api/v1/namespaces/openebs/pods");
    let first = first["items"]
        .as_array()
        .expect("pods")
        .iter()
        .find(|pod| pod["metadata"]["name"].as_str().is_some_and(|name| name.ends_with("-jiva-rep-0")));
    let node = first.expect("a replica")["spec"]["nodeName"].as_str().expect("a node").to_owned();
    house.lab.with(|world| world.power_off(&node));
    // Its controller may have been there, too: replicas connect anew then, and are given their time.
    sleep(Duration::from_secs(40 * 60)).await;
    let claims = |house: &House| {
        let list = get(house, "/api/v1/namespaces/openebs/persistentvolumeclaims");
        let uids = list["items"].as_array().expect("claims").iter();
        uids.map(|claim| claim["metadata"]["uid"].as_str().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    let before = claims(&house);
    let outcome = refuses(&house, Kind::ReplicaBehind, &["1 of 3 replicas are RW, and 2 are needed"]).await;
    assert_eq!(claims(&house), before, "nothing was deleted");
    row.refused(&outcome);
}

#[tokio::test(start_paused = true)]
async fn what_a_join_has_left_behind_is_cleared_away() {
    let row = Row::of("the marker join-in-progress is left", "on a member that is Ready; `repair`");
    let house = standing().await;
    let marker = "/var/snap/microk8s/current/var/lock/join-in-progress";
    house.lab.with(|world| world.machine_mut("nuc2").files_mut().write(marker, b"", 0o664));
    mends(&house, Kind::Leftover, &["join-in-progress is on nuc2", "no `microk8s join` runs"]).await;
    assert!(!house.lab.with(|world| world.machine("nuc2").files().exists(marker)));
    row.ended("removed");
}

#[tokio::test(start_paused = true)]
async fn a_member_of_no_inventory_is_removed_when_nobody_is_there() {
    let row = Row::of("a member is in no inventory", "while it is on, and after it is off; `repair`");
    let mut house = House::new(4, 0, Os::Ubuntu2404, &[], 1);
    assert_eq!(house.up().await.outcome.code, ExitCode::Done);
    // Somebody takes it out of the file, and not out of the cluster.
    house.inventory = inventory(&text(3, 0));
    refuses(&house, Kind::GhostMember, &["10.77.0.14", "it is a living member", "microk8s leave"]).await;
    house.lab.with(|world| world.power_off("nuc4"));
    sleep(Duration::from_secs(120)).await;
    mends(&house, Kind::GhostMember, &["10.77.0.14", "no node of the inventory", "nobody answers for 10.77.0.14"])
        .await;
    let members = house.lab.with(|world| world.cluster_of("nuc1").expect("a cluster").members.len());
    assert_eq!(members, 3);
    house.lab.agreed_removals();
    assert_eq!(house.lab.harm(), Vec::<String>::new());
    row.ended("refused while it was on, removed when nobody answered");
}

#[tokio::test(start_paused = true)]
async fn without_a_cluster_it_says_so() {
    let house = standing().await;
    for machine in ["nuc1", "nuc2"] {
        house.lab.with(|world| world.power_off(machine));
    }
    let (report, outcome, _) = house.repair(None).await;
    assert!(report.is_err() && outcome.code == ExitCode::Unreachable, "{outcome:?}");
    assert!(outcome.summary.contains("cannot be looked at"), "{outcome:?}");
}

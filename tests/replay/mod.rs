//! A recorded run, a plan and a status, made to have one of everything.

mod proof;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use homeprov::engine::event::Event;
use homeprov::facts::storage::Replica;
use homeprov::inventory::{Cluster, Engine, Inventory, Node, NodeSsh, Role, Ssh, Storage};
use homeprov::plan::{Pending, Place, Plan, Verdict};
use homeprov::ssh::Purpose;
use homeprov::status::margin::{NodeMargin, Subject};
use homeprov::status::storage::{Access, ClassStatus, Margin, StorageStatus, VolumeStatus};
use homeprov::status::{
    ClusterStatus, Conclusion, DqliteRole, HighAvailability, NodeStatus, PoolStatus, Probe, SCHEMA,
};
use jiff::Timestamp;
pub use proof::{failed_proof, proof};

/// Seconds after the run began.
pub fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_767_261_600 + second).expect("in range")
}

fn node(name: &str) -> Place {
    Place::Node(name.to_owned())
}

fn seconds(number: u64) -> Duration {
    Duration::from_secs(number)
}

/// The first event of a run on these nodes.
pub fn started(nodes: &[String]) -> Event {
    Event::RunStarted {
        schema: homeprov::engine::event::SCHEMA,
        run: "01RUN".into(),
        command: "up".into(),
        cluster: "home".into(),
        nodes: nodes.to_vec(),
    }
}

/// `snap-installed` begins on a node.
pub fn step_started(name: &str) -> Event {
    Event::StepStarted {
        step: "snap-installed".into(),
        title: "MicroK8s is installed from 1.35/stable".into(),
        place: node(name),
        attempt: 1,
        why: "the snap microk8s is not installed\n(it never was)".into(),
    }
}

fn holds(step: &str, title: &str, place: Place) -> Event {
    Event::StepHolds { step: step.into(), title: title.into(), place }
}

fn output(name: &str, line: &str) -> Event {
    Event::StepOutput { step: "snap-installed".into(), place: node(name), line: line.into() }
}

fn waiting(left: u64) -> Event {
    Event::Waiting {
        step: "highly-available".into(),
        place: Place::Cluster,
        why: "2 of 3 voters answer".into(),
        left: seconds(left),
    }
}

/// Three nodes; one installs, one tries twice, the cluster is waited for.
fn beginning() -> Vec<(i64, Event)> {
    let nodes: Vec<String> = ["nuc1", "nuc2", "nuc3"].map(str::to_owned).to_vec();
    let mut events = vec![(0, started(&nodes))];
    for name in &nodes {
        events.push((1, Event::Connected { node: name.clone(), took: Duration::from_millis(230) }));
        let took = Duration::from_millis(410);
        events.push((1, Event::Executed { node: name.clone(), purpose: Purpose::Observe, took }));
    }
    events.push((1, Event::Planned { turn: 1, plan: small_plan() }));
    let clock = "its clock is 4 s behind\u{1b}[31m the others'";
    events.push((1, Event::Warning { node: Some("nuc2".into()), message: clock.into() }));
    events.push((2, step_started("nuc1")));
    events.push((2, step_started("nuc2")));
    events.push((3, output("nuc1", "Download snap \"core22\"  10%\rDownload snap \"core22\"  98%\r")));
    events.push((4, output("nuc1", "the password is hunter2")));
    let reason = "snap-store is busy".to_owned();
    let (step, after) = ("snap-installed".to_owned(), seconds(10));
    events.push((9, Event::StepRetry { step: step.clone(), place: node("nuc2"), reason, after }));
    events.push((36, Event::StepApplied { step, place: node("nuc1"), took: seconds(34) }));
    events
}

/// A run that ends well.
pub fn events() -> Vec<(i64, Event)> {
    let title = "MicroK8s is installed from 1.35/stable";
    let mut events = beginning();
    events.push((36, holds("snap-installed", title, node("nuc1"))));
    events.push((40, waiting(300)));
    events.push((42, waiting(298)));
    events.push((95, holds("snap-installed", title, node("nuc2"))));
    events.push((131, holds("highly-available", "the cluster survives the loss of a control plane", Place::Cluster)));
    events.push((131, Event::Forwarded { node: "nuc1".into() }));
    events.push((132, finished(0, "home is as the inventory says", 3)));
    events
}

/// A run that ends badly.
pub fn failing_events() -> Vec<(i64, Event)> {
    let mut events = beginning();
    let reason = "nuc3 does not answer: No route to host\nis it switched on?";
    events.push((40, Event::Unreachable { node: "nuc3".into(), reason: reason.into() }));
    events.push((
        50,
        Event::StepFailed {
            step: "snap-installed".into(),
            title: "MicroK8s is installed from 1.35/stable".into(),
            place: node("nuc2"),
            reason: "snap install ended with status 10\nlook at `snap changes` on nuc2".into(),
            output: (1..=22).map(|number| format!("line {number}")).collect(),
        },
    ));
    events.push((51, finished(6, "a step failed on nuc2", 1)));
    events
}

fn finished(code: u8, summary: &str, applied: u32) -> Event {
    Event::RunFinished { code, summary: summary.into(), took: seconds(132), connections: 3, observations: 9, applied }
}

fn pending(playbook: &str, step: &str, title: &str, place: Place, verdict: Verdict) -> Pending {
    let runnable = matches!(verdict, Verdict::Differs { .. });
    Pending { step: step.into(), title: title.into(), playbook: playbook.into(), place, verdict, runnable }
}

fn small_plan() -> Plan {
    let install = |name| {
        let title = "MicroK8s is installed from 1.35/stable";
        let verdict = Verdict::differs("the snap microk8s is not installed");
        pending("20-microk8s", "snap-installed", title, node(name), verdict)
    };
    let title = "the cluster survives the loss of a control plane";
    let verdict = Verdict::unknown("members-joined");
    let available = pending("30-cluster", "highly-available", title, Place::Cluster, verdict);
    Plan { pending: vec![install("nuc1"), install("nuc2"), available], unreachable: BTreeMap::new() }
}

/// A plan with one of every verdict.
pub fn plan() -> Plan {
    let mut steps = small_plan().pending;
    let not_so = "not so yet: its clock is kept by NTP";
    for name in ["nuc1", "nuc2"] {
        let verdict = Verdict::differs(not_so);
        steps.push(pending("10-prepare", "time-synchronised", "its clock is kept by NTP", node(name), verdict));
    }
    let verdict = Verdict::blocked(
        "nuc3 is a member of another cluster: its CA is 1f:2e:3d, this cluster's is aa:bb:cc. Take it out of the other \
         cluster with `microk8s leave`, or take it out of the inventory.",
    );
    steps.push(pending("30-cluster", "members-joined", "it is a member of the cluster", node("nuc3"), verdict));
    let verdict = Verdict::settling("the services start");
    steps.push(pending("20-microk8s", "microk8s-ready", "MicroK8s runs", node("nuc3"), verdict));
    let verdict = Verdict::Waits { nodes: vec!["nuc4".into()], why: "a speaker on each".into() };
    steps.push(pending("40-metallb", "speakers", "a speaker runs on every node", Place::Cluster, verdict));
    let verdict = Verdict::differs("- 10.77.0.240-10.77.0.250\n+ 10.77.0.240-10.77.0.245");
    let title = "the pool has exactly the wanted ranges, and this title is a long one for a step";
    steps.push(pending("40-metallb", "pool-exact", title, Place::Cluster, verdict));
    let reason = "10.77.0.14 does not answer: No route to host".to_owned();
    Plan { pending: steps, unreachable: BTreeMap::from([("nuc4".to_owned(), reason)]) }
}

/// A plan that a pre-flight check refuses.
pub fn refused_plan() -> Plan {
    let mut plan = small_plan();
    let verdict = Verdict::blocked("nuc1 and nuc2 have the machine id 0123; run `systemd-machine-id-setup` on one.");
    let title = "no two machines share an id";
    plan.pending.insert(0, pending("00-preflight", "machines-distinct", title, Place::Cluster, verdict));
    plan
}

/// Three control planes and a worker.
pub fn inventory() -> Inventory {
    let node = |number: u8, role| Node {
        name: format!("nuc{number}"),
        address: Ipv4Addr::new(10, 77, 0, 10 + number),
        role,
        failure_domain: None,
        labels: BTreeMap::new(),
        host_key: None,
        ssh: NodeSsh::default(),
    };
    Inventory {
        cluster: Cluster { name: "home".into(), channel: "1.35/stable".into(), allow_two_control_planes: false },
        ssh: Ssh::default(),
        nodes: vec![
            node(1, Role::ControlPlane),
            node(2, Role::ControlPlane),
            node(3, Role::ControlPlane),
            node(4, Role::Worker),
        ],
        metallb: None,
        storage: Storage::default(),
        flux: None,
        mastodon: None,
    }
}

/// A cluster in good health.
pub fn status() -> ClusterStatus {
    let nodes = inventory().nodes.into_iter().map(|node| NodeStatus {
        reachable: true,
        unreachable_because: None,
        os: Some("Ubuntu 24.04.1 LTS".into()),
        microk8s_version: Some("v1.35.1".into()),
        channel: Some("1.35/stable".into()),
        held: Some(true),
        kubernetes_ready: Some(true),
        dqlite_role: Some(if node.role == Role::Worker { DqliteRole::None } else { DqliteRole::Voter }),
        answers: (node.role == Role::ControlPlane).then_some(true),
        labels: BTreeMap::from([("zone".to_owned(), "shelf".to_owned())]),
        name: node.name,
        address: node.address,
        role: node.role,
    });
    ClusterStatus {
        schema: SCHEMA,
        cluster: "home".into(),
        channel: "1.35/stable".into(),
        identity: Some("SHA256:5f3a99".into()),
        nodes: nodes.collect(),
        high_availability: HighAvailability {
            voters_that_answer: 3,
            of: 3,
            agreed: Some(true),
            verdict: Conclusion::Yes,
            reason: "three voters answer, and every member tells the same list".into(),
        },
        pool: Some(PoolStatus {
            ranges: vec!["10.77.0.240-10.77.0.250".into()],
            installed: Some(true),
            speakers_ready: 4,
            of: 4,
            probe: Some(Probe {
                verdict: Conclusion::Yes,
                at: at(0),
                evidence: vec![
                    "nuc2 asked for 10.77.0.240 by ARP and one machine answered, nuc1".into(),
                    "not tried: a connection from here, which is on another network".into(),
                ],
            }),
        }),
        storage: Some(storage()),
        site: None,
        margins: margins(),
        drill: None,
        warnings: vec![],
    }
}

fn margins() -> Vec<NodeMargin> {
    let volume = NodeMargin::of(Subject::Volume, 1, "3 of 3 replicas are RW, and 2 must be");
    vec![
        NodeMargin::of(Subject::Api, 1, "3 of 3 voters answer, and 2 must"),
        NodeMargin { name: Some("mastodon/data-mastodon-postgresql-0".into()), ..volume },
        NodeMargin::of(Subject::Site, 1, "the API: 3 of 3 voters answer, and 2 must"),
    ]
}

fn storage() -> StorageStatus {
    let class = |name: &str, provisioner: &str, reclaim: &str| ClassStatus {
        name: name.into(),
        provisioner: provisioner.into(),
        backend: None,
        reclaim_policy: reclaim.into(),
        used_for: None,
    };
    let one = Some(Access::ReadWriteOnce);
    let many = Some(Access::ReadWriteMany);
    let backend = Some("homeprov-jiva-retain".to_owned());
    let replica = |number: u8| Replica { address: format!("tcp://10.1.{number}.7:9502"), mode: "RW".into() };
    StorageStatus {
        engine: Engine::Jiva,
        replicas: 3,
        classes: vec![
            ClassStatus { used_for: one, ..class("homeprov-jiva-retain", "jiva.csi.openebs.io", "Retain") },
            ClassStatus { used_for: many, backend, ..class("openebs-rwx", "openebs.io/nfsrwx", "Retain") },
        ],
        volumes: vec![VolumeStatus {
            name: "pvc-6f1c".into(),
            claim: Some("mastodon/data-mastodon-postgresql-0".into()),
            shared: false,
            class: "homeprov-jiva-retain".into(),
            capacity: "8Gi".into(),
            replicas_wanted: Some(3),
            replicas: [1, 2, 3].map(replica).into(),
            nodes: ["nuc1", "nuc2", "nuc3"].map(str::to_owned).into(),
            mounted_on: Some("nuc2".into()),
            margin: Margin::Spare,
            state: "one more node may fail".into(),
        }],
        proof: Some(Probe {
            verdict: Conclusion::Yes,
            at: at(0),
            evidence: vec!["homeprov-jiva-retain: the bytes are on 3 nodes".into()],
        }),
    }
}

/// The same cluster on a bad day.
pub fn degraded_status() -> ClusterStatus {
    let mut status = status();
    let [_, second, third, fourth] = &mut status.nodes[..] else { unreachable!("four nodes") };
    second.answers = Some(false);
    second.kubernetes_ready = Some(false);
    second.held = Some(false);
    third.dqlite_role = Some(DqliteRole::StandBy);
    third.os = None;
    fourth.reachable = false;
    fourth.unreachable_because = Some("10.77.0.14 does not answer: No route to host".into());
    fourth.kubernetes_ready = None;
    fourth.microk8s_version = None;
    fourth.os = None;
    status.high_availability = HighAvailability {
        voters_that_answer: 1,
        of: 2,
        agreed: Some(false),
        verdict: Conclusion::No,
        reason: "nuc3 tells another list than the seed".into(),
    };
    if let Some(pool) = &mut status.pool {
        pool.speakers_ready = 3;
        pool.probe = None;
    }
    if let Some(storage) = &mut status.storage {
        let mut share = storage.volumes[0].clone();
        share.name = "pvc-77aa".into();
        share.claim = Some("mastodon/mastodon-system".into());
        share.shared = true;
        share.replicas[0].mode = "WO".into();
        share.replicas.remove(2);
        share.margin = Margin::ReadOnly;
        share.state = "read-only".into();
        storage.volumes.push(share);
        let folder = VolumeStatus {
            name: "pvc-90bc".into(),
            claim: None,
            shared: false,
            class: "microk8s-hostpath".into(),
            capacity: "1Gi".into(),
            replicas_wanted: None,
            replicas: vec![],
            nodes: vec!["nuc4".into()],
            mounted_on: None,
            margin: Margin::OneNode,
            state: "stored on nuc4, not replicated".into(),
        };
        storage.volumes.push(folder);
        storage.proof = None;
    }
    status.margins = vec![
        NodeMargin::stopped(Subject::Api, "1 of 2 voters answer (nuc2 not), and 2 must"),
        NodeMargin { name: Some("pvc-90bc".into()), ..NodeMargin::of(Subject::Volume, 0, "it lies on nuc4 alone") },
        NodeMargin::unknown(Subject::Site, "its database: its controller does not answer"),
    ];
    status.warnings.push("the API answers slowly".into());
    status
}

//! The shell programs of the Rust steps, told in commands of the world and files. What is run as a plain command, such
//! as `snap install`, needs no row: the world knows it.

#![expect(clippy::unused_async, reason = "the rows of the table are async, also those that need not wait")]

use std::net::Ipv4Addr;

use futures::future::BoxFuture;
use homeprov_lab::world::World;
use tokio::time::{Duration, sleep};

use super::shell::Shell;

/// A program a Rust step sends: its step, a part of its text, and what it does.
struct Row {
    step: &'static str,
    part: &'static str,
    program: for<'a> fn(&'a Shell, &'a str, &'a str) -> BoxFuture<'a, i32>,
}

macro_rules! row {
    ($step:literal, $part:literal, $program:ident) => {
        Row { step: $step, part: $part, program: |shell, text, input| Box::pin($program(shell, text, input)) }
    };
}

const ROWS: &[Row] = &[
    row!("failure-domain", ">/var/snap/microk8s/current/args/ha-conf.homeprov", write_failure_domain),
    row!("failure-domain", "microk8s stop && /snap/bin/microk8s start", restart),
    row!("identity-recorded", "/var/lib/homeprov/identity", write_identity),
    row!("identity-on-node", "/var/lib/homeprov/identity", write_identity),
    row!("members-joined", "cluster-tokens.txt", revoke),
    row!("workers-joined", "cluster-tokens.txt", revoke),
    row!("join-settled", "touch no-cert-reissue && rm -f join-in-progress", settle),
    row!("node-left", "touch no-cert-reissue && rm -f join-in-progress", settle),
    row!("departed-forgets", "rm -f /var/lib/homeprov/identity", forget),
    row!("pool-probed", "arping -c 2 -w 2", arping),
    row!("initiator-unique", "iscsi-iname", name_initiator),
    row!("metallb-enabled", "arping -f -c 2", arping_all),
    row!("metallb-enabled", "/sys/class/net/*/address", own_macs),
    row!("doctor", "arping -f -c 2", arping_all),
    row!("doctor", "/sys/class/net/*/address", own_macs),
    row!("verify-pool", "arping -b -c 2", arping_everybody),
    row!("verify-pool", "ip -4 neigh", home),
    row!("pool-exact", "arping -f -c 2", arping_all),
    row!("pool-exact", "/sys/class/net/*/address", own_macs),
    row!("stuck", "/proc/1/mountinfo", holds),
    row!("drill", "exec /usr/bin/snap start --enable microk8s", stop_all),
    row!("drill", "/snap/bin/microk8s start", start_all),
    row!("drill-ended", "/snap/bin/microk8s start", start_all),
    row!("drill", "table inet homeprov_drill {", cut),
    row!("drill", "nft delete table inet homeprov_drill 2>", join),
    row!("drill-ended", "nft delete table inet homeprov_drill 2>", join),
    row!("drill", "/proc/sysrq-trigger", power_off),
    row!("stuck", "arping -f -c 3", arping_nodes),
    row!("containers-known", "kill -s $signal", end_processes),
    row!("nothing-left-over", "rm -f join-in-progress", settle),
];

/// Runs the shell program of a Rust step.
///
/// # Panics
/// If no row knows it: the table has to follow the steps.
pub async fn perform(shell: &Shell, step: &str, text: &str, input: &str) -> i32 {
    let row = ROWS.iter().find(|row| row.step == step && text.contains(row.part));
    let row = row.unwrap_or_else(|| panic!("no row tells what {step} does with this program:\n{text}"));
    (row.program)(shell, text, input).await
}

const DATA: &str = "/var/snap/microk8s/current";

async fn write_failure_domain(shell: &Shell, text: &str, _: &str) -> i32 {
    if !shell.exists(&format!("{DATA}/args")) {
        return shell.differs("MicroK8s has not written its arguments yet");
    }
    let number = text.split("failure-domain=%s\\n' ").nth(1).and_then(|rest| rest.split(' ').next());
    shell.write(&format!("{DATA}/args/ha-conf"), &format!("failure-domain={}\n", number.expect("a number")));
    0
}

async fn restart(shell: &Shell, _: &str, _: &str) -> i32 {
    const MICROK8S: &str = "/snap/bin/microk8s";
    let status = shell.all(&[&[MICROK8S, "stop"], &[MICROK8S, "start"]]).await;
    if status != 0 {
        return status;
    }
    shell.ask(&[MICROK8S, "status", "--wait-ready", "--timeout", "120"]).await.0
}

async fn write_identity(shell: &Shell, text: &str, _: &str) -> i32 {
    let words = shlex::split(text).expect("a script of plain words");
    let record = words.iter().skip_while(|word| *word != "%s").nth(1).expect("the record after its format");
    shell.write("/var/lib/homeprov/identity", record);
    0
}

async fn revoke(shell: &Shell, _: &str, token: &str) -> i32 {
    let file = format!("{DATA}/credentials/cluster-tokens.txt");
    let text = shell.read(&file).unwrap_or_default();
    let kept: Vec<String> = text.lines().filter(|line| !line.contains(token)).map(|line| format!("{line}\n")).collect();
    shell.write(&file, &kept.concat());
    0
}

async fn settle(shell: &Shell, text: &str, _: &str) -> i32 {
    let folder = format!("{DATA}/var/lock");
    if !shell.exists(&folder) {
        return 2;
    }
    if text.contains("touch no-cert-reissue") {
        shell.write(&format!("{folder}/no-cert-reissue"), "");
    }
    shell.remove(&format!("{folder}/join-in-progress"));
    0
}

async fn forget(shell: &Shell, _: &str, _: &str) -> i32 {
    shell.remove("/var/lib/homeprov/identity");
    0
}

async fn name_initiator(shell: &Shell, _: &str, _: &str) -> i32 {
    if shell.ask(&["iscsiadm", "-m", "session"]).await.0 == 0 {
        return 3;
    }
    let (status, name) = shell.ask(&["iscsi-iname"]).await;
    if status != 0 {
        return status;
    }
    let text = format!("## Written by homeprov: another machine had the same name.\nInitiatorName={}\n", name.trim());
    shell.write("/etc/iscsi/initiatorname.iscsi", &text);
    shell.run(&["systemctl", "restart", "iscsid"]).await
}

/// The MAC address of the machine with this address, as the lab's network gives it.
fn mac(address: Ipv4Addr) -> String {
    let [a, b, c, d] = address.octets();
    format!("02:00:{a:02x}:{b:02x}:{c:02x}:{d:02x}")
}

/// Who answers ARP for an address, seen from a machine: the announcing node, when both are on the network. A machine
/// does not hear itself.
fn owner(world: &World, from: &str, address: Ipv4Addr) -> Option<Ipv4Addr> {
    let on = |name: &str| world.machine(name).powered && world.machine(name).connected;
    let announcement = world.announcements().into_iter().find(|announcement| announcement.address == address)?;
    let announcer = world.machines().find(|machine| machine.hostname == announcement.node)?;
    (announcer.name() != from && on(announcer.name()) && on(from)).then_some(announcer.spec.address)
}

/// The MAC address that a machine hears for an address, from a node or from another device on the network.
fn heard(world: &World, from: &str, address: Ipv4Addr) -> Option<String> {
    let neighbour = world.neighbours().get(&address).cloned();
    owner(world, from, address).map(mac).or(neighbour)
}

/// `for address in A B …; do { arping … | grep 'reply from'; } & …; done`
async fn arping_all(shell: &Shell, text: &str, _: &str) -> i32 {
    let list = text.split("for address in").nth(1).and_then(|rest| rest.split(';').next()).expect("a list");
    let name = shell.machine(|machine| machine.name().to_owned());
    for address in list.split_whitespace() {
        let address: Ipv4Addr = address.parse().expect("an address");
        if let Some(mac) = shell.lab().with(|world| heard(world, &name, address)) {
            shell.say(format!("Unicast reply from {address} [{}]  0.71ms", mac.to_uppercase()));
        }
    }
    sleep(Duration::from_secs(2)).await;
    0
}

/// The same without `-f`: everybody who has an address answers.
async fn arping_everybody(shell: &Shell, text: &str, _: &str) -> i32 {
    if !shell.machine(|machine| machine.packages.contains_key("iputils-arping")) {
        shell.complain("there is no arping; `apt-get install iputils-arping`, or `homeprov up`, installs it");
        return 1;
    }
    let list = text.split("for address in").nth(1).and_then(|rest| rest.split(';').next()).expect("a list");
    let name = shell.machine(|machine| machine.name().to_owned());
    for address in list.split_whitespace() {
        let address: Ipv4Addr = address.parse().expect("an address");
        let (node, other) = shell
            .lab()
            .with(|world| (owner(world, &name, address).map(mac), world.neighbours().get(&address).cloned()));
        for mac in node.into_iter().chain(other) {
            shell.say(format!("Unicast reply from {address} [{}]  0.71ms", mac.to_uppercase()));
        }
    }
    sleep(Duration::from_secs(2)).await;
    0
}

/// Routes, neighbours and interfaces: a machine knows the others that are on.
async fn home(shell: &Shell, _: &str, _: &str) -> i32 {
    shell.say("default via 10.77.0.1 dev eth0\n10.77.0.1 dev eth0 lladdr 02:00:0a:4d:00:01 REACHABLE");
    let name = shell.machine(|machine| machine.name().to_owned());
    let others = shell.lab().with(|world| {
        let others = world.machines().filter(|machine| machine.name() != name && machine.powered && machine.connected);
        others.map(|machine| machine.spec.address).collect::<Vec<_>>()
    });
    for address in others {
        shell.say(format!("{address} dev eth0 lladdr {} STALE", mac(address)));
    }
    own_macs(shell, "", "").await
}

async fn own_macs(shell: &Shell, _: &str, _: &str) -> i32 {
    shell.say(format!("00:00:00:00:00:00\n{}", mac(shell.machine(|machine| machine.spec.address))));
    0
}

/// `ip -o link show dev INTERFACE; arping -c 2 -w 2 -I INTERFACE ADDRESS; true`
async fn arping(shell: &Shell, text: &str, _: &str) -> i32 {
    let address: Ipv4Addr = text
        .split(';')
        .nth(1)
        .and_then(|arping| arping.split_whitespace().last())
        .and_then(|address| address.parse().ok())
        .expect("arping is asked about an address");
    let (name, own) = shell.machine(|machine| (machine.name().to_owned(), machine.spec.address));
    shell.say(format!(
        "2: eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc fq_codel state UP \\    link/ether {} brd ff:ff:ff:ff:ff:ff",
        mac(own)
    ));
    if !shell.machine(|machine| machine.packages.contains_key("iputils-arping")) {
        return 0;
    }
    shell.say(format!("ARPING {address} from {own} eth0"));
    let mut received = 0;
    for _ in 0..2 {
        if let Some(owner) = shell.lab().with(|world| owner(world, &name, address)) {
            shell.say(format!("Unicast reply from {address} [{}]  0.71ms", mac(owner).to_uppercase()));
            received += 1;
        }
        sleep(Duration::from_secs(1)).await;
    }
    shell.say(format!("Sent 2 probes (2 broadcast(s))\nReceived {received} response(s)"));
    0
}

/// What a machine holds of volumes, as the look at it prints it.
async fn holds(shell: &Shell, _: &str, _: &str) -> i32 {
    let (host, machine) = shell.machine(|machine| (machine.hostname.clone(), machine.name().to_owned()));
    let views = shell.lab().with(|world| world.cluster_of(&machine).map(|cluster| cluster.kubernetes.storage_view()));
    for mount in views.iter().flat_map(|view| &view.mounts) {
        if mount.node == host && mount.path.contains("kubernetes.io") && !mount.path.contains("kubernetes.io~nfs") {
            let options = if mount.read_only { "ro" } else { "rw" };
            shell.say(format!("mount:{} rw,relatime {} {options}", mount.path, mount.source));
        }
    }
    shell.say("mounts=read");
    if shell.machine(|machine| machine.packages.contains_key("open-iscsi")) {
        let (status, told) = shell.ask(&["iscsiadm", "-m", "session"]).await;
        told.lines().for_each(|line| shell.say(format!("session:{line}")));
        if status == 0 || status == 21 {
            shell.say("sessions=read");
        }
    } else {
        shell.say("sessions=read");
    }
    shell.say("joins=read");
    for orphan in views.iter().flat_map(|view| &view.orphans).filter(|orphan| orphan.node == host) {
        shell.say(format!("process:{} {} {} {}", orphan.uid, orphan.container, orphan.pid, orphan.gone / 1000));
    }
    0
}

async fn end_processes(shell: &Shell, text: &str, _: &str) -> i32 {
    let uid = text.split("pod(").nth(1).and_then(|rest| rest.split('|').next()).expect("a pod's uid").to_owned();
    let machine = shell.machine(|machine| machine.name().to_owned());
    shell.lab().with(|world| world.end_orphan(&machine, &uid));
    sleep(Duration::from_secs(1)).await;
    0
}

/// The same `arping` for machines: whoever is on and on the network answers.
async fn arping_nodes(shell: &Shell, text: &str, _: &str) -> i32 {
    let list = text.split("for address in").nth(1).and_then(|rest| rest.split("; do").next()).expect("a list");
    let own = shell.machine(|machine| machine.name().to_owned());
    let installed = shell.machine(|machine| machine.packages.contains_key("iputils-arping"));
    let list = list.lines().next().unwrap_or_default();
    for address in list.split_whitespace().filter(|_| installed) {
        let address: Ipv4Addr = address.parse().expect("an address");
        let heard = shell.lab().with(|world| {
            let answers = |name: &str| world.machine(name).powered && world.machine(name).connected && name != own;
            let there = world.machine_at(address).is_some_and(|name| answers(&name));
            there.then(|| mac(address)).or_else(|| world.neighbours().get(&address).cloned())
        });
        if let Some(mac) = heard {
            shell.say(format!("Unicast reply from {address} [{}]  0.71ms", mac.to_uppercase()));
        }
    }
    sleep(Duration::from_secs(3)).await;
    0
}

/// A drill stops everything, and lets go of the volumes.
async fn stop_all(shell: &Shell, _: &str, _: &str) -> i32 {
    let status = shell.run(&["/snap/bin/microk8s", "stop"]).await;
    if status != 0 {
        return status;
    }
    let (_, sessions) = shell.ask(&["iscsiadm", "-m", "session"]).await;
    for target in sessions.split_whitespace().filter(|word| word.contains("openebs.jiva:")) {
        shell.ask(&["iscsiadm", "-m", "node", "-T", target, "--logout"]).await;
    }
    0
}

async fn start_all(shell: &Shell, _: &str, _: &str) -> i32 {
    shell.run(&["/snap/bin/microk8s", "start"]).await
}

async fn cut(shell: &Shell, _: &str, seconds: &str) -> i32 {
    let machine = shell.machine(|machine| machine.name().to_owned());
    let seconds: u64 = seconds.parse().expect("for how long");
    shell.lab().with(|world| world.fence(&machine, seconds * 1000));
    0
}

async fn join(shell: &Shell, _: &str, _: &str) -> i32 {
    let machine = shell.machine(|machine| machine.name().to_owned());
    shell.lab().with(|world| world.unfence(&machine));
    0
}

async fn power_off(shell: &Shell, _: &str, _: &str) -> i32 {
    let machine = shell.machine(|machine| machine.name().to_owned());
    shell.lab().with(|world| world.power_off(&machine));
    137
}

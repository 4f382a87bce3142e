//! The fact probe's answer, told from a machine's files and commands.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::shell::Shell;

const DATA: &str = "/var/snap/microk8s/current";
const BACKEND: &str = "/var/snap/microk8s/current/var/kubernetes/backend";
const SERVICES: [&str; 5] = ["kubelite", "k8s-dqlite", "containerd", "cluster-agent", "apiserver-proxy"];

fn lines(shell: &Shell, key: &str, text: &str) {
    text.lines().for_each(|line| shell.say(format!("{key}:{line}")));
}

fn file(shell: &Shell, key: &str, path: &str) {
    lines(shell, key, &shell.read(path).unwrap_or_default());
}

/// Prints what the probe prints; `script` is its text, for the addresses it is to dial.
pub async fn print(shell: &Shell, script: &str) -> i32 {
    system(shell);
    file(shell, "identity", "/var/lib/homeprov/identity");
    if shell.machine(homeprov_lab::world::Machine::has_microk8s) {
        microk8s(shell, &control_planes(script)).await;
    }
    if shell.is_gone() { 137 } else { 0 }
}

/// The addresses in `control_planes='…'`, the probe's first line.
fn control_planes(script: &str) -> Vec<Ipv4Addr> {
    let list = script.lines().next().and_then(|line| line.split('\'').nth(1)).expect("the list of control planes");
    list.split_whitespace().map(|address| address.parse().expect("an address")).collect()
}

fn system(shell: &Shell) {
    let now = shell.lab().with(|world| world.now());
    let release = shell.read("/etc/os-release").unwrap_or_default();
    let release = |key: &str| {
        let value = release.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        value.unwrap_or_default().trim_matches('"').to_owned()
    };
    let lines = shell.machine(|machine| {
        let free = machine.spec.disk_mib * 1024;
        let used = machine.disk_used_mib * 1024;
        let percent = (used * 100).div_ceil(used + free);
        let disk = format!("disk:/dev/vda1 {} {used} {free} {percent}% /", used + free);
        let inode =
            format!("inode:/dev/vda1 13107200 {} {} 9% /", 13_107_200 - machine.free_inodes, machine.free_inodes);
        let mut lines = vec![
            format!("os.id={}", release("ID")),
            format!("os.version={}", release("VERSION_ID")),
            format!("os.name={}", release("PRETTY_NAME")),
            "architecture=x86_64".to_owned(),
            format!("kernel={}", machine.spec.kernel),
            format!("host_name={}", machine.hostname),
            format!("cpus={}", machine.spec.cpus),
            format!("memory_kib={}", machine.spec.memory_kib),
            format!("boot_id:{}", machine.boot_id),
            format!("uptime={}", (now - machine.booted_at) / 1000),
            format!("login={}", shell.login),
            "disk:Filesystem 1024-blocks Used Available Capacity Mounted on".to_owned(),
        ];
        lines.extend(std::iter::repeat_n(disk, 4));
        lines.push("inode:Filesystem Inodes IUsed IFree IUse% Mounted on".to_owned());
        lines.extend(std::iter::repeat_n(inode, 4));
        lines.push("address:1: lo    inet 127.0.0.1/8 scope host lo\\       valid_lft forever".to_owned());
        lines.push(format!(
            "address:2: eth0    inet {}/24 brd 10.77.0.255 scope global eth0\\       valid_lft forever",
            machine.spec.address
        ));
        lines.extend(machine.packages.contains_key("cloud-init").then(|| "cloud_init=yes".to_owned()));
        lines
    });
    for line in &lines {
        shell.say(line);
    }
    file(shell, "machine_id", "/etc/machine-id");
    file(shell, "initiator", "/etc/iscsi/initiatorname.iscsi");
    if shell.exists("/sbin/mount.nfs") {
        shell.say("nfs_client=yes");
    }
    if shell.machine(|machine| machine.packages.contains_key("snapd")) {
        file(shell, "snapd", "/usr/lib/snapd/info");
    }
}

/// What a command prints, unless it takes too long.
async fn within_eight_seconds(shell: &Shell, argv: &[&str]) -> String {
    tokio::time::timeout(Duration::from_secs(8), shell.ask(argv)).await.map(|(_, text)| text).unwrap_or_default()
}

async fn microk8s(shell: &Shell, control_planes: &[Ipv4Addr]) {
    let worker = shell.exists(&format!("{DATA}/var/lock/clustered.lock"));
    let serves = !worker && shell.exists(&format!("{BACKEND}/cluster.yaml"));
    let units: Vec<String> = SERVICES.iter().map(|service| format!("snap.microk8s.daemon-{service}")).collect();
    shell.say("installed=yes");
    // Side by side, as in the probe: the slowest decides how long it takes.
    let (snap, members, (_, states)) = tokio::join!(
        async {
            let snap = within_eight_seconds(shell, &["snap", "list", "microk8s"]).await;
            if !snap.contains("held") {
                lines(shell, "change", &within_eight_seconds(shell, &["snap", "changes", "microk8s"]).await);
            }
            snap
        },
        async { if serves { members(shell).await } else { String::new() } },
        async {
            let argv: Vec<&str> =
                ["systemctl", "is-active"].into_iter().chain(units.iter().map(String::as_str)).collect();
            shell.ask(&argv).await
        },
    );
    for name in shell.machine(|machine| machine.files().list(&format!("{DATA}/var/lock"))) {
        shell.say(format!("lock:{name}"));
    }
    file(shell, "info", &format!("{BACKEND}/info.yaml"));
    file(shell, "stored", &format!("{BACKEND}/cluster.yaml"));
    file(shell, "ha_conf", &format!("{DATA}/args/ha-conf"));
    file(shell, "failure_domain", &format!("{BACKEND}/failure-domain"));
    if worker {
        file(shell, "ca", &format!("{DATA}/certs/ca.remote.crt"));
    } else {
        file(shell, "ca", &format!("{DATA}/certs/ca.crt"));
        file(shell, "kubeconfig", &format!("{DATA}/credentials/client.config"));
    }
    if shell.exists(&format!("{DATA}/certs/ca.crt.backup")) {
        shell.say("ca_replaced=yes");
    }
    let arguments = shell.read(&format!("{DATA}/args/kubelet")).unwrap_or_default();
    arguments
        .lines()
        .filter(|line| line.starts_with("--root-dir"))
        .for_each(|line| shell.say(format!("kubelet:{line}")));
    refresh_hold(shell).await;
    lines(shell, "snap", &snap);
    lines(shell, "members", &members);
    for (unit, state) in units.iter().zip(states.lines()) {
        shell.say(format!("service:{unit}\t{state}"));
    }
    dial(shell, if serves { control_planes } else { &[] });
}

async fn members(shell: &Shell) -> String {
    let store = format!("file://{BACKEND}/cluster.yaml");
    let (certificate, key) = (format!("{BACKEND}/cluster.crt"), format!("{BACKEND}/cluster.key"));
    let argv = [
        "/snap/microk8s/current/bin/dqlite",
        "-s",
        &store,
        "-c",
        &certificate,
        "-k",
        &key,
        "-f",
        "json",
        "k8s",
        ".cluster",
    ];
    tokio::time::timeout(std::time::Duration::from_secs(5), shell.ask(&argv))
        .await
        .map_or_else(|_| String::new(), |it| it.1)
}

/// snapd before 2.58 cannot hold one snap; there the system's option is asked for.
async fn refresh_hold(shell: &Shell) {
    let info = shell.read("/usr/lib/snapd/info").unwrap_or_default();
    let version = info.lines().find_map(|line| line.strip_prefix("VERSION=")).unwrap_or_default();
    let minor = version.strip_prefix("2.").and_then(|rest| rest.split(['.', '-', '+']).next()?.parse::<u32>().ok());
    if minor.is_some_and(|minor| minor < 58) {
        let (_, hold) = shell.ask(&["snap", "get", "system", "refresh.hold"]).await;
        lines(shell, "refresh_hold", &hold);
    }
}

fn dial(shell: &Shell, control_planes: &[Ipv4Addr]) {
    let stored = shell.read(&format!("{BACKEND}/cluster.yaml")).unwrap_or_default();
    let stored = stored.lines().filter_map(|line| line.trim_start_matches(['-', ' ']).strip_prefix("Address: "));
    let stored = stored.filter_map(|address| address.strip_suffix(":19001")?.parse().ok());
    let targets: std::collections::BTreeSet<Ipv4Addr> = control_planes.iter().copied().chain(stored).collect();
    let name = shell.machine(|machine| machine.name().to_owned());
    let here = Ipv4Addr::LOCALHOST;
    let accepts = |address, port| shell.lab().with(|world| world.accepts(&name, address, port));
    for address in targets.iter().filter(|address| accepts(**address, 19_001)) {
        shell.say(format!("answers={address}"));
    }
    for (key, port) in [("api", 16_443), ("agent", 25_000)] {
        if accepts(here, port) {
            shell.say(format!("{key}={here}"));
        }
    }
}

//! The playbooks' scripts, told in commands of the world and files: one row per script step.

#![expect(clippy::unused_async, reason = "the rows of the table are async, also those that need not wait")]

use futures::future::BoxFuture;
use homeprov::playbook::{Action, Recipe};
use homeprov_lab::world::Machine;

use super::shell::Shell;

type Script = for<'a> fn(&'a Shell) -> BoxFuture<'a, i32>;

/// What the scripts of one step do. Both end with an exit status.
pub struct Row {
    /// The step's id.
    pub step: &'static str,
    /// Its `check`.
    pub check: Script,
    /// Its `apply`, where it has one.
    pub apply: Option<Script>,
}

macro_rules! row {
    ($step:literal, $check:ident) => {
        Row { step: $step, check: |shell| Box::pin($check(shell)), apply: None }
    };
    ($step:literal, $check:ident, $apply:ident) => {
        Row { step: $step, check: |shell| Box::pin($check(shell)), apply: Some(|shell| Box::pin($apply(shell))) }
    };
}

const ROWS: &[Row] = &[
    row!("cloud-init-finished", cloud_init),
    row!("dpkg-complete", dpkg, complete_packages),
    row!("packages-installed", packages, install_packages),
    row!("host-name", host_name, set_host_name),
    row!("peers-in-hosts", hosts, write_hosts),
    row!("kernel-modules", modules, load_modules),
    row!("sysctls", sysctls, set_sysctls),
    row!("time-synchronised", time, synchronise_time),
    row!("snapd-ready", snapd, start_snapd),
    row!("snap-bin-in-path", path, write_path),
    row!("user-in-group", group, add_to_group),
    row!("iscsi-installed", iscsi, install_iscsi),
    row!("iscsid-running", iscsid, start_iscsid),
    row!("multipath-leaves-volumes", multipath, spare_volumes),
    row!("nfs-ready", nfs, install_nfs),
    row!("community-addons", community, add_community),
    row!("search-kernel-setting", search, allow_search),
    row!("datastore-saved", saved, save),
    row!("microk8s-removed", no_microk8s, purge),
    row!("record-removed", no_record, remove_record),
];

/// The row of a step.
pub fn row(step: &str) -> Option<&'static Row> {
    ROWS.iter().find(|row| row.step == step)
}

const PACKAGES: [&str; 4] = ["snapd", "sudo", "iputils-arping", "ca-certificates"];
const MODULES: [&str; 4] = ["overlay", "br_netfilter", "nf_conntrack", "vxlan"];
const MODULES_FILE: &str = "/etc/modules-load.d/homeprov.conf";
const SYSCTLS: [(&str, u64); 2] = [("fs.inotify.max_user_instances", 1024), ("fs.inotify.max_user_watches", 1_048_576)];
const SYSCTLS_FILE: &str = "/etc/sysctl.d/90-homeprov.conf";
const CLOUD_FOLDER: &str = "/etc/cloud/cloud.cfg.d";
const CLOUD_FILE: &str = "/etc/cloud/cloud.cfg.d/99-homeprov.cfg";
const HOSTS_BEGIN: &str = "# homeprov: the nodes";
const HOSTS_END: &str = "# homeprov: end";

/// Where the data store is saved before an upgrade.
fn saved_at(shell: &Shell) -> String {
    format!("/var/lib/homeprov/datastore-before-{}", shell.inventory.cluster.channel.replace('/', "-"))
}

async fn saved(shell: &Shell) -> i32 {
    let tracks = shell.machine(|machine| machine.snapd.snaps.get("microk8s").map(|snap| snap.tracking.clone()));
    if tracks.as_ref() == Some(&shell.inventory.cluster.channel) || shell.exists(&format!("{}.tar.gz", saved_at(shell)))
    {
        return 0;
    }
    shell.differs("its data store is to be saved first")
}

async fn save(shell: &Shell) -> i32 {
    // What `dbctl` reads is the API server's data store.
    let (status, _) = shell.ask(&["/snap/bin/microk8s", "kubectl", "get", "nodes"]).await;
    if status == 0 {
        shell.write(&format!("{}.tar.gz", saved_at(shell)), "the data store");
    }
    status
}

async fn no_microk8s(shell: &Shell) -> i32 {
    if shell.machine(Machine::has_microk8s) { shell.differs("MicroK8s is installed, with all its data") } else { 0 }
}

async fn purge(shell: &Shell) -> i32 {
    shell.run(&["/usr/bin/snap", "remove", "--purge", "microk8s"]).await
}

async fn no_record(shell: &Shell) -> i32 {
    if shell.exists("/var/lib/homeprov/identity") { shell.differs("it has the cluster on record") } else { 0 }
}

async fn remove_record(shell: &Shell) -> i32 {
    shell.remove("/var/lib/homeprov/identity");
    0
}

async fn cloud_init(shell: &Shell) -> i32 {
    let done = shell.exists("/run/cloud-init/result.json")
        || shell.exists("/etc/cloud/cloud-init.disabled")
        || !shell.exists("/run/cloud-init");
    if done { 0 } else { shell.differs("cloud-init still works on it; `cloud-init status --long` there shows on what") }
}

async fn dpkg(shell: &Shell) -> i32 {
    let left = shell.machine(|machine| machine.files().list("/var/lib/dpkg/updates"));
    if left.is_empty() { 0 } else { shell.differs("dpkg works, or was cut off") }
}

async fn complete_packages(shell: &Shell) -> i32 {
    shell.run(&["dpkg", "--force-confdef", "--force-confold", "--configure", "-a"]).await
}

async fn packages(shell: &Shell) -> i32 {
    let mut missing = String::new();
    for package in PACKAGES {
        let (_, status) = shell.ask(&["dpkg-query", "-W", "-f=${db:Status-Status}", package]).await;
        if status != "installed" {
            missing = format!("{missing} {package}");
        }
    }
    if missing.is_empty() { 0 } else { shell.differs(format!("not installed:{missing}")) }
}

async fn install_packages(shell: &Shell) -> i32 {
    let install: Vec<&str> =
        APT.into_iter().chain(["install", "-y", "--no-install-recommends"]).chain(PACKAGES).collect();
    let update: Vec<&str> = APT.into_iter().chain(["update"]).collect();
    shell.all(&[&update, &install]).await
}

async fn host_name(shell: &Shell) -> i32 {
    let (name, is) = (shell.node().name.clone(), shell.machine(|machine| machine.hostname.clone()));
    let file = shell.read("/etc/hostname").unwrap_or_default();
    if is == name && file.trim_end() == name { 0 } else { shell.differs(format!("it is {is}")) }
}

async fn set_host_name(shell: &Shell) -> i32 {
    shell.run(&["hostnamectl", "set-hostname", &shell.node().name]).await
}

fn peers(shell: &Shell) -> Vec<String> {
    shell.inventory.nodes.iter().map(|node| format!("{} {}", node.address, node.name)).collect()
}

/// The lines of a text that homeprov wrote, with their marks, and the others.
fn marked(text: &str) -> (Vec<String>, Vec<String>) {
    let mut ours = false;
    let (mut own, mut others) = (Vec::new(), Vec::new());
    for line in text.lines() {
        ours |= line.starts_with(HOSTS_BEGIN);
        if ours {
            own.push(line.to_owned());
        } else {
            others.push(line.to_owned());
        }
        ours &= !line.starts_with(HOSTS_END);
    }
    (own, others)
}

async fn hosts(shell: &Shell) -> i32 {
    let (own, _) = marked(&shell.read("/etc/hosts").unwrap_or_default());
    let found: Vec<String> = own.into_iter().filter(|line| !line.starts_with('#')).collect();
    if found != peers(shell) {
        return shell.differs("/etc/hosts does not list the nodes as the inventory does");
    }
    if shell.exists(CLOUD_FOLDER) && !shell.has_line(CLOUD_FILE, "manage_etc_hosts: false") {
        return shell.differs("cloud-init would rewrite /etc/hosts");
    }
    0
}

async fn write_hosts(shell: &Shell) -> i32 {
    if shell.exists(CLOUD_FOLDER) {
        shell.write(CLOUD_FILE, "manage_etc_hosts: false\n");
    }
    let (_, mut lines) = marked(&shell.read("/etc/hosts").unwrap_or_default());
    lines.push(format!("{HOSTS_BEGIN} of the cluster; written by homeprov"));
    lines.extend(peers(shell));
    lines.push(HOSTS_END.to_owned());
    shell.write("/etc/hosts", &(lines.join("\n") + "\n"));
    0
}

async fn modules(shell: &Shell) -> i32 {
    for module in MODULES {
        if !shell.machine(|machine| machine.modules.contains(module)) {
            return shell.differs(format!("{module} is not loaded"));
        }
        if !shell.has_line(MODULES_FILE, module) {
            return shell.differs(format!("{module} is not loaded at boot"));
        }
    }
    0
}

async fn load_modules(shell: &Shell) -> i32 {
    shell.write(MODULES_FILE, &(MODULES.join("\n") + "\n"));
    let commands: Vec<[&str; 2]> = MODULES.iter().map(|module| ["modprobe", module]).collect();
    let commands: Vec<&[&str]> = commands.iter().map(<[&str; 2]>::as_slice).collect();
    shell.all(&commands).await
}

async fn sysctls(shell: &Shell) -> i32 {
    for (key, wanted) in SYSCTLS {
        let (_, is) = shell.ask(&["sysctl", "-n", key]).await;
        if is.trim().parse::<u64>().is_ok_and(|is| is < wanted) {
            return shell.differs(format!("{key} is {}, wanted {wanted}", is.trim()));
        }
        if !shell.has_line(SYSCTLS_FILE, &format!("{key}={wanted}")) {
            return shell.differs(format!("{key} is not kept at boot"));
        }
    }
    0
}

async fn set_sysctls(shell: &Shell) -> i32 {
    let lines: Vec<String> = SYSCTLS.iter().map(|(key, wanted)| format!("{key}={wanted}\n")).collect();
    shell.write(SYSCTLS_FILE, &lines.concat());
    shell.run(&["sysctl", "-q", "-p", SYSCTLS_FILE]).await
}

const SEARCH_FILE: &str = "/etc/sysctl.d/91-homeprov-search.conf";
const SEARCH: u64 = 262_144;

async fn enough_for_search(shell: &Shell) -> bool {
    let (_, is) = shell.ask(&["sysctl", "-n", "vm.max_map_count"]).await;
    is.trim().parse::<u64>().is_ok_and(|is| is >= SEARCH)
}

async fn search(shell: &Shell) -> i32 {
    if !enough_for_search(shell).await {
        return shell.differs(format!("vm.max_map_count is not {SEARCH}"));
    }
    if !shell.has_line(SEARCH_FILE, &format!("vm.max_map_count={SEARCH}")) {
        return shell.differs("vm.max_map_count is not kept at boot");
    }
    0
}

async fn allow_search(shell: &Shell) -> i32 {
    shell.write(SEARCH_FILE, &format!("vm.max_map_count={SEARCH}\n"));
    if enough_for_search(shell).await { 0 } else { shell.run(&["sysctl", "-q", "-p", SEARCH_FILE]).await }
}

async fn time(shell: &Shell) -> i32 {
    let (_, ntp) = shell.ask(&["timedatectl", "show", "-p", "NTP", "--value"]).await;
    if ntp.trim() == "yes" {
        return 0;
    }
    for unit in ["chrony", "chronyd", "ntp", "ntpsec"] {
        if shell.ask(&["systemctl", "is-active", "--quiet", unit]).await.0 == 0 {
            return 0;
        }
    }
    shell.differs("no time service runs")
}

async fn synchronise_time(shell: &Shell) -> i32 {
    const SET: [&str; 3] = ["timedatectl", "set-ntp", "true"];
    if shell.ask(&SET).await.0 == 0 {
        return 0;
    }
    let install: Vec<&str> =
        "apt-get -o DPkg::Lock::Timeout=300 -q install -y --no-install-recommends systemd-timesyncd"
            .split(' ')
            .collect();
    shell.all(&[&install, &SET]).await
}

const SEEDED: [&str; 4] = ["/usr/bin/snap", "wait", "system", "seed.loaded"];

async fn snapd(shell: &Shell) -> i32 {
    if shell.machine(homeprov_lab::world::Machine::has_microk8s) {
        return 0;
    }
    if !shell.machine(|machine| machine.packages.contains_key("snapd")) {
        return shell.differs("snapd does not run");
    }
    match shell.run_for(5, &SEEDED).await {
        0 => 0,
        _ => shell.differs("snapd has not finished its first start"),
    }
}

async fn start_snapd(shell: &Shell) -> i32 {
    match shell.run(&["systemctl", "enable", "--now", "snapd.socket"]).await {
        0 => shell.run_for(300, &SEEDED).await,
        status => status,
    }
}

const PROFILE: &str = "/etc/profile.d/homeprov-snap.sh";

async fn path(shell: &Shell) -> i32 {
    let environment = shell.read("/etc/environment").unwrap_or_default();
    if environment.lines().any(|line| line.starts_with("PATH=") && line.contains("/snap/bin")) {
        return 0;
    }
    let profiles = shell.machine(|machine| machine.files().list("/etc/profile.d"));
    let names_it =
        |name: &String| shell.read(&format!("/etc/profile.d/{name}")).is_some_and(|t| t.contains("/snap/bin"));
    i32::from(!profiles.iter().any(names_it))
}

async fn write_path(shell: &Shell) -> i32 {
    shell.write(PROFILE, "case \":$PATH:\" in *:/snap/bin:*) ;; *) PATH=$PATH:/snap/bin ;; esac\n");
    0
}

async fn group(shell: &Shell) -> i32 {
    let groups = shell.read("/etc/group").unwrap_or_default();
    let line = groups.lines().find(|line| line.starts_with("microk8s:")).unwrap_or_default();
    let members = line.rsplit(':').next().unwrap_or_default();
    if members.split(',').any(|member| member == shell.login) {
        return 0;
    }
    shell.differs(format!("{} is not in the group microk8s", shell.login))
}

async fn add_to_group(shell: &Shell) -> i32 {
    shell.run(&["usermod", "-a", "-G", "microk8s", &shell.login]).await
}

const APT: [&str; 4] = ["apt-get", "-o", "DPkg::Lock::Timeout=300", "-q"];
const ISCSI_FILE: &str = "/etc/modules-load.d/homeprov-iscsi.conf";
const NFS_FILE: &str = "/etc/modules-load.d/homeprov-nfs.conf";
const MULTIPATH_FILE: &str = "/etc/multipath/conf.d/homeprov.conf";

async fn has_iscsi(shell: &Shell) -> bool {
    shell.ask(&["dpkg-query", "-W", "-f=${db:Status-Status}", "open-iscsi"]).await.1 == "installed"
}

/// What is wrong with a module, loaded now and at boot.
fn module(shell: &Shell, module: &str, file: &str) -> i32 {
    if !shell.machine(|machine| machine.modules.contains(module)) {
        return shell.differs(format!("{module} is not loaded"));
    }
    if shell.has_line(file, module) { 0 } else { shell.differs(format!("{module} is not loaded at boot")) }
}

async fn install(shell: &Shell, package: &str) -> i32 {
    let install: Vec<&str> = APT.into_iter().chain(["install", "-y", "--no-install-recommends", package]).collect();
    let update: Vec<&str> = APT.into_iter().chain(["update"]).collect();
    shell.all(&[&update, &install]).await
}

async fn load(shell: &Shell, module: &str, file: &str) -> i32 {
    shell.write(file, &format!("{module}\n"));
    shell.run(&["modprobe", module]).await
}

async fn iscsi(shell: &Shell) -> i32 {
    if !has_iscsi(shell).await {
        return shell.differs("open-iscsi is not installed");
    }
    module(shell, "iscsi_tcp", ISCSI_FILE)
}

async fn install_iscsi(shell: &Shell) -> i32 {
    if !has_iscsi(shell).await {
        let status = install(shell, "open-iscsi").await;
        if status != 0 {
            return status;
        }
    }
    load(shell, "iscsi_tcp", ISCSI_FILE).await
}

async fn iscsid(shell: &Shell) -> i32 {
    let (_, state) = shell.ask(&["systemctl", "is-enabled", "iscsid"]).await;
    if !["enabled", "enabled-runtime"].contains(&state.trim()) {
        return shell.differs("iscsid is not enabled");
    }
    match shell.ask(&["systemctl", "is-active", "--quiet", "iscsid"]).await.0 {
        0 => 0,
        _ => shell.differs("iscsid does not run"),
    }
}

async fn start_iscsid(shell: &Shell) -> i32 {
    let (_, state) = shell.ask(&["systemctl", "is-enabled", "iscsid"]).await;
    if state.starts_with("masked") {
        let status = shell.run(&["systemctl", "unmask", "iscsid"]).await;
        if status != 0 {
            return status;
        }
    }
    shell.run(&["systemctl", "enable", "--now", "iscsid"]).await
}

async fn multipath(shell: &Shell) -> i32 {
    let there = shell.machine(|machine| machine.packages.contains_key("multipath-tools"));
    let spared = shell.read(MULTIPATH_FILE).is_some_and(|text| text.contains("\t\tvendor \"CLOUDBYT\""));
    if !there || spared { 0 } else { shell.differs("multipathd may take the disks of volumes") }
}

async fn spare_volumes(shell: &Shell) -> i32 {
    let device = "\tdevice {\n\t\tvendor \"CLOUDBYT\"\n\t\tproduct \"OPENEBS\"\n\t}\n";
    shell.write(MULTIPATH_FILE, &format!("blacklist {{\n{device}}}\n"));
    if shell.ask(&["systemctl", "is-active", "--quiet", "multipathd"]).await.0 != 0 {
        return 0;
    }
    shell.run(&["systemctl", "reload", "multipathd"]).await
}

async fn nfs(shell: &Shell) -> i32 {
    if !shell.exists("/sbin/mount.nfs") {
        return shell.differs("nfs-common is not installed");
    }
    module(shell, "nfsd", NFS_FILE)
}

async fn install_nfs(shell: &Shell) -> i32 {
    if !shell.exists("/sbin/mount.nfs") {
        let status = install(shell, "nfs-common").await;
        if status != 0 {
            return status;
        }
    }
    load(shell, "nfsd", NFS_FILE).await
}

async fn community(shell: &Shell) -> i32 {
    if shell.exists("/var/snap/microk8s/common/addons/community/addons.yaml") {
        return 0;
    }
    shell.differs("there is no repository community")
}

async fn add_community(shell: &Shell) -> i32 {
    shell.run(&["/snap/bin/microk8s", "enable", "community"]).await
}

/// The recipe's script steps, each with whether it has an `apply`.
fn script_steps(recipe: &Recipe) -> Vec<(String, bool)> {
    let steps = recipe.steps.iter().filter_map(|step| match &step.action {
        Action::Script { apply, .. } => Some((step.id.clone(), apply.is_some())),
        Action::Builtin(_) => None,
    });
    steps.collect()
}

#[test]
fn every_script_step_of_the_playbooks_has_its_row() {
    let rows: Vec<(String, bool)> = ROWS.iter().map(|row| (row.step.to_owned(), row.apply.is_some())).collect();
    let mut steps = script_steps(&super::session::recipe());
    let builtins: Vec<&str> = homeprov::steps::names().collect();
    for command in homeprov::playbook::COMMANDS {
        let recipe = homeprov::playbook::load_embedded_of(command, &builtins).expect("the steps are valid");
        assert!(!recipe.steps.is_empty(), "{command}");
        steps.extend(script_steps(&recipe));
    }
    assert_eq!(rows, steps);
}

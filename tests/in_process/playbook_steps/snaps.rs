//! snapd, MicroK8s as a snap, and what its users need.

use homeprov_lab::world::Machine;

use crate::shell::Shell;

const SEEDED: [&str; 4] = ["/usr/bin/snap", "wait", "system", "seed.loaded"];
const PROFILE: &str = "/etc/profile.d/homeprov-snap.sh";

pub async fn snapd(shell: &Shell) -> i32 {
    if shell.machine(Machine::has_microk8s) {
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

pub async fn start_snapd(shell: &Shell) -> i32 {
    match shell.run(&["systemctl", "enable", "--now", "snapd.socket"]).await {
        0 => shell.run_for(300, &SEEDED).await,
        status => status,
    }
}

pub async fn path(shell: &Shell) -> i32 {
    let environment = shell.read("/etc/environment").unwrap_or_default();
    if environment.lines().any(|line| line.starts_with("PATH=") && line.contains("/snap/bin")) {
        return 0;
    }
    let profiles = shell.machine(|machine| machine.files().list("/etc/profile.d"));
    let names_it =
        |name: &String| shell.read(&format!("/etc/profile.d/{name}")).is_some_and(|t| t.contains("/snap/bin"));
    i32::from(!profiles.iter().any(names_it))
}

pub async fn write_path(shell: &Shell) -> i32 {
    shell.write(PROFILE, "case \":$PATH:\" in *:/snap/bin:*) ;; *) PATH=$PATH:/snap/bin ;; esac\n");
    0
}

pub async fn group(shell: &Shell) -> i32 {
    let groups = shell.read("/etc/group").unwrap_or_default();
    let line = groups.lines().find(|line| line.starts_with("microk8s:")).unwrap_or_default();
    let members = line.rsplit(':').next().unwrap_or_default();
    if members.split(',').any(|member| member == shell.login) {
        return 0;
    }
    shell.differs(format!("{} is not in the group microk8s", shell.login))
}

pub async fn add_to_group(shell: &Shell) -> i32 {
    shell.run(&["usermod", "-a", "-G", "microk8s", &shell.login]).await
}

pub async fn community(shell: &Shell) -> i32 {
    if shell.exists("/var/snap/microk8s/common/addons/community/addons.yaml") {
        return 0;
    }
    shell.differs("there is no repository community")
}

pub async fn add_community(shell: &Shell) -> i32 {
    shell.run(&["/snap/bin/microk8s", "enable", "community"]).await
}

/// Where the data store is saved before an upgrade.
fn saved_at(shell: &Shell) -> String {
    format!("/var/lib/homeprov/datastore-before-{}", shell.inventory.cluster.channel.replace('/', "-"))
}

pub async fn saved(shell: &Shell) -> i32 {
    let tracks = shell.machine(|machine| machine.snapd.snaps.get("microk8s").map(|snap| snap.tracking.clone()));
    if tracks.as_ref() == Some(&shell.inventory.cluster.channel) || shell.exists(&format!("{}.tar.gz", saved_at(shell)))
    {
        return 0;
    }
    shell.differs("its data store is to be saved first")
}

pub async fn save(shell: &Shell) -> i32 {
    // What `dbctl` reads is the API server's data store.
    let (status, _) = shell.ask(&["/snap/bin/microk8s", "kubectl", "get", "nodes"]).await;
    if status == 0 {
        shell.write(&format!("{}.tar.gz", saved_at(shell)), "the data store");
    }
    status
}

pub async fn no_microk8s(shell: &Shell) -> i32 {
    if shell.machine(Machine::has_microk8s) { shell.differs("MicroK8s is installed, with all its data") } else { 0 }
}

pub async fn purge(shell: &Shell) -> i32 {
    shell.run(&["/usr/bin/snap", "remove", "--purge", "microk8s"]).await
}

pub async fn no_record(shell: &Shell) -> i32 {
    if shell.exists("/var/lib/homeprov/identity") { shell.differs("it has the cluster on record") } else { 0 }
}

pub async fn remove_record(shell: &Shell) -> i32 {
    shell.remove("/var/lib/homeprov/identity");
    0
}

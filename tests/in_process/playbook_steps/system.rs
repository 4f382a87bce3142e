//! The machine itself: names, kernel, clock.

use crate::shell::Shell;

const MODULES: [&str; 4] = ["overlay", "br_netfilter", "nf_conntrack", "vxlan"];
const MODULES_FILE: &str = "/etc/modules-load.d/homeprov.conf";
const SYSCTLS: [(&str, u64); 2] = [("fs.inotify.max_user_instances", 1024), ("fs.inotify.max_user_watches", 1_048_576)];
const SYSCTLS_FILE: &str = "/etc/sysctl.d/90-homeprov.conf";
const CLOUD_FOLDER: &str = "/etc/cloud/cloud.cfg.d";
const CLOUD_FILE: &str = "/etc/cloud/cloud.cfg.d/99-homeprov.cfg";
const HOSTS_BEGIN: &str = "# homeprov: the nodes";
const HOSTS_END: &str = "# homeprov: end";
const SEARCH_FILE: &str = "/etc/sysctl.d/91-homeprov-search.conf";
const SEARCH: u64 = 262_144;

pub async fn host_name(shell: &Shell) -> i32 {
    let (name, is) = (shell.node().name.clone(), shell.machine(|machine| machine.hostname.clone()));
    let file = shell.read("/etc/hostname").unwrap_or_default();
    if is == name && file.trim_end() == name { 0 } else { shell.differs(format!("it is {is}")) }
}

pub async fn set_host_name(shell: &Shell) -> i32 {
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

pub async fn hosts(shell: &Shell) -> i32 {
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

pub async fn write_hosts(shell: &Shell) -> i32 {
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

pub async fn modules(shell: &Shell) -> i32 {
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

pub async fn load_modules(shell: &Shell) -> i32 {
    shell.write(MODULES_FILE, &(MODULES.join("\n") + "\n"));
    let commands: Vec<[&str; 2]> = MODULES.iter().map(|module| ["modprobe", module]).collect();
    let commands: Vec<&[&str]> = commands.iter().map(<[&str; 2]>::as_slice).collect();
    shell.all(&commands).await
}

pub async fn sysctls(shell: &Shell) -> i32 {
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

pub async fn set_sysctls(shell: &Shell) -> i32 {
    let lines: Vec<String> = SYSCTLS.iter().map(|(key, wanted)| format!("{key}={wanted}\n")).collect();
    shell.write(SYSCTLS_FILE, &lines.concat());
    shell.run(&["sysctl", "-q", "-p", SYSCTLS_FILE]).await
}

async fn enough_for_search(shell: &Shell) -> bool {
    let (_, is) = shell.ask(&["sysctl", "-n", "vm.max_map_count"]).await;
    is.trim().parse::<u64>().is_ok_and(|is| is >= SEARCH)
}

pub async fn search(shell: &Shell) -> i32 {
    if !enough_for_search(shell).await {
        return shell.differs(format!("vm.max_map_count is not {SEARCH}"));
    }
    if !shell.has_line(SEARCH_FILE, &format!("vm.max_map_count={SEARCH}")) {
        return shell.differs("vm.max_map_count is not kept at boot");
    }
    0
}

pub async fn allow_search(shell: &Shell) -> i32 {
    shell.write(SEARCH_FILE, &format!("vm.max_map_count={SEARCH}\n"));
    if enough_for_search(shell).await { 0 } else { shell.run(&["sysctl", "-q", "-p", SEARCH_FILE]).await }
}

pub async fn time(shell: &Shell) -> i32 {
    let (_, ntp) = shell.ask(&["timedatectl", "show", "-p", "NTP", "--value"]).await;
    if ntp.trim() == "yes" {
        return 0;
    }
    for unit in ["chrony", "chronyd", "ntp", "ntpsec"] {
        if shell.ask(&["systemctl", "is-active", "--quiet", unit]).await.0 == 0 {
            return 0;
        }
    }
    if ntp.trim().is_empty() && shell.ask(&["systemctl", "is-active", "--quiet", "systemd-timesyncd"]).await.0 == 0 {
        return 0;
    }
    shell.differs("no time service runs")
}

pub async fn synchronise_time(shell: &Shell) -> i32 {
    const SET: [&str; 3] = ["timedatectl", "set-ntp", "true"];
    if shell.ask(&SET).await.0 == 0 {
        return 0;
    }
    let install: Vec<&str> =
        "apt-get -o DPkg::Lock::Timeout=300 -q install -y --no-install-recommends systemd-timesyncd"
            .split(' ')
            .collect();
    match shell.run(&install).await {
        0 if shell.ask(&SET).await.0 == 0 => 0,
        0 => shell.run(&["systemctl", "enable", "--now", "systemd-timesyncd"]).await,
        failed => failed,
    }
}

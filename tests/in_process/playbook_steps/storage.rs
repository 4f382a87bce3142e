//! What volumes need of a machine.

use super::packages::install;
use crate::shell::Shell;

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

async fn load(shell: &Shell, module: &str, file: &str) -> i32 {
    shell.write(file, &format!("{module}\n"));
    shell.run(&["modprobe", module]).await
}

pub async fn iscsi(shell: &Shell) -> i32 {
    if !has_iscsi(shell).await {
        return shell.differs("open-iscsi is not installed");
    }
    module(shell, "iscsi_tcp", ISCSI_FILE)
}

pub async fn install_iscsi(shell: &Shell) -> i32 {
    if !has_iscsi(shell).await {
        let status = install(shell, &["open-iscsi"]).await;
        if status != 0 {
            return status;
        }
    }
    load(shell, "iscsi_tcp", ISCSI_FILE).await
}

pub async fn iscsid(shell: &Shell) -> i32 {
    let (_, state) = shell.ask(&["systemctl", "is-enabled", "iscsid"]).await;
    if !["enabled", "enabled-runtime"].contains(&state.trim()) {
        return shell.differs("iscsid is not enabled");
    }
    match shell.ask(&["systemctl", "is-active", "--quiet", "iscsid"]).await.0 {
        0 => 0,
        _ => shell.differs("iscsid does not run"),
    }
}

pub async fn start_iscsid(shell: &Shell) -> i32 {
    let (_, state) = shell.ask(&["systemctl", "is-enabled", "iscsid"]).await;
    if state.starts_with("masked") {
        let status = shell.run(&["systemctl", "unmask", "iscsid"]).await;
        if status != 0 {
            return status;
        }
    }
    shell.run(&["systemctl", "enable", "--now", "iscsid"]).await
}

pub async fn multipath(shell: &Shell) -> i32 {
    let there = shell.machine(|machine| machine.packages.contains_key("multipath-tools"));
    let spared = shell.read(MULTIPATH_FILE).is_some_and(|text| text.contains("\t\tvendor \"CLOUDBYT\""));
    if !there || spared { 0 } else { shell.differs("multipathd may take the disks of volumes") }
}

pub async fn spare_volumes(shell: &Shell) -> i32 {
    let device = "\tdevice {\n\t\tvendor \"CLOUDBYT\"\n\t\tproduct \"OPENEBS\"\n\t}\n";
    shell.write(MULTIPATH_FILE, &format!("blacklist {{\n{device}}}\n"));
    if shell.ask(&["systemctl", "is-active", "--quiet", "multipathd"]).await.0 != 0 {
        return 0;
    }
    shell.run(&["systemctl", "reload", "multipathd"]).await
}

pub async fn nfs(shell: &Shell) -> i32 {
    if !shell.exists("/sbin/mount.nfs") {
        return shell.differs("nfs-common is not installed");
    }
    module(shell, "nfsd", NFS_FILE)
}

pub async fn install_nfs(shell: &Shell) -> i32 {
    if !shell.exists("/sbin/mount.nfs") {
        let status = install(shell, &["nfs-common"]).await;
        if status != 0 {
            return status;
        }
    }
    load(shell, "nfsd", NFS_FILE).await
}

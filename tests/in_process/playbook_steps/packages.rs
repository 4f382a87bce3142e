//! What runs before packages can be installed, and the packages.

use crate::shell::Shell;

const APT: [&str; 4] = ["apt-get", "-o", "DPkg::Lock::Timeout=300", "-q"];
const PACKAGES: [&str; 4] = ["snapd", "sudo", "iputils-arping", "ca-certificates"];

pub async fn cloud_init(shell: &Shell) -> i32 {
    let done = shell.exists("/run/cloud-init/result.json")
        || shell.exists("/etc/cloud/cloud-init.disabled")
        || !shell.exists("/run/cloud-init");
    if done { 0 } else { shell.differs("cloud-init still works on it; `cloud-init status --long` there shows on what") }
}

pub async fn dpkg(shell: &Shell) -> i32 {
    let left = shell.machine(|machine| machine.files().list("/var/lib/dpkg/updates"));
    if left.is_empty() { 0 } else { shell.differs("dpkg works, or was cut off") }
}

pub async fn complete_packages(shell: &Shell) -> i32 {
    shell.run(&["dpkg", "--force-confdef", "--force-confold", "--configure", "-a"]).await
}

pub async fn packages(shell: &Shell) -> i32 {
    let mut missing = String::new();
    for package in PACKAGES {
        let (_, status) = shell.ask(&["dpkg-query", "-W", "-f=${db:Status-Status}", package]).await;
        if status != "installed" {
            missing = format!("{missing} {package}");
        }
    }
    if missing.is_empty() { 0 } else { shell.differs(format!("not installed:{missing}")) }
}

pub async fn install_packages(shell: &Shell) -> i32 {
    install(shell, &PACKAGES).await
}

/// Installs packages, with fresh lists.
pub async fn install(shell: &Shell, packages: &[&str]) -> i32 {
    let install = APT.iter().chain(&["install", "-y", "--no-install-recommends"]).chain(packages);
    let install: Vec<&str> = install.copied().collect();
    let update: Vec<&str> = APT.into_iter().chain(["update"]).collect();
    shell.all(&[&update, &install]).await
}

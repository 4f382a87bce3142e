//! What the lab needs of the machine it runs on.

use std::path::Path;

use anyhow::{Result, bail};

use super::arguments::{Login, Run, Storage, Switch};

const PLACES: [&str; 6] = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// Refuses with everything that is missing and the command that mends it.
pub fn check(run: &Run) -> Result<()> {
    if !nix::unistd::geteuid().is_root() {
        bail!("the lab makes network and mount namespaces, which takes root: run it with sudo");
    }
    if run.mastodon == Switch::On && run.storage == Storage::None {
        bail!("Mastodon keeps its data on volumes: --mastodon on needs --storage, for instance --storage jiva");
    }
    let mut needed = vec![
        ("git", "git"),
        ("sshd", "openssh-server"),
        ("ssh", "openssh-client"),
        ("ssh-keygen", "openssh-client"),
        ("ip", "iproute2"),
        ("unshare", "util-linux"),
        ("nsenter", "util-linux"),
        ("arping", "iputils-arping"),
    ];
    if run.login != Login::Root {
        needed.push(("sudo", "sudo"));
    }
    let missing: Vec<_> = needed.into_iter().filter(|(program, _)| !is_there(program)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let mut packages: Vec<&str> = missing.iter().map(|(_, package)| *package).collect();
    packages.dedup();
    let programs: Vec<&str> = missing.iter().map(|(program, _)| *program).collect();
    bail!("missing: {}; install them: apt-get install {}", programs.join(", "), packages.join(" "));
}

fn is_there(program: &str) -> bool {
    PLACES.iter().any(|place| Path::new(place).join(program).exists())
}

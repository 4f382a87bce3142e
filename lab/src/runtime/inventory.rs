//! The inventory the lab writes for the command it runs.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::ValueEnum as _;

use super::arguments::{Login, Run, Storage, Switch};
use super::disk::USER;
use super::node::Node;
use super::{BASE, CONTROLLER, git};
use crate::kubernetes::flux::manifest;

/// The pool of the ready inventory.
const POOL: &str = "10.77.0.200-10.77.0.210";

/// Writes inventory and known hosts; returns the inventory's path. `ports` are the relays' ports, when there are any;
/// `wrong_key` is the node whose known host key is another one.
pub fn write(run: &Run, nodes: &[Node], ports: &[u16], wrong_key: Option<&str>) -> Result<PathBuf> {
    let folder = PathBuf::from(BASE).join("controller");
    fs::create_dir_all(&folder)?;
    let mut known = String::new();
    for (at, node) in nodes.iter().enumerate() {
        let key = if wrong_key == Some(node.name.as_str()) {
            &nodes[(at + 1) % nodes.len()].host_key
        } else {
            &node.host_key
        };
        let host = ports.get(at).map_or(node.address.to_string(), |port| format!("[127.0.0.1]:{port}"));
        writeln!(known, "{host} {key}")?;
    }
    if run.mastodon == Switch::On {
        writeln!(known, "{}", git::Server::known_host()?)?;
    }
    fs::write(folder.join("known_hosts"), known)?;
    let user = if run.login == Login::Root { "root" } else { USER };
    let mut text = format!(
        "[cluster]\nname = \"lab\"\nchannel = \"1.36/stable\"\n\n[ssh]\nuser = \"{user}\"\nidentity = \"{0}/id\"\nknown_hosts = \"{0}/known_hosts\"\n\n",
        folder.display()
    );
    for (at, node) in nodes.iter().enumerate().take(usize::from(run.nodes) + usize::from(run.workers)) {
        let role = if at < usize::from(run.nodes) { "control-plane" } else { "worker" };
        writeln!(text, "[[nodes]]\nname = \"{}\"\naddress = \"{}\"\nrole = \"{role}\"", node.name, node.address)?;
        if let Some(port) = ports.get(at) {
            writeln!(text, "ssh = {{ host = \"127.0.0.1\", port = {port} }}")?;
        }
        text.push('\n');
    }
    writeln!(text, "[metallb]\npool = \"{POOL}\"")?;
    text.push_str(&storage(run));
    if run.mastodon == Switch::On {
        let components = manifest();
        fs::write(folder.join("flux-install.yaml"), &components)?;
        text.push_str(&site(&folder, &sha256(components.as_bytes())));
    }
    if run.nodes == 2 {
        text = text.replace("channel = ", "allow_two_control_planes = true\nchannel = ");
    }
    let path = folder.join("inventory.toml");
    fs::write(&path, text)?;
    Ok(path)
}

/// The table `[storage]`; nothing where nothing is to be said.
fn storage(run: &Run) -> String {
    let mut lines = Vec::new();
    if run.storage != Storage::Default {
        let engine = run.storage.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
        lines.push(format!("engine = \"{engine}\""));
    }
    lines.extend(run.replicas.map(|replicas| format!("replicas = {replicas}")));
    lines.extend(run.rwx.map(|rwx| format!("rwx = {}", rwx == Switch::On)));
    if lines.is_empty() { String::new() } else { format!("\n[storage]\n{}\n", lines.join("\n")) }
}

/// How a user tells git about key and known hosts: the variable `GIT_SSH_COMMAND`.
pub fn git_ssh_command() -> String {
    let folder = PathBuf::from(BASE).join("controller");
    format!("ssh -i {0}/id -o IdentitiesOnly=yes -o UserKnownHostsFile={0}/known_hosts", folder.display())
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    sha2::Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The tables `[flux]` and `[mastodon]`.
fn site(folder: &Path, checksum: &str) -> String {
    format!(
        "\n[flux]\nrepository = \"{}\"\ndeploy_key = \"{}\"\nknown_hosts = \"{2}/known_hosts\"\n\
         components = \"{2}/flux-install.yaml\"\nchecksum = \"{checksum}\"\n\
         author_name = \"homeprov\"\nauthor_email = \"homeprov@lab.example\"\n\n\
         [mastodon]\nlocal_domain = \"lab.example\"\nassets_size = \"1GiB\"\nsystem_size = \"1GiB\"\n\n\
         [mastodon.admin]\nusername = \"alice\"\nemail = \"alice@lab.example\"\n\n\
         [mastodon.postgresql]\nsize = \"1GiB\"\n\n[mastodon.redis]\nsize = \"1GiB\"\n\n\
         [mastodon.smtp]\nserver = \"{CONTROLLER}\"\nport = 465\ntls = true\nverify = false\n",
        git::URL,
        git::deploy_key().display(),
        folder.display(),
    )
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::super::arguments::{Arguments, Command};
    use super::*;

    #[test]
    fn the_storage_table_says_what_was_asked_for() {
        for (line, wanted) in [
            ("", "\n[storage]\nengine = \"none\"\n"),
            ("--storage default", ""),
            ("--storage default --replicas 2", "\n[storage]\nreplicas = 2\n"),
            ("--storage jiva --replicas 3 --rwx off", "\n[storage]\nengine = \"jiva\"\nreplicas = 3\nrwx = false\n"),
            ("--storage existing-class --rwx on", "\n[storage]\nengine = \"existing-class\"\nrwx = true\n"),
        ] {
            let words = ["homeprov-lab", "run"].into_iter().chain(line.split_whitespace()).chain(["--", "true"]);
            let Command::Run(run) = Arguments::try_parse_from(words).unwrap().command else { panic!("no run") };
            assert_eq!(storage(&run), wanted, "{line}");
        }
    }
}

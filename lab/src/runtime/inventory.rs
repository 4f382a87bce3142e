//! The inventory the lab writes for the command it runs.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use anyhow::Result;
use clap::ValueEnum as _;

use super::BASE;
use super::arguments::{Login, Run, Storage, Switch};
use super::disk::USER;
use super::node::Node;

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

//! What ssh is told about a node: one generated `ssh_config` for all, and the node's own arguments.
//!
//! The generated file comes first, so what it says wins (`ssh_config(5)`: the first value is used), then includes
//! the user's file and the system's. A jump host is reached with the same file, so it never asks a question either.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::inventory::model::{Inventory, Node, Ssh, Sudo};

use super::transport::TransportError;

/// How one node is reached: `[ssh]` with the node's overrides applied.
#[derive(Debug, Clone)]
pub(super) struct Target {
    /// The node's name.
    pub node: String,
    /// Its place in the inventory: the short name of its files in the private directory.
    pub index: usize,
    /// What ssh connects to: a name, an address or an alias of the user's configuration.
    pub host: String,
    /// The pinned host key.
    pub pin: Option<String>,
    /// How root's rights are had.
    pub sudo: Sudo,
    /// Whether the inventory names a jump host.
    pub jump: Option<String>,
    user: Option<String>,
    port: Option<u16>,
    identity: Option<PathBuf>,
}

impl Target {
    /// The way to a node of the inventory.
    pub(super) fn new(inventory: &Inventory, index: usize, node: &Node) -> Self {
        let (own, all) = (&node.ssh, &inventory.ssh);
        Self {
            node: node.name.clone(),
            index,
            host: own.host.clone().unwrap_or_else(|| node.address.to_string()),
            pin: node.host_key.clone(),
            sudo: all.sudo,
            jump: own.jump.clone().or_else(|| all.jump.clone()),
            user: own.user.clone().or_else(|| all.user.clone()),
            port: own.port.or(all.port),
            identity: own.identity.clone().or_else(|| all.identity.clone()),
        }
    }

    /// One that stands for itself, without an inventory.
    #[cfg(test)]
    pub(super) fn for_tests(host: &str, port: Option<u16>, sudo: Sudo) -> Self {
        Self {
            node: "nuc1".into(),
            index: 0,
            host: host.into(),
            pin: None,
            sudo,
            jump: None,
            user: None,
            port,
            identity: None,
        }
    }

    /// A jump host on the way to this node: what it takes to look up its key.
    pub(super) fn hop(&self, host: String, port: u16, user: String) -> Self {
        let (user, port) = (Some(user), Some(port));
        let node = format!("the jump host to {}", self.node);
        Self { node, host, pin: None, jump: None, user, port, identity: None, ..self.clone() }
    }

    /// Host and port as shown to people: `10.0.0.11`, `10.0.0.11:2222`.
    pub(super) fn shown(&self) -> String {
        match self.port {
            Some(port) if port != 22 => format!("{}:{port}", self.host),
            _ => self.host.clone(),
        }
    }

    /// The port, when the inventory says one.
    pub(super) fn port(&self) -> Option<u16> {
        self.port
    }

    /// The login, when the inventory says one.
    pub(super) fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// What is wrong with the files named for it on this machine.
    pub(super) fn check(&self) -> Result<(), TransportError> {
        match &self.identity {
            Some(path) if !is_tilde(path) && !path.exists() => Err(TransportError::Local(format!(
                "the identity file {} of {} does not exist",
                path.display(),
                self.node
            ))),
            _ => Ok(()),
        }
    }

    /// The options every ssh program for this node gets, without the destination.
    pub(super) fn arguments(&self, config: &Path) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = vec!["-F".into(), config.into()];
        // A user's settings for interactive work must not reach a connection that is not.
        for option in [
            "RemoteCommand=none",
            "ClearAllForwardings=yes",
            "ForwardAgent=no",
            "ForwardX11=no",
            "PermitLocalCommand=no",
            "Tunnel=no",
            "StrictHostKeyChecking=yes",
        ] {
            arguments.extend(["-o".into(), option.into()]);
        }
        if let Some(port) = self.port {
            arguments.extend(["-p".into(), port.to_string().into()]);
        }
        if let Some(user) = &self.user {
            arguments.extend(["-l".into(), user.into()]);
        }
        if let Some(identity) = &self.identity {
            arguments.extend(["-o".into(), "IdentitiesOnly=yes".into()]);
            arguments.extend(["-i".into(), identity.into()]);
        }
        if let Some(jump) = &self.jump {
            arguments.extend(["-J".into(), jump.into()]);
        }
        arguments
    }

    /// The destination, safe from being read as an option.
    pub(super) fn destination(&self) -> [OsString; 2] {
        ["--".into(), self.host.clone().into()]
    }
}

/// The text of the generated configuration.
pub(super) fn config(ssh: &Ssh, connect_timeout: Duration) -> Result<String, TransportError> {
    let mut text = String::from("Host *\n");
    let seconds = connect_timeout.as_secs().max(1);
    let _ = write!(
        text,
        "  BatchMode yes\n  StrictHostKeyChecking yes\n  CheckHostIP no\n  UpdateHostKeys no\n  \
         ConnectTimeout {seconds}\n  ServerAliveInterval 10\n  ServerAliveCountMax 3\n  LogLevel INFO\n"
    );
    if let Some(file) = &ssh.known_hosts {
        let _ = writeln!(text, "  UserKnownHostsFile {}", quoted(file)?);
    }
    match &ssh.config {
        Some(file) if !is_tilde(file) && !file.exists() => {
            return Err(TransportError::Local(format!("the ssh configuration {} does not exist", file.display())));
        }
        Some(file) => {
            let _ = writeln!(text, "Include {}", quoted(file)?);
        }
        None => text.push_str("Include ~/.ssh/config\n"),
    }
    // `-F` would leave the system's file out.
    text.push_str("Include /etc/ssh/ssh_config\n");
    Ok(text)
}

/// A path as a value in an `ssh_config`: absolute, quoted, without tokens.
fn quoted(path: &Path) -> Result<String, TransportError> {
    let path = if is_tilde(path) {
        path.to_path_buf()
    } else {
        std::path::absolute(path)
            .map_err(|error| TransportError::Local(format!("the path {}: {error}", path.display())))?
    };
    let text = path.to_string_lossy();
    if text.contains(['"', '\n', '%']) {
        return Err(TransportError::Local(format!(
            "ssh cannot be told of the path {text}: it holds a quote, a percent sign or a line break"
        )));
    }
    Ok(format!("\"{text}\""))
}

fn is_tilde(path: &Path) -> bool {
    path.starts_with("~")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_users_file_comes_after_ours() {
        let text = config(&Ssh::default(), Duration::from_secs(10)).unwrap();
        let ours = text.find("StrictHostKeyChecking yes").unwrap();
        assert!(ours < text.find("Include ~/.ssh/config").unwrap());
        assert!(text.contains("ConnectTimeout 10\n"));
    }

    #[test]
    fn a_known_hosts_path_with_a_space_is_quoted() {
        let ssh = Ssh { known_hosts: Some("/home/me/my keys".into()), ..Ssh::default() };
        let text = config(&ssh, Duration::ZERO).unwrap();
        assert!(text.contains("UserKnownHostsFile \"/home/me/my keys\"\n"));
        assert!(text.contains("ConnectTimeout 1\n"));
    }

    #[test]
    fn a_missing_config_file_is_said() {
        let ssh = Ssh { config: Some("/nonexistent/ssh_config".into()), ..Ssh::default() };
        let error = config(&ssh, Duration::ZERO).unwrap_err();
        assert_eq!(error.to_string(), "the ssh configuration /nonexistent/ssh_config does not exist");
    }
}

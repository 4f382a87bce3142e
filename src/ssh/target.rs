//! One machine as ssh sees it: the destination and the options that lead there.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use crate::inventory::model::{Node, Ssh};

/// Which host keys are good.
#[derive(Debug, Clone, Copy)]
pub(super) enum HostKeys<'a> {
    /// Those in the known-hosts files.
    Known,
    /// Those in this file, under this name, and no others.
    Pinned(&'a Path, &'a str),
    /// Any: it is written into this file and the login is not tried. The algorithms offered, or ssh's own.
    Probe(&'a Path, Option<&'a str>),
}

/// A machine to connect to.
#[derive(Debug, Clone)]
pub(super) struct Target {
    /// What ssh is given: an address, a name, an alias of the user's own config.
    pub(super) destination: String,
    user: Option<String>,
    port: Option<u16>,
    identity: Option<PathBuf>,
    config: Option<PathBuf>,
    jump: Option<String>,
    /// The known-hosts file; ssh's own choice when absent.
    pub(super) known_hosts: Option<PathBuf>,
    timeout: Duration,
}

impl Target {
    /// A node of the inventory.
    pub(super) fn new(ssh: &Ssh, node: &Node, timeout: Duration) -> Self {
        let own = &node.ssh;
        Self {
            destination: own.host.clone().unwrap_or_else(|| node.address.to_string()),
            user: own.user.clone().or_else(|| ssh.user.clone()),
            port: own.port.or(ssh.port),
            identity: own.identity.clone().or_else(|| ssh.identity.clone()),
            config: ssh.config.clone(),
            jump: own.jump.clone().or_else(|| ssh.jump.clone()),
            known_hosts: ssh.known_hosts.clone(),
            timeout,
        }
    }

    /// The inventory's jump host on the way to it (of several, the last), as a machine of its own.
    pub(super) fn jump(&self) -> Option<Self> {
        let (before, last) = split_jump(self.jump.as_deref()?);
        Some(Self {
            destination: destination(last),
            user: None,
            port: None,
            identity: None,
            config: self.config.clone(),
            jump: before.map(str::to_owned),
            known_hosts: self.known_hosts.clone(),
            timeout: self.timeout,
        })
    }

    /// The ssh program with everything that leads to this machine but the destination itself, which comes last.
    pub(super) fn arguments(&self, keys: HostKeys<'_>) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = vec!["-T".into(), "-x".into(), "-a".into()];
        for option in [
            "BatchMode=yes",
            "ConnectionAttempts=1",
            // Noticed within about 20 s when the machine or the network goes away without a word.
            "ServerAliveInterval=5",
            "ServerAliveCountMax=3",
            "TCPKeepAlive=yes",
            "CheckHostIP=no",
            "UpdateHostKeys=no",
            "VisualHostKey=no",
            "LogLevel=INFO",
            "PermitLocalCommand=no",
            "RemoteCommand=none",
            // The user's own forwards belong to the user's own connections.
            "ClearAllForwardings=yes",
            "Tunnel=no",
        ] {
            arguments.extend(["-o".into(), option.into()]);
        }
        let seconds = self.timeout.as_secs().max(1);
        arguments.extend(["-o".into(), format!("ConnectTimeout={seconds}").into()]);
        self.add_host_keys(keys, &mut arguments);
        if let Some(config) = &self.config {
            arguments.extend(["-F".into(), config.into()]);
        }
        if let Some(user) = &self.user {
            arguments.extend(["-l".into(), user.into()]);
        }
        if let Some(port) = self.port {
            arguments.extend(["-p".into(), port.to_string().into()]);
        }
        if let Some(identity) = &self.identity {
            arguments.extend(["-o".into(), "IdentitiesOnly=yes".into()]);
            arguments.extend(["-i".into(), escaped(identity.as_os_str())]);
        }
        if let Some(jump) = &self.jump {
            arguments.extend(["-o".into(), self.proxy(jump)]);
        }
        arguments
    }

    fn add_host_keys(&self, keys: HostKeys<'_>, arguments: &mut Vec<OsString>) {
        let mut add = |option: OsString| arguments.extend(["-o".into(), option]);
        match keys {
            HostKeys::Known => {
                add("StrictHostKeyChecking=yes".into());
                if let Some(file) = &self.known_hosts {
                    add(path_option("UserKnownHostsFile", file));
                }
            }
            HostKeys::Pinned(file, name) => {
                add("StrictHostKeyChecking=yes".into());
                add("VerifyHostKeyDNS=no".into());
                add(format!("HostKeyAlias={name}").into());
                add(path_option("UserKnownHostsFile", file));
                add("GlobalKnownHostsFile=/dev/null".into());
            }
            HostKeys::Probe(file, algorithms) => {
                add("StrictHostKeyChecking=accept-new".into());
                add("VerifyHostKeyDNS=no".into());
                add(path_option("UserKnownHostsFile", file));
                add("GlobalKnownHostsFile=/dev/null".into());
                add("PreferredAuthentications=none".into());
                add("ControlPath=none".into());
                if let Some(algorithms) = algorithms {
                    add(format!("HostKeyAlgorithms={algorithms}").into());
                }
            }
        }
    }

    /// What `-J` does, with our options for the jump host as well: `-J` alone would let it ask questions on the
    /// terminal and look into another known-hosts file.
    fn proxy(&self, jump: &str) -> OsString {
        let (before, last) = split_jump(jump);
        let mut words = vec!["ssh".to_owned()];
        let mut option = |name: &str, value: &str| {
            words.extend(["-o".to_owned(), format!("{name}={value}")]);
        };
        option("BatchMode", "yes");
        option("StrictHostKeyChecking", "yes");
        option("ClearAllForwardings", "yes");
        option("ConnectTimeout", &self.timeout.as_secs().max(1).to_string());
        if let Some(file) = &self.known_hosts {
            option("UserKnownHostsFile", &quoted(file).to_string_lossy());
        }
        if let Some(config) = &self.config {
            words.extend(["-F".to_owned(), config.to_string_lossy().into_owned()]);
        }
        if let Some(before) = before {
            words.extend(["-J".to_owned(), before.to_owned()]);
        }
        let joined = shlex::try_join(words.iter().map(String::as_str)).unwrap_or_default();
        let last = destination(last);
        let last = shlex::try_quote(&last).unwrap_or_default();
        format!("ProxyCommand={} -W '[%h]:%p' -- {}", joined.replace('%', "%%"), last.replace('%', "%%")).into()
    }
}

/// The ssh program (or one of its companions), never asking anything: neither on a terminal nor in a window.
pub(super) fn program(name: &str) -> tokio::process::Command {
    let mut command = tokio::process::Command::new(name);
    command
        .stdin(Stdio::null())
        .env("LC_ALL", "C")
        .env("SSH_ASKPASS", "/bin/false")
        .env("SSH_ASKPASS_REQUIRE", "force")
        .process_group(0)
        .kill_on_drop(true);
    command
}

/// Hops before the last, and the last.
fn split_jump(jump: &str) -> (Option<&str>, &str) {
    match jump.rsplit_once(',') {
        Some((before, last)) => (Some(before), last),
        None => (None, jump),
    }
}

/// `user@host:port` as the URI that ssh takes for a destination with a port.
fn destination(hop: &str) -> String {
    let hop = hop.trim();
    let host = hop.rsplit_once('@').map_or(hop, |(_, host)| host);
    let with_port = host.rsplit_once(':').is_some_and(|(name, _)| !name.contains(':') || name.ends_with(']'));
    if with_port && !hop.starts_with("ssh://") { format!("ssh://{hop}") } else { hop.to_owned() }
}

fn path_option(name: &str, path: &Path) -> OsString {
    let mut option = OsString::from(name);
    option.push("=");
    option.push(quoted(path));
    option
}

/// ssh splits file lists at spaces and expands percent signs.
fn quoted(path: &Path) -> OsString {
    let mut quoted = OsString::from("\"");
    quoted.push(escaped(path.as_os_str()));
    quoted.push("\"");
    quoted
}

fn escaped(text: &OsStr) -> OsString {
    match text.to_str() {
        Some(text) if text.contains('%') => text.replace('%', "%%").into(),
        _ => text.to_owned(),
    }
}

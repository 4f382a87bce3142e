//! What the user's ssh config makes of a destination (`ssh -G`). Asked only when something went wrong.

use std::path::PathBuf;
use std::time::Duration;

use super::classify::Endpoint;
use super::target::{HostKeys, Target, program};

/// A destination with the config applied.
#[derive(Debug, Clone)]
pub(super) struct Resolved {
    /// Where ssh really goes.
    pub(super) endpoint: Endpoint,
    /// The name its key is kept under in known-hosts files.
    pub(super) key_name: String,
    /// The user's known-hosts files, the one that is written to first.
    pub(super) known_hosts: Vec<PathBuf>,
}

/// Applies the config to a target.
pub(super) async fn resolve(target: &Target) -> Resolved {
    let output =
        program("ssh").arg("-G").args(target.arguments(HostKeys::Known)).arg("--").arg(&target.destination).output();
    // Without an answer (a broken config, `Match exec` that hangs) OpenSSH's defaults are the best guess.
    let text = match tokio::time::timeout(Duration::from_secs(5), output).await {
        Ok(Ok(output)) => String::from_utf8_lossy(&output.stdout).into_owned(),
        _ => String::new(),
    };
    let value =
        |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).map(str::to_owned);
    let host = value("hostname").unwrap_or_else(|| target.destination.clone());
    let port = value("port").and_then(|port| port.parse().ok()).unwrap_or(22);
    let key_name = value("hostkeyalias")
        .unwrap_or_else(|| if port == 22 { host.to_lowercase() } else { format!("[{}]:{port}", host.to_lowercase()) });
    let known_hosts = match &target.known_hosts {
        // One file, whatever its name; ssh has expanded a tilde in it.
        Some(file) => vec![value("userknownhostsfile").map_or_else(|| file.clone(), PathBuf::from)],
        None => value("userknownhostsfile")
            .unwrap_or_default()
            .split_whitespace()
            .filter(|file| *file != "none")
            .map(PathBuf::from)
            .collect(),
    };
    Resolved {
        endpoint: Endpoint { host, user: value("user").unwrap_or_else(|| "the current user".to_owned()), port },
        key_name,
        known_hosts,
    }
}

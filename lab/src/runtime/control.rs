//! What the command inside the lab can ask for: power, cables, faults, a look at everything.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixListener;

use super::arguments::{Command, GitCommand};
use super::homelab::Homelab;
use super::{git, network, snapshot};
use crate::world::Fault;

/// Serves the requests, a line each; the answer is a line of JSON: a text, or what went wrong.
pub fn serve(lab: &Arc<Homelab>, socket: &Path) -> Result<()> {
    let listener = UnixListener::bind(socket)?;
    let lab = Arc::clone(lab);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let lab = Arc::clone(&lab);
            tokio::spawn(async move {
                let (from, mut to) = stream.into_split();
                let mut line = String::new();
                if tokio::io::BufReader::new(from).read_line(&mut line).await.is_ok() {
                    let words: Vec<&str> = line.split_whitespace().collect();
                    let answer = obey(&lab, &words).map_err(|error| format!("{error:#}"));
                    let _ = to.write_all(serde_json::to_string(&answer).unwrap_or_default().as_bytes()).await;
                }
            });
        }
    });
    Ok(())
}

fn obey(lab: &Arc<Homelab>, words: &[&str]) -> Result<String> {
    let known = |name: &str| {
        anyhow::ensure!(lab.nodes().iter().any(|node| node.name == name), "there is no node {name}");
        Ok(())
    };
    match words {
        ["power-off", node] => {
            known(node)?;
            lab.world().power_off(node);
        }
        ["power-on", node] => {
            known(node)?;
            lab.world().power_on(node);
        }
        ["cut", node] => {
            known(node)?;
            lab.world().cut_network(node);
        }
        ["heal", node] => {
            known(node)?;
            lab.world().restore_network(node);
        }
        ["unplug"] => network::controller(false)?,
        ["plug"] => network::controller(true)?,
        ["commands"] => return Ok(lab.commands.listing()),
        ["fault", fault, lasts @ ..] => {
            let fault: Fault = fault.parse().map_err(anyhow::Error::msg)?;
            let lasts = lasts.first().map(|seconds| seconds.parse::<u64>()).transpose()?;
            lab.world().inject(Fault { lasts: lasts.map(|seconds| seconds * 1000), ..fault });
        }
        ["snapshot"] => {
            let changes: Vec<_> = lab.nodes().iter().map(|node| (node.name.clone(), node.disk.changes())).collect();
            return snapshot::listing(&changes);
        }
        ["git-add-key", key @ ..] => git::allow("read", &key.join(" "))?,
        ["describe"] => return Ok(serde_json::to_string_pretty(&lab.world().describe())?),
        _ => bail!("the lab does not know `{}`", words.join(" ")),
    }
    Ok(String::new())
}

/// Asks the lab this process runs in.
pub fn ask(command: &Command) -> Result<()> {
    let request = match command {
        Command::PowerOff { node } => format!("power-off {node}"),
        Command::PowerOn { node } => format!("power-on {node}"),
        Command::Cut { node } => format!("cut {node}"),
        Command::Heal { node } => format!("heal {node}"),
        Command::Unplug => "unplug".to_owned(),
        Command::Plug => "plug".to_owned(),
        Command::Commands => "commands".to_owned(),
        Command::Fault { name, node, lasts } => {
            let node = node.as_ref().map(|node| format!("@{node}")).unwrap_or_default();
            format!("fault {name}{node} {}", lasts.map(|seconds| seconds.to_string()).unwrap_or_default())
        }
        Command::Snapshot { .. } => "snapshot".to_owned(),
        Command::Describe => "describe".to_owned(),
        Command::Git { command: GitCommand::AddKey { file } } => {
            let key = std::fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
            format!("git-add-key {}", key.trim())
        }
        _ => bail!("this is not for the running lab"),
    };
    let socket = std::env::var("LAB_CONTROL")
        .context("this works inside `homeprov-lab run … -- COMMAND` only (LAB_CONTROL is not set)")?;
    let mut stream = std::os::unix::net::UnixStream::connect(socket)?;
    writeln!(stream, "{request}")?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer)?;
    let answer: Result<String, String> = serde_json::from_str(&answer)?;
    let text = answer.map_err(anyhow::Error::msg)?;
    match command {
        Command::Snapshot { file } => std::fs::write(file, text)?,
        _ => print!("{text}"),
    }
    Ok(())
}

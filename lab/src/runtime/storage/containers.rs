//! The containers that run on the nodes, as the lab holds them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{PipeReader, Read as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::NodeHandle;
use super::container_init::ContainerConfig;
use crate::kubernetes::ContainerRun;
use crate::world::ClusterId;

/// The exit status of a container whose image says nothing of what to run.
const NO_PROGRAM: i32 = 127;
/// That of a container that was killed.
const KILLED: i32 = 137;
/// That of a container whose node went down under it (Kubernetes `pkg/kubelet/kuberuntime`, reason `Unknown`).
const UNKNOWN: i32 = 255;

/// Cluster, uid of the pod and name of the container.
pub type Key = (ClusterId, String, String);

/// What a container did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    /// It wrote something to its standard output or error.
    Wrote(Key, Vec<u8>),
    /// It ended with this exit status.
    Ended(Key, i32),
}

/// What the thread that reads from a container tells.
#[derive(Debug)]
enum Heard {
    Bytes(Key, u32, Vec<u8>),
    End(Key, u32, i32),
}

#[derive(Debug)]
struct Running {
    node: String,
    /// The node's first process when it was started.
    node_pid: i32,
    /// The process that waits for it.
    outer: u32,
    /// When it is killed; none while it may go on.
    deadline: Option<Instant>,
}

/// The containers.
#[derive(Debug)]
pub struct Containers {
    program: PathBuf,
    folder: PathBuf,
    speed: u64,
    running: BTreeMap<Key, Running>,
    /// Those whose end nobody has been told of yet.
    ended: BTreeSet<Key>,
    heard: Receiver<Heard>,
    teller: Sender<Heard>,
    reports: Vec<Report>,
}

impl Containers {
    /// No containers. `program` is the lab's own program; a pod's grace passes `speed` times as fast as here.
    pub fn new(program: PathBuf, folder: PathBuf, speed: u64) -> Result<Self> {
        fs::create_dir_all(&folder)?;
        let (teller, heard) = channel();
        let (running, ended, reports) = (BTreeMap::new(), BTreeSet::new(), Vec::new());
        Ok(Self { program, folder, speed: speed.max(1), running, ended, heard, teller, reports })
    }

    /// Waits at most so long until a container does something; true when one did.
    pub fn wait(&mut self, most: Duration, nodes: impl FnOnce() -> Vec<NodeHandle>) -> bool {
        let Ok(first) = self.heard.recv_timeout(most) else { return false };
        let heard: Vec<Heard> = std::iter::once(first).chain(self.heard.try_iter()).collect();
        let nodes = nodes();
        for heard in heard {
            self.hear(heard, &nodes);
        }
        true
    }

    fn hear(&mut self, heard: Heard, nodes: &[NodeHandle]) {
        let (Heard::Bytes(key, outer, _) | Heard::End(key, outer, _), running) = (&heard, &self.running);
        let Some(running) = running.get(key).filter(|running| running.outer == *outer) else { return };
        // What a power cut ended tells nobody.
        if !nodes.iter().any(|node| node.name == running.node && node.pid == running.node_pid) {
            return;
        }
        match heard {
            Heard::Bytes(key, _, bytes) => self.reports.push(Report::Wrote(key, bytes)),
            Heard::End(key, _, status) => {
                self.running.remove(&key);
                self.end(key, status);
            }
        }
    }

    fn end(&mut self, key: Key, status: i32) {
        self.ended.insert(key.clone());
        self.reports.push(Report::Ended(key, status));
    }

    /// What the containers did since this was last asked. Whoever asks for a container after that asks for a new one: it is
    /// restarted.
    pub fn take_reports(&mut self) -> Vec<Report> {
        self.ended.clear();
        std::mem::take(&mut self.reports)
    }

    /// Makes the containers what they should be; `may_start` tells whether all a container needs is there.
    pub fn settle(
        &mut self,
        wanted: &[(ClusterId, &ContainerRun)],
        nodes: &[NodeHandle],
        may_start: impl Fn(&ContainerRun) -> bool,
    ) -> Result<()> {
        let keys: BTreeMap<Key, &ContainerRun> =
            wanted.iter().map(|(id, run)| ((*id, run.uid.clone(), run.container.clone()), *run)).collect();
        let gone: Vec<Key> = self.running.keys().filter(|key| !keys.contains_key(*key)).cloned().collect();
        for key in gone {
            if let Some(running) = self.running.remove(&key) {
                signal(running.outer, Signal::SIGKILL);
            }
        }
        for (key, run) in keys {
            let Some(node) = nodes.iter().find(|node| node.name == run.node && node.on()) else { continue };
            if self.ended.contains(&key) {
                continue;
            }
            match self.running.get_mut(&key) {
                Some(running) if running.node_pid != node.pid => {
                    self.running.remove(&key);
                    self.end(key, UNKNOWN);
                }
                Some(running) if run.ending => running.stop(Duration::from_secs(run.grace_seconds) / speed(self.speed)),
                None if run.ending => self.end(key, KILLED),
                None if may_start(run) => self.start(key, run, node)?,
                Some(_) | None => {}
            }
        }
        Ok(())
    }

    fn start(&mut self, key: Key, run: &ContainerRun, node: &NodeHandle) -> Result<()> {
        let command: Vec<String> = run.command.iter().chain(&run.args).cloned().collect();
        if run.command.is_empty() {
            let said =
                format!("the image {} says nothing of what to run here: give the container a command\n", run.image);
            self.reports.push(Report::Wrote(key.clone(), said.into_bytes()));
            self.end(key, NO_PROGRAM);
            return Ok(());
        }
        let volume = |volume: &crate::kubernetes::ContainerVolume| {
            (volume.host_path.clone(), volume.container_path.clone(), volume.read_only)
        };
        let config = ContainerConfig {
            pid: node.pid,
            hostname: run.pod.chars().take(63).collect(),
            command,
            env: run.env.clone(),
            working_dir: run.working_dir.clone(),
            volumes: run.volumes.iter().map(volume).collect(),
            user: run.user,
        };
        let file = self.folder.join(format!("{}-{}.json", run.uid, run.container));
        fs::write(&file, serde_json::to_string(&config)?)?;
        let (from, to) = std::io::pipe()?;
        let child = Command::new(&self.program)
            .arg("container-init")
            .arg(&file)
            .env_clear()
            .stdin(Stdio::null())
            .stdout(to.try_clone()?)
            .stderr(to)
            .spawn()
            .context("starting a container")?;
        let outer = child.id();
        let (node, node_pid) = (node.name.clone(), node.pid);
        self.running.insert(key.clone(), Running { node, node_pid, outer, deadline: None });
        let teller = self.teller.clone();
        std::thread::spawn(move || listen(&key, child, from, &teller));
        Ok(())
    }
}

fn speed(speed: u64) -> u32 {
    u32::try_from(speed).unwrap_or(u32::MAX)
}

/// Passes on what a container writes, and how it ends.
fn listen(key: &Key, mut child: Child, mut from: PipeReader, teller: &Sender<Heard>) {
    let outer = child.id();
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(count) = from.read(&mut buffer) {
        if count == 0 || teller.send(Heard::Bytes(key.clone(), outer, buffer[..count].to_vec())).is_err() {
            break;
        }
    }
    let status = child.wait().ok();
    let status = status.and_then(|status| status.code().or(status.signal().map(|signal| 128 + signal)));
    let _ = teller.send(Heard::End(key.clone(), outer, status.unwrap_or(KILLED)));
}

impl Running {
    /// Asks it to end, and kills it when its grace is over.
    fn stop(&mut self, grace: Duration) {
        match self.deadline {
            None => {
                if !grace.is_zero() {
                    signal(self.outer, Signal::SIGTERM);
                }
                self.deadline = Some(Instant::now() + grace);
            }
            Some(deadline) if deadline <= Instant::now() => signal(self.outer, Signal::SIGKILL),
            Some(_) => {}
        }
    }
}

/// Sends a signal to a container's first process: the grandchild of the one that waits for it.
fn signal(outer: u32, signal: Signal) {
    let first = child_of(outer).and_then(|shim| child_of(shim.cast_unsigned()));
    // It may not have been started yet; then there is nobody to ask.
    match (first, signal) {
        (Some(first), _) => drop(kill(Pid::from_raw(first), signal)),
        (None, Signal::SIGKILL) => drop(kill(Pid::from_raw(outer.cast_signed()), signal)),
        (None, _) => {}
    }
}

fn child_of(pid: u32) -> Option<i32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    children.split_whitespace().next()?.parse().ok()
}

//! The lab's main process: it builds the homelab, serves the stand-ins and runs the command.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};

use super::arguments::{Login, Run, State, Switch, System};
use super::disk::{Disk, PASSWORD};
use super::disk_files::DiskFiles;
use super::homelab::{Homelab, programs};
use super::node::Node;
use super::wire::{self, Call, kind};
use super::{BASE, INSIDE, control, git, inventory, isolate, mail, network, relay, storage};
use crate::world::{Config, Exec, Fault, FaultKind, Os, World};

/// Runs the lab inside its namespaces; returns the command's exit code.
pub fn main(run: &Run) -> Result<u8> {
    fs::copy("/proc/self/exe", Path::new(BASE).join("stand-in")).context("copying the stand-in")?;
    network::bridge()?;
    let authorized = controller_key()?;
    let faults = faults(run)?;
    let place = |kind: FaultKind| faults.iter().find(|fault| fault.kind == kind);
    let count = run.nodes + run.workers + run.spare;
    let named = |fault: &Fault| fault.machine.clone().unwrap_or(format!("nuc{}", run.nodes + run.workers));
    let noisy = place(FaultKind::NoisyLoginShell).map(named);
    let wrong_key = place(FaultKind::HostKeyChanged).map(named);
    let os = if run.os == System::Debian { Os::Debian12 } else { Os::Ubuntu2404 };
    let mut config = Config::homelab(count, os, jiff::Timestamp::now());
    config.seed = u64::from(std::process::id()) + u64::from(count);
    for spec in &config.nodes {
        Disk::new(&spec.name).format()?;
    }
    config.faults = faults;
    let mut world = World::new(config, |name| Box::new(DiskFiles(Disk::new(name).root())));
    if run.state == State::Cluster {
        world.prepare_cluster(usize::from(run.nodes), usize::from(run.workers));
    }
    let mut nodes = Vec::new();
    for machine in world.machines() {
        anyhow::ensure!(!isolate::interrupted(), "interrupted");
        let disk = Disk::new(machine.name());
        let key = disk.login(run.login, noisy.as_deref() == Some(machine.name()), &authorized)?;
        let mut node = Node::new(machine.name(), machine.spec.address, key, run.speed);
        programs(&node, &world)?;
        skew(&disk, machine.clock_offset)?;
        if machine.powered {
            node.switch_on(machine)?;
        }
        nodes.push(node);
    }
    for node in nodes.iter_mut().filter(|node| node.on()) {
        node.booted()?;
    }
    // What the preparation did to the nodes is done: they start as they are now.
    world.take_notices();
    tokio::runtime::Runtime::new()?.block_on(live(run, world, nodes, noisy, wrong_key, authorized))
}

fn faults(run: &Run) -> Result<Vec<Fault>> {
    run.fault.iter().map(|text| text.parse::<Fault>().map_err(anyhow::Error::msg)).collect()
}

/// The controller's key; returns the public part.
fn controller_key() -> Result<String> {
    let folder = Path::new(BASE).join("controller");
    fs::create_dir_all(&folder)?;
    let key = folder.join("id");
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "controller", "-f"])
        .arg(&key)
        .status()?;
    anyhow::ensure!(made.success(), "ssh-keygen failed");
    fs::write(folder.join("sudo-password"), PASSWORD)?;
    fs::set_permissions(folder.join("sudo-password"), fs::Permissions::from_mode(0o600))?;
    Ok(fs::read_to_string(key.with_extension("pub"))?)
}

/// A clock that is off: this machine's own is never set, so `date` tells another time on that node.
fn skew(disk: &Disk, offset: i64) -> Result<()> {
    if offset == 0 {
        return Ok(());
    }
    let root = disk.root();
    let real = root.join(INSIDE.trim_start_matches('/')).join("date");
    fs::copy(root.join("usr/bin/date"), &real)?;
    let script = format!(
        "#!/bin/sh\n# This node's clock is off by {offset} ms.\nnow=$({INSIDE}/date +%s)\nnano=$({INSIDE}/date +%N)\n\
         exec {INSIDE}/date -d \"@$((now + {})).$nano\" \"$@\"\n",
        offset / 1000
    );
    fs::remove_file(root.join("usr/bin/date"))?;
    fs::write(root.join("usr/bin/date"), script)?;
    Ok(fs::set_permissions(root.join("usr/bin/date"), fs::Permissions::from_mode(0o755))?)
}

async fn live(
    run: &Run,
    world: World,
    nodes: Vec<Node>,
    noisy: Option<String>,
    wrong_key: Option<String>,
    authorized: String,
) -> Result<u8> {
    let mut ports = Vec::new();
    if run.rtt > 0 {
        for node in &nodes {
            ports.push(relay::start((node.address, 22).into(), Duration::from_millis(run.rtt)).await?);
        }
    }
    let mut git = (run.mastodon == Switch::On).then(|| git::Server::new(&authorized)).transpose()?;
    if let Some(server) = &mut git {
        server.keep(world.git_up())?;
    }
    let inventory = inventory::write(run, &nodes, &ports, wrong_key.as_deref())?;
    let roots: Vec<(String, PathBuf)> = nodes.iter().map(|node| (node.name.clone(), node.disk.root())).collect();
    let lab = Homelab::new(world, nodes, run, noisy, authorized, git);
    for (name, root) in roots {
        serve_node(&lab, &name, &root)?;
    }
    let socket = Path::new(BASE).join("control.sock");
    control::serve(&lab, &socket)?;
    mail::serve(&lab)?;
    storage::keep(&lab, run.speed)?;
    let keeping = tokio::spawn(Arc::clone(&lab).keep());
    let status = command(run, &inventory, &socket).await;
    keeping.abort();
    lab.nodes().iter_mut().for_each(Node::cut_power);
    status
}

/// Runs the command with this process' own input and output.
async fn command(run: &Run, inventory: &Path, socket: &Path) -> Result<u8> {
    let home = Path::new(BASE).join("controller/home");
    let temporary = Path::new(BASE).join("tmp");
    fs::create_dir_all(&home)?;
    fs::create_dir_all(&temporary)?;
    let mut command = tokio::process::Command::new(&run.command[0]);
    command
        .args(&run.command[1..])
        .env("LAB_INVENTORY", inventory)
        .env("LAB_CONTROL", socket)
        .env("HOME", &home)
        .env("XDG_STATE_HOME", home.join(".local/state"))
        .env("XDG_RUNTIME_DIR", &home)
        // What is forgotten there goes with the lab.
        .env("TMPDIR", &temporary);
    if run.login == Login::SudoPassword {
        command.env("LAB_SUDO_PASSWORD_FILE", Path::new(BASE).join("controller/sudo-password"));
    }
    if run.mastodon == Switch::On {
        command.env("GIT_SSH_COMMAND", inventory::git_ssh_command());
    }
    anyhow::ensure!(!isolate::interrupted(), "interrupted");
    let status = command.spawn().with_context(|| format!("starting {}", run.command[0]))?.wait().await?;
    let signal = std::os::unix::process::ExitStatusExt::signal(&status);
    let code = status.code().or(signal.map(|signal| 128 + signal)).unwrap_or(1);
    Ok(u8::try_from(code).unwrap_or(1))
}

/// Serves the stand-ins of a node.
fn serve_node(lab: &Arc<Homelab>, name: &str, root: &Path) -> Result<()> {
    let path = root.join(INSIDE.trim_start_matches('/')).join("world.sock");
    let _ = fs::remove_file(&path);
    let listener = UnixListener::bind(&path).with_context(|| format!("listening on {}", path.display()))?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666))?;
    let (lab, name) = (Arc::clone(lab), name.to_owned());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (lab, name) = (Arc::clone(&lab), name.clone());
            tokio::spawn(async move { answer(&lab, &name, stream).await });
        }
    });
    Ok(())
}

/// One call of a stand-in, from its start to its end or the caller's.
async fn answer(lab: &Arc<Homelab>, machine: &str, mut stream: UnixStream) -> Result<()> {
    let length = {
        let mut head = [0; 5];
        stream.read_exact(&mut head).await?;
        u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize
    };
    let mut payload = vec![0; length];
    stream.read_exact(&mut payload).await?;
    let Call { argv, stdin, files, cwd, user, tty } = serde_json::from_slice(&payload)?;
    let _running = lab.commands.begins(machine, &argv);
    let id = lab.world().start(machine, Exec { argv, stdin, files, cwd, user, tty });
    let (mut from, mut to) = stream.into_split();
    let mut byte = [0];
    loop {
        let beat = lab.beat.notified();
        let progress = lab.world().poll(id);
        let mut sent = to
            .write_all(&[wire::frame(kind::OUT, &progress.stdout), wire::frame(kind::ERR, &progress.stderr)].concat())
            .await;
        if let Some(status) = progress.exit {
            to.write_all(&wire::frame(kind::EXIT, status.to_string().as_bytes())).await?;
            return Ok(());
        }
        // The caller says nothing more: an end here is the end of the calling program.
        tokio::select! {
            () = beat => {}
            read = from.read(&mut byte) => if !read.is_ok_and(|count| count > 0) { sent = Err(std::io::ErrorKind::BrokenPipe.into()) },
        }
        if sent.is_err() {
            lab.world().end(id);
            return Ok(());
        }
    }
}

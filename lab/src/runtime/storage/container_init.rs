//! A container: a process in a node, with a root of its own.
//!
//! Three processes: one waits where the lab is, one, in the node's namespaces, waits for the container as a shim does, and
//! one is the container's first. When that ends, the kernel ends all others of the container.

use std::ffi::CString;
use std::fs::{self, File};
use std::os::fd::AsFd as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::prctl;
use nix::sys::signal::{SigHandler, Signal, signal};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{
    ForkResult, Gid, Pid, Uid, execve, fork, pivot_root, setgid, setgroups, sethostname, setsid, setuid,
};
use serde::{Deserialize, Serialize};

use crate::runtime::INSIDE;
use crate::runtime::node_init::SYSRQ;

const NONE: Option<&str> = None;
/// Where the container's root is put together, in a mount namespace nobody else sees.
const ROOT: &str = "/mnt";
/// What of the node is the container's image, read-only.
const IMAGE: [&str; 9] = ["bin", "etc", "lib", "lib32", "lib64", "libx32", "sbin", "usr", "opt"];
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// The exit status of a container that could not be started (containerd `internal/cri/server/container_start.go`).
const START_ERROR: i32 = 128;

/// What a container is told about itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ContainerConfig {
    /// The node's first process, in the lab's own count.
    pub pid: i32,
    /// Its host name: the pod's name.
    pub hostname: String,
    /// The program and its arguments.
    pub command: Vec<String>,
    /// Its environment; later values win.
    pub env: Vec<(String, String)>,
    /// Where it starts.
    pub working_dir: String,
    /// What is bound into it: the node's directory, its own, and whether it may not write there.
    pub volumes: Vec<(String, String, bool)>,
    /// The user it runs as; none for root.
    pub user: Option<u32>,
}

/// Runs the container a file describes; never returns but with an error. The file is removed.
pub fn main(file: &Path) -> Result<()> {
    // It is no part of the terminal the lab was started on: Ctrl-C there is for the command only.
    setsid()?;
    let config: ContainerConfig = serde_json::from_slice(&fs::read(file)?)?;
    fs::remove_file(file)?;
    let kinds = [
        ("pid", CloneFlags::CLONE_NEWPID),
        ("net", CloneFlags::CLONE_NEWNET),
        ("uts", CloneFlags::CLONE_NEWUTS),
        ("mnt", CloneFlags::CLONE_NEWNS),
    ];
    let open = |kind: &str| File::open(format!("/proc/{}/ns/{kind}", config.pid)).context("the node is off");
    let namespaces: Vec<File> = kinds.iter().map(|(kind, _)| open(kind)).collect::<Result<_>>()?;
    for (namespace, (_, kind)) in namespaces.iter().zip(kinds) {
        setns(namespace.as_fd(), kind)?;
    }
    drop(namespaces);
    in_child(|| {
        unshare(
            CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWUTS | CloneFlags::CLONE_NEWIPC,
        )?;
        in_child(|| run(&config))
    })
}

/// Does something in a child process, and ends as that does.
fn in_child(action: impl FnOnce() -> Result<()>) -> Result<()> {
    // SAFETY: this program has started no thread.
    match unsafe { fork() }.context("forking")? {
        ForkResult::Child => {
            prctl::set_pdeathsig(Signal::SIGKILL)?;
            let Err(error) = action() else { std::process::exit(0) };
            eprintln!("{error:#}");
            std::process::exit(START_ERROR)
        }
        ForkResult::Parent { child } => std::process::exit(status_of(child)?),
    }
}

fn status_of(child: Pid) -> Result<i32> {
    loop {
        match waitpid(child, None)? {
            WaitStatus::Exited(_, status) => return Ok(status),
            WaitStatus::Signaled(_, signal, _) => return Ok(128 + signal as i32),
            _ => {}
        }
    }
}

/// The container's first process.
fn run(config: &ContainerConfig) -> Result<()> {
    root(config).context("making the container's root")?;
    sethostname(&config.hostname)?;
    let mut env = vec![("PATH".to_owned(), PATH.to_owned()), ("HOSTNAME".to_owned(), config.hostname.clone())];
    for (name, value) in &config.env {
        env.retain(|(other, _)| other != name);
        env.push((name.clone(), value.clone()));
    }
    let directory = if config.working_dir.is_empty() { "/" } else { &config.working_dir };
    fs::create_dir_all(directory).and_then(|()| std::env::set_current_dir(directory))?;
    if let Some(user) = config.user {
        // Without a group of its own it has root's (Kubernetes, SecurityContext.runAsGroup).
        setgroups(&[])?;
        setgid(Gid::from_raw(0))?;
        setuid(Uid::from_raw(user))?;
    }
    let path = env.iter().find(|(name, _)| name == "PATH").map_or(PATH, |(_, value)| value);
    let program = program(&config.command[0], path)
        .with_context(|| format!("exec: \"{}\": executable file not found in $PATH", config.command[0]))?;
    let arguments =
        config.command.iter().map(|argument| CString::new(argument.as_str())).collect::<Result<Vec<_>, _>>()?;
    let env = env.iter().map(|(name, value)| CString::new(format!("{name}={value}"))).collect::<Result<Vec<_>, _>>()?;
    // This program ignores it, as Rust programs do; others expect to end by it.
    // SAFETY: the default action runs no handler.
    unsafe { signal(Signal::SIGPIPE, SigHandler::SigDfl) }?;
    execve(&CString::new(program.to_string_lossy().as_bytes())?, &arguments, &env)
        .with_context(|| format!("exec: \"{}\"", program.display()))?;
    Ok(())
}

fn program(name: &str, path: &str) -> Option<PathBuf> {
    if name.contains('/') {
        return Some(PathBuf::from(name));
    }
    let runs =
        |path: &PathBuf| fs::metadata(path).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0);
    path.split(':').map(|folder| Path::new(folder).join(name)).find(runs)
}

fn bind(source: &Path, target: &Path, read_only: bool) -> Result<()> {
    mount(Some(source), target, NONE, MsFlags::MS_BIND, NONE)
        .with_context(|| format!("binding {}", source.display()))?;
    if read_only {
        let flags = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
        mount(NONE, target, NONE, flags, NONE).with_context(|| format!("remounting {}", source.display()))?;
    }
    Ok(())
}

fn special(kind: &str, target: &Path, options: &str) -> Result<()> {
    fs::create_dir_all(target)?;
    mount(Some(kind), target, Some(kind), MsFlags::empty(), Some(options))
        .with_context(|| format!("mounting {}", target.display()))
}

/// Puts the root together and moves in.
fn root(config: &ContainerConfig) -> Result<()> {
    mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE)?;
    let root = Path::new(ROOT);
    special("tmpfs", root, "mode=755")?;
    for name in IMAGE {
        let (source, target) = (Path::new("/").join(name), root.join(name));
        let Ok(metadata) = fs::symlink_metadata(&source) else { continue };
        if metadata.is_symlink() {
            symlink(fs::read_link(&source)?, target)?;
        } else {
            fs::create_dir(&target)?;
            bind(&source, &target, true)?;
        }
    }
    // An image has no programs that act on the node it runs on.
    let inside = root.join(INSIDE.trim_start_matches('/'));
    if inside.exists() {
        special("tmpfs", &inside, "mode=755,size=4k")?;
    }
    special("proc", &root.join("proc"), "")?;
    let sysrq = root.join(SYSRQ.trim_start_matches('/'));
    if sysrq.exists() {
        bind(Path::new("/dev/null"), &sysrq, false)?;
    }
    special("tmpfs", &root.join("tmp"), "mode=1777")?;
    for name in ["run", "root", "home", "mnt", "sys", "var/tmp"] {
        fs::create_dir_all(root.join(name))?;
    }
    devices(&root.join("dev"))?;
    for (source, target, read_only) in &config.volumes {
        let target = root.join(target.trim_start_matches('/'));
        fs::create_dir_all(&target).with_context(|| format!("making {}", target.display()))?;
        bind(Path::new(source), &target, *read_only)?;
    }
    std::env::set_current_dir(root)?;
    pivot_root(".", ".").context("changing the root")?;
    umount2(".", MntFlags::MNT_DETACH)?;
    Ok(std::env::set_current_dir("/")?)
}

fn devices(dev: &Path) -> Result<()> {
    special("tmpfs", dev, "mode=755")?;
    for device in ["null", "zero", "full", "random", "urandom", "tty"] {
        fs::write(dev.join(device), b"")?;
        bind(&Path::new("/dev").join(device), &dev.join(device), false)?;
    }
    special("tmpfs", &dev.join("shm"), "mode=1777")?;
    for (link, target) in [("fd", "/proc/self/fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")] {
        symlink(target, dev.join(link))?;
    }
    Ok(())
}

//! The first process of a node: it makes the node's own view of files, devices and network, starts sshd and the
//! transient units, and reaps.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _, symlink};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context as _, Result};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::wait::{WaitStatus, waitpid};
use serde::{Deserialize, Serialize};

use super::INSIDE;
use super::unit_commands;
use super::units::{Units, locked};
use super::wire::{self, Call, kind};

/// Where the kernel takes orders of one letter. Those of this machine's own kernel are for this machine: no node sees it.
pub const SYSRQ: &str = "/proc/sysrq-trigger";

/// What a node is told about itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NodeConfig {
    /// Its host name.
    pub name: String,
    /// Its address with the prefix, `10.77.0.11/24`.
    pub address: String,
    /// Its root directory, as the lab's mount namespace has it.
    pub root: String,
    /// Files bound over others, as (source, target in the root): what differs from the host under /proc.
    pub binds: Vec<(String, String)>,
    /// How much faster than here the time of its timers passes.
    pub speed: u32,
}

/// Boots the node and never returns but with an error.
pub fn main(config: &str) -> Result<()> {
    let config: NodeConfig = serde_json::from_str(config)?;
    // A node is no part of the terminal the lab was started on: Ctrl-C there is for the command only.
    nix::unistd::setsid()?;
    let root = Path::new(&config.root);
    mounts(root, &config)?;
    enter(root)?;
    nix::unistd::sethostname(&config.name)?;
    network(&config.address)?;
    let units = Arc::new(Mutex::new(Units::default()));
    serve(Arc::clone(&units), config.speed.max(1))?;
    watch_sysrq();
    Command::new("/usr/sbin/sshd")
        .args(["-D", "-e"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("starting sshd")?;
    listening()?;
    fs::write("/run/booted", b"")?;
    loop {
        match waitpid(None, None) {
            Ok(WaitStatus::Exited(pid, status)) => locked(&units).ended(pid.as_raw(), status),
            Ok(WaitStatus::Signaled(pid, signal, _)) => locked(&units).ended(pid.as_raw(), 128 + signal as i32),
            Ok(_) => {}
            Err(_) => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

fn special(kind: &str, target: &Path, options: &str) -> Result<()> {
    fs::create_dir_all(target)?;
    mount(Some(kind), target, Some(kind), MsFlags::empty(), Some(options))
        .with_context(|| format!("mounting {}", target.display()))
}

fn bind(source: &str, target: &Path) -> Result<()> {
    let none: Option<&str> = None;
    mount(Some(source), target, none, MsFlags::MS_BIND, none).with_context(|| format!("binding {source}"))
}

fn mounts(root: &Path, config: &NodeConfig) -> Result<()> {
    let none: Option<&str> = None;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)?;
    bind(&config.root, root)?;
    special("proc", &root.join("proc"), "")?;
    special("tmpfs", &root.join("run"), "mode=755")?;
    special("tmpfs", &root.join("tmp"), "mode=1777")?;
    let dev = root.join("dev");
    special("tmpfs", &dev, "mode=755")?;
    for device in ["null", "zero", "full", "random", "urandom", "tty"] {
        fs::write(dev.join(device), b"")?;
        bind(&format!("/dev/{device}"), &dev.join(device))?;
    }
    special("devpts", &dev.join("pts"), "newinstance,ptmxmode=0666,mode=620,gid=5")?;
    special("tmpfs", &dev.join("shm"), "mode=1777")?;
    for (link, target) in [
        ("ptmx", "pts/ptmx"),
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
    ] {
        symlink(target, dev.join(link))?;
    }
    for (source, target) in &config.binds {
        bind(source, &root.join(target.trim_start_matches('/')))?;
    }
    for directory in ["run/sshd", "run/systemd/system", "run/lock"] {
        fs::create_dir_all(root.join(directory))?;
    }
    Ok(())
}

fn enter(root: &Path) -> Result<()> {
    std::env::set_current_dir(root)?;
    nix::unistd::pivot_root(".", ".").context("changing the root")?;
    umount2(".", MntFlags::MNT_DETACH)?;
    std::env::set_current_dir("/")?;
    Ok(())
}

/// Waits for the cable and takes the address.
fn network(address: &str) -> Result<()> {
    let script = format!(
        "ip link set lo up; for i in $(seq 200); do ip link show eth0 >/dev/null 2>&1 && break; sleep 0.02; done; \
         ip addr add {address} dev eth0 && ip link set eth0 up && ip route add default via {}",
        super::CONTROLLER
    );
    let status = Command::new("/bin/sh").args(["-c", &script]).stderr(Stdio::null()).status()?;
    anyhow::ensure!(status.success(), "the node's network could not be set up");
    for (key, value) in
        [("all/arp_ignore", "1"), ("eth0/arp_ignore", "1"), ("all/arp_announce", "2"), ("eth0/arp_announce", "2")]
    {
        fs::write(format!("/proc/sys/net/ipv4/conf/{key}"), value)?;
    }
    Ok(())
}

/// Waits until the SSH server accepts connections.
fn listening() -> Result<()> {
    for _ in 0..1500 {
        if TcpStream::connect((Ipv4Addr::LOCALHOST, 22)).is_ok() {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    anyhow::bail!("sshd does not listen")
}

/// Takes what is written to the stand-in of the kernel's `sysrq-trigger` (the kernel's Documentation/admin-guide/sysrq.rst):
/// `o` switches this node off, `b` boots it anew. A kernel without the file has none here either.
fn watch_sysrq() {
    let pipe = fs::metadata(SYSRQ).is_ok_and(|file| file.file_type().is_fifo());
    // Open for writing as well: then it does not end when a writer leaves.
    let Some(mut pipe) = pipe.then(|| fs::File::options().read(true).write(true).open(SYSRQ).ok()).flatten() else {
        return;
    };
    std::thread::spawn(move || {
        let mut key = [0];
        while pipe.read_exact(&mut key).is_ok() {
            let verb = match key {
                [b'o'] => "poweroff",
                [b'b'] => "reboot",
                _ => continue,
            };
            let argv = ["systemctl", verb, "--force", "--force"].map(str::to_owned).to_vec();
            let (user, files) = ("root".to_owned(), BTreeMap::new());
            let call = Call { argv, stdin: Vec::new(), files, cwd: "/".to_owned(), user, tty: false };
            let Ok(mut world) = UnixStream::connect(Path::new(INSIDE).join("world.sock")) else { continue };
            let Ok(call) = serde_json::to_vec(&call) else { continue };
            // No answer is the answer.
            let _ = wire::write(&mut world, kind::CALL, &call).and_then(|()| wire::read(&mut world));
        }
    });
}

/// Answers `systemd-run` and `systemctl` about transient units.
fn serve(units: Arc<Mutex<Units>>, speed: u32) -> Result<()> {
    let path = Path::new(INSIDE).join("init.sock");
    let _ = fs::remove_file(&path);
    let listener = UnixListener::bind(&path)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666))?;
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let units = Arc::clone(&units);
            // Stopping a unit takes its time; nobody else waits for it.
            std::thread::spawn(move || {
                let Ok((_, payload)) = wire::read(&mut stream) else { return };
                let Ok(call) = serde_json::from_slice::<Call>(&payload) else { return };
                let (out, err, status) = unit_commands::answer(&units, speed, &call.argv);
                let _ = wire::write(&mut stream, kind::OUT, out.as_bytes());
                let _ = wire::write(&mut stream, kind::ERR, err.as_bytes());
                let _ = wire::write(&mut stream, kind::EXIT, status.to_string().as_bytes());
            });
        }
    });
    Ok(())
}

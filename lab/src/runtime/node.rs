//! One node as the lab holds it: its disk, its processes, its sockets.

use std::collections::BTreeSet;
use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, mkfifo};

use super::disk::Disk;
use super::node_init::{NodeConfig, SYSRQ};
use super::{BASE, INSIDE, network};
use crate::world::Machine;

/// Where the kernel shows how many mappings a process may have. It is one for the whole machine, which the lab leaves as it
/// is: a node sees a file of its own there.
const MAP_COUNT: &str = "/proc/sys/vm/max_map_count";

/// A node.
#[derive(Debug)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// Its address.
    pub address: Ipv4Addr,
    /// Its disk, which outlives a power cut.
    pub disk: Disk,
    /// Its public host key.
    pub host_key: String,
    process: Option<Child>,
    /// Its first process, in the lab's own count; 0 while it is off.
    pub pid: i32,
    /// How much faster than here its time passes.
    speed: u32,
    /// The boot the node's files under /proc tell of.
    shown_boot: String,
    /// The stand-in of `vm.max_map_count`.
    shown_map_count: String,
    /// The modules under /sys.
    shown_modules: BTreeSet<String>,
}

impl Node {
    /// A node that is off, with a disk that was made; its time passes `speed` times as fast as here.
    pub fn new(name: &str, address: Ipv4Addr, host_key: String, speed: u64) -> Self {
        Self {
            name: name.to_owned(),
            address,
            disk: Disk::new(name),
            host_key,
            process: None,
            pid: 0,
            speed: u32::try_from(speed).unwrap_or(u32::MAX),
            shown_boot: String::new(),
            shown_map_count: String::new(),
            shown_modules: BTreeSet::new(),
        }
    }

    /// Whether it is on.
    pub fn on(&self) -> bool {
        self.process.is_some()
    }

    /// Switches it on; returns once its processes have been started. Call [`Node::booted`] to wait for its sshd.
    pub fn switch_on(&mut self, machine: &Machine) -> Result<()> {
        self.show(machine)?;
        let bound = |file: &str, target: &str| (self.disk.beside(file).display().to_string(), target.to_owned());
        let mut binds = vec![
            bound("boot_id", "/proc/sys/kernel/random/boot_id"),
            bound("meminfo", "/proc/meminfo"),
            bound("sys", "/sys"),
            (format!("{BASE}/stand-in"), format!("{INSIDE}/stand-in")),
        ];
        if Path::new(MAP_COUNT).exists() {
            binds.push(bound("max_map_count", MAP_COUNT));
        }
        if Path::new(SYSRQ).exists() {
            let pipe = self.disk.beside("sysrq");
            let _ = fs::remove_file(&pipe);
            mkfifo(&pipe, Mode::S_IRUSR | Mode::S_IWUSR).context("making a node's sysrq-trigger")?;
            binds.push(bound("sysrq", SYSRQ));
        }
        let config = NodeConfig {
            name: machine.hostname.clone(),
            address: format!("{}/24", self.address),
            root: self.disk.root().display().to_string(),
            binds,
            speed: self.speed,
        };
        let log = fs::File::create(self.disk.beside("log"))?;
        let child = Command::new("unshare")
            .args(["--mount", "--net", "--uts", "--pid", "--fork", "--kill-child=KILL", "--"])
            .arg(format!("{BASE}/stand-in"))
            .args(["node-init", &serde_json::to_string(&config)?])
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0)
            .spawn()
            .context("starting a node")?;
        let outer = child.id();
        self.process = Some(child);
        self.pid = first_child(outer)?;
        network::plug(self.address, self.pid).with_context(|| {
            std::thread::sleep(Duration::from_millis(100));
            format!("{} did not start: {}", self.name, fs::read_to_string(self.disk.beside("log")).unwrap_or_default())
        })
    }

    /// Waits until it has booted: its network and sshd are there.
    pub fn booted(&mut self) -> Result<()> {
        let since = Instant::now();
        let marker = format!("/proc/{}/root/run/booted", self.pid);
        while !Path::new(&marker).exists() {
            let gone = self.process.as_mut().is_none_or(|process| process.try_wait().ok().flatten().is_some());
            if gone || since.elapsed() > Duration::from_secs(30) {
                let log = fs::read_to_string(self.disk.beside("log")).unwrap_or_default();
                anyhow::bail!("{} did not boot: {log}", self.name);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// Cuts the power: everything that runs on it ends at once, its disk stays.
    pub fn cut_power(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = kill(Pid::from_raw(self.pid), Signal::SIGKILL);
            let _ = process.kill();
            let _ = process.wait();
            network::unplug(self.address);
            self.pid = 0;
        }
    }

    /// Writes what the node sees under /proc and /sys where that has changed: bound files, so their content is replaced
    /// in place. Modules show as /sys/module/NAME; not every kernel the lab runs on has a /proc/modules to bind over.
    pub fn show(&mut self, machine: &Machine) -> Result<()> {
        if self.shown_boot != machine.boot_id {
            // Asked once a boot: nobody needs the free memory of the moment.
            let meminfo = fs::read_to_string("/proc/meminfo")?;
            let rest = meminfo.split_once('\n').map_or("", |(_, rest)| rest);
            fs::write(
                self.disk.beside("meminfo"),
                format!("MemTotal:       {:>8} kB\n{rest}", machine.spec.memory_kib),
            )?;
            fs::write(self.disk.beside("boot_id"), format!("{}\n", machine.boot_id))?;
            self.shown_boot.clone_from(&machine.boot_id);
        }
        let count = machine.sysctls.get("vm.max_map_count").map_or("65530", String::as_str);
        if self.shown_map_count != count {
            fs::write(self.disk.beside("max_map_count"), format!("{count}\n"))?;
            count.clone_into(&mut self.shown_map_count);
        }
        for module in machine.modules.difference(&self.shown_modules) {
            fs::create_dir_all(self.disk.beside("sys/module").join(module))?;
        }
        for module in self.shown_modules.difference(&machine.modules) {
            fs::remove_dir(self.disk.beside("sys/module").join(module))?;
        }
        if self.shown_modules != machine.modules {
            self.shown_modules.clone_from(&machine.modules);
        }
        Ok(())
    }
}

/// The child of `unshare`: the node's first process.
fn first_child(outer: u32) -> Result<i32> {
    let path = format!("/proc/{outer}/task/{outer}/children");
    for _ in 0..1000 {
        let children = fs::read_to_string(&path).unwrap_or_default();
        if let Some(pid) = children.split_whitespace().next().and_then(|pid| pid.parse().ok()) {
            return Ok(pid);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    anyhow::bail!("a node's first process did not start")
}

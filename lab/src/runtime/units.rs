//! Transient units: real processes, children of the node's first process, that outlive the session that asked for
//! them and end all together.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getpgid};

/// How long a unit that was told to end may take before it is killed, unless it says otherwise (systemd's
/// `DefaultTimeoutStopSec`).
pub const PATIENCE: Duration = Duration::from_secs(90);

/// A file that is there while the node knows a unit of that name.
pub fn marker(unit: &str) -> String {
    format!("/run/systemd/transient/{unit}.service")
}

/// The same of a timer.
pub fn timer_marker(unit: &str) -> String {
    format!("/run/systemd/transient/{unit}.timer")
}

/// What is started as a unit.
#[derive(Debug)]
pub struct Order {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// Variables of its environment.
    pub environment: Vec<(String, String)>,
    /// Whether it is forgotten when it has failed, too.
    pub collect: bool,
    /// How long it may take to end.
    pub patience: Duration,
}

/// A unit that runs.
#[derive(Debug)]
pub struct Running {
    /// Its main process, which leads a process group.
    pub main: i32,
    /// What its processes have in their environment: it tells them from all others, as its control group does.
    invocation: String,
    collect: bool,
    patience: Duration,
    stopping: bool,
}

/// The transient units of a node.
#[derive(Debug, Default)]
pub struct Units {
    /// Those that run.
    pub running: BTreeMap<String, Running>,
    /// The exit statuses of those that failed.
    pub failed: BTreeMap<String, i32>,
    /// The timers that wait, by the unit they will start, each with a number of its own.
    pub timers: BTreeMap<String, u64>,
    set: u64,
}

impl Units {
    /// Starts a unit.
    pub fn start(&mut self, unit: &str, order: &Order) -> std::io::Result<()> {
        let invocation = fs::read_to_string("/proc/sys/kernel/random/uuid")?.trim().replace('-', "");
        let child = Command::new(&order.command[0])
            .args(&order.command[1..])
            .env_clear()
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .envs(order.environment.iter().cloned())
            .env("INVOCATION_ID", &invocation)
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()?;
        fs::create_dir_all(Path::new(&marker(unit)).with_file_name(""))?;
        fs::write(marker(unit), b"")?;
        self.failed.remove(unit);
        let main = i32::try_from(child.id()).map_err(std::io::Error::other)?;
        let (collect, patience) = (order.collect, order.patience);
        self.running.insert(unit.to_owned(), Running { main, invocation, collect, patience, stopping: false });
        Ok(())
    }

    /// A timer begins to wait; returns its number.
    fn wait(&mut self, unit: &str) -> std::io::Result<u64> {
        fs::create_dir_all(Path::new(&timer_marker(unit)).with_file_name(""))?;
        fs::write(timer_marker(unit), b"")?;
        self.set += 1;
        self.timers.insert(unit.to_owned(), self.set);
        Ok(self.set)
    }

    /// A timer waits no more.
    pub fn forget_timer(&mut self, unit: &str) {
        if self.timers.remove(unit).is_some() {
            let _ = fs::remove_file(timer_marker(unit));
        }
    }

    /// Forgets that a unit has failed.
    pub fn forget(&mut self, unit: &str) {
        if self.failed.remove(unit).is_some() {
            let _ = fs::remove_file(marker(unit));
        }
    }

    /// A child of the first process has ended. What its unit leaves running is ended with it.
    pub fn ended(&mut self, pid: i32, status: i32) {
        let Some(unit) = self.running.iter().find(|(_, running)| running.main == pid).map(|(unit, _)| unit.clone())
        else {
            return;
        };
        let Some(running) = self.running.remove(&unit) else { return };
        if status == 0 || running.stopping || running.collect {
            let _ = fs::remove_file(marker(&unit));
        } else {
            self.failed.insert(unit, status);
        }
        if !members(&running.invocation, None).is_empty() {
            std::thread::spawn(move || end(&running.invocation, None, running.patience));
        }
    }
}

/// The units, whoever else looks at them.
pub fn locked(units: &Mutex<Units>) -> MutexGuard<'_, Units> {
    units.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Starts a unit when a time has passed, unless its timer is stopped before.
pub fn start_after(units: &Arc<Mutex<Units>>, time: Duration, unit: &str, order: Order) -> std::io::Result<()> {
    let number = locked(units).wait(unit)?;
    let (units, unit) = (Arc::clone(units), unit.to_owned());
    std::thread::spawn(move || {
        std::thread::sleep(time);
        let mut units = locked(&units);
        if units.timers.get(&unit) == Some(&number) {
            units.forget_timer(&unit);
            let _ = units.start(&unit, &order);
        }
    });
    Ok(())
}

/// Ends a unit and waits until it has ended.
pub fn stop(units: &Mutex<Units>, unit: &str) {
    let (invocation, main, patience) = {
        let mut units = locked(units);
        let Some(running) = units.running.get_mut(unit) else { return };
        running.stopping = true;
        (running.invocation.clone(), running.main, running.patience)
    };
    end(&invocation, Some(main), patience);
    // Its end is known once the first process has reaped it.
    let runs = |units: &Units| units.running.get(unit).is_some_and(|running| running.main == main);
    while runs(&locked(units)) {
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Sends a signal to all processes of a unit.
pub fn signal(units: &Mutex<Units>, unit: &str, signal: Signal) {
    let units = locked(units);
    let Some(running) = units.running.get(unit) else { return };
    for pid in members(&running.invocation, Some(running.main)) {
        let _ = kill(pid, signal);
    }
}

/// Asks the processes of a unit to end, and kills them when they do not.
fn end(invocation: &str, group: Option<i32>, patience: Duration) {
    let since = Instant::now();
    let mut asked: Vec<Pid> = Vec::new();
    loop {
        let left = members(invocation, group);
        if left.is_empty() {
            return;
        }
        for pid in left {
            if since.elapsed() > patience {
                let _ = kill(pid, Signal::SIGKILL);
            } else if !asked.contains(&pid) {
                asked.push(pid);
                let _ = kill(pid, Signal::SIGTERM);
            }
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The living processes of a unit.
fn members(invocation: &str, group: Option<i32>) -> Vec<Pid> {
    let wanted = format!("INVOCATION_ID={invocation}");
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok().map(Pid::from_raw));
    pids.filter(|pid| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        let ours = environment.split(|byte| *byte == 0).any(|pair| pair == wanted.as_bytes());
        let in_group = group.is_some_and(|group| getpgid(Some(*pid)).is_ok_and(|of| of.as_raw() == group));
        ours || (in_group && !is_zombie(*pid))
    })
    .collect()
}

fn is_zombie(pid: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with('Z'))
}

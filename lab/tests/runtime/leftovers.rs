//! However a lab ends, nothing of it is left: no process, no namespace, no mount, no interface, no file.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

use super::lab::Lab;

/// A lab that runs until it is ended, and what it consists of.
struct Running {
    child: Child,
    namespaces: BTreeSet<String>,
    before: Machine,
}

/// What a lab could leave on this machine.
#[derive(Debug, PartialEq)]
struct Machine {
    mounts: String,
    interfaces: BTreeSet<String>,
}

impl Machine {
    fn now() -> Self {
        let names =
            fs::read_dir("/sys/class/net").unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        Self { mounts: fs::read_to_string("/proc/self/mountinfo").unwrap(), interfaces: names.collect() }
    }
}

/// The namespaces of this machine's processes that are in a set.
fn alive(namespaces: &BTreeSet<String>) -> BTreeSet<String> {
    let mut alive = BTreeSet::new();
    for process in fs::read_dir("/proc").unwrap().flatten() {
        // What has ended and was not yet waited for by this machine's first process is no more.
        let stat = fs::read_to_string(process.path().join("stat")).unwrap_or_default();
        if stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with(['Z', 'X'])) {
            continue;
        }
        for kind in ["net", "mnt", "pid", "uts"] {
            let link = fs::read_link(process.path().join("ns").join(kind)).unwrap_or_default();
            alive.extend(namespaces.get(&link.to_string_lossy().into_owned()).cloned());
        }
    }
    alive
}

fn own_namespaces() -> BTreeSet<String> {
    let links = fs::read_dir("/proc/self/ns").unwrap().flatten().map(|entry| fs::read_link(entry.path()).unwrap());
    links.map(|link| link.to_string_lossy().into_owned()).collect()
}

/// Starts a lab in a process group of its own, with things going on in it. Its standard input ends when its end is
/// waited for.
fn start(script: &str) -> Running {
    start_prepared("", script)
}

/// Like [`start`]; `prepare` is done before the lab counts as started.
fn start_prepared(prepare: &str, script: &str) -> Running {
    let before = Machine::now();
    let script = format!(
        r#"on nuc1 'systemd-run --quiet --unit=homeprov-job sh -c "setsid sleep 3001; :"'
           on nuc2 'sleep 3002' &
           until_so pgrep -f '^sleep 3001$'
           until_so pgrep -f '^sleep 3002$'
           touch "$TMPDIR/forgotten"
           for process in /proc/[0-9]*; do
             for kind in net mnt pid uts; do readlink $process/ns/$kind; done
           done | sort -u
           {prepare}
           echo complete
           {script}"#
    );
    let mut command = Lab::of(2).command(&script);
    let mut child =
        command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut said: BTreeSet<String> = lines.take_while(|line| line != "complete").collect();
    let own = own_namespaces();
    said.retain(|line| !own.contains(line));
    // The lab itself and two nodes have four kinds each; the lab's own name is this machine's.
    if said.len() < 11 || alive(&said) != said {
        let _ = child.kill();
        let mut err = String::new();
        let _ = child.stderr.take().unwrap().read_to_string(&mut err);
        panic!("the lab did not start: {said:?}\n{err}");
    }
    Running { child, namespaces: said, before }
}

impl Running {
    /// Waits for the lab's end; then there is nothing left of it, or soon is nothing: the kernel takes namespaces
    /// apart in its own time.
    #[track_caller]
    fn leaves_nothing(mut self) -> ExitStatus {
        let status = self.child.wait().unwrap();
        let since = Instant::now();
        loop {
            let (left, now) = (alive(&self.namespaces), Machine::now());
            if left.is_empty() && now == self.before {
                return status;
            }
            assert!(since.elapsed() < Duration::from_secs(20), "left: {left:?}\n{now:?}\nbefore: {:?}", self.before);
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn after_its_command_has_ended() {
    assert_eq!(start("read -r; exit 5").leaves_nothing().code(), Some(5));
}

#[test]
fn after_a_node_lost_its_power() {
    let lab = start(
        "read -r; \"$LAB\" power-off nuc1; until_not pgrep -f '^sleep 3001$'; \"$LAB\" power-on nuc1; until_so on nuc1 true",
    );
    assert_eq!(lab.leaves_nothing().code(), Some(0));
}

#[test]
fn after_an_interrupt_of_all_of_it() {
    let lab = start("sleep 3003");
    killpg(lab.pid(), Signal::SIGINT).unwrap();
    assert_eq!(lab.leaves_nothing().code(), Some(130));
}

#[test]
fn an_interrupt_leaves_the_nodes_to_a_command_that_tidies_up() {
    let lab =
        start_prepared("trap 'on nuc1 true && on nuc2 true && exit 7; exit 8' INT", "while :; do sleep 0.05; done");
    killpg(lab.pid(), Signal::SIGINT).unwrap();
    assert_eq!(lab.leaves_nothing().code(), Some(7));
}

#[test]
fn after_it_was_killed() {
    let lab = start("sleep 3004");
    kill(lab.pid(), Signal::SIGKILL).unwrap();
    assert_eq!(lab.leaves_nothing().signal(), Some(9));
}

#[test]
fn after_it_was_told_to_end() {
    let lab = start("sleep 3005");
    kill(lab.pid(), Signal::SIGTERM).unwrap();
    assert_eq!(lab.leaves_nothing().signal(), Some(15));
}

#[test]
fn an_interrupt_while_it_is_being_built_ends_it() {
    let mut child = Lab::of(30).command("echo started").process_group(0).stdout(Stdio::piped()).spawn().unwrap();
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
    let own = own_namespaces();
    // The first node being there, the lab is in the middle of it.
    let namespaces = loop {
        let inside = descendants(pid);
        let links = inside
            .iter()
            .flat_map(|pid| ["net", "mnt", "pid", "uts"].map(|kind| fs::read_link(format!("/proc/{pid}/ns/{kind}"))));
        let links: BTreeSet<String> = links
            .flatten()
            .map(|link| link.to_string_lossy().into_owned())
            .filter(|link| !own.contains(link))
            .collect();
        if links.len() > 6 {
            break links;
        }
        assert!(child.try_wait().unwrap().is_none(), "the lab ended by itself");
    };
    killpg(pid, Signal::SIGINT).unwrap();
    let mut said = String::new();
    child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!((child.wait().unwrap().code(), said.as_str()), (Some(130), ""));
    let since = Instant::now();
    while !alive(&namespaces).is_empty() {
        assert!(since.elapsed() < Duration::from_secs(20), "left: {:?}", alive(&namespaces));
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The processes below a process.
fn descendants(pid: Pid) -> Vec<Pid> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let children: Vec<Pid> = children.split_whitespace().map(|pid| Pid::from_raw(pid.parse().unwrap())).collect();
    children.iter().flat_map(|child| std::iter::once(*child).chain(descendants(*child))).collect()
}

//! However the program ends, it leaves no ssh process, no control socket and no forward behind, and the next run goes on
//! from there: the real program with a playbook of one slow step, against the real server.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::row::Row;
use crate::sshd::Sshd;

/// Longer than anything here may take.
const LONGEST: Duration = Duration::from_secs(60);

/// The server, and a folder with the program's files, where everything it makes is seen.
struct Desk {
    sshd: Sshd,
    folder: tempfile::TempDir,
}

/// How a run ended.
struct Ended {
    code: Option<i32>,
    events: Vec<Value>,
    said: String,
}

impl Desk {
    /// A playbook whose step's job takes so long.
    fn new(seconds: u32) -> Option<Self> {
        let sshd = Sshd::start("")?;
        let folder = tempfile::Builder::new().prefix("ends-").tempdir_in("/tmp").unwrap();
        let desk = Self { sshd, folder };
        let (port, identity, known) = (desk.sshd.port, desk.sshd.path("client"), desk.sshd.path("known_hosts"));
        fs::write(desk.sshd.path("ssh_config"), "").unwrap();
        let inventory = format!(
            "[cluster]\nname = \"home\"\n\n[ssh]\nuser = \"root\"\nport = {port}\nidentity = \"{}\"\nconfig = \"{}\"\n\
             known_hosts = \"{}\"\n\n[[nodes]]\nname = \"nuc1\"\naddress = \"192.168.77.11\"\n\
             ssh = {{ host = \"127.0.0.1\" }}\n\n[storage]\nengine = \"none\"\n",
            identity.display(),
            desk.sshd.path("ssh_config").display(),
            known.display()
        );
        fs::write(desk.path("home.toml"), inventory).unwrap();
        fs::create_dir(desk.path("playbooks")).unwrap();
        let work = desk.path("work");
        fs::create_dir(&work).unwrap();
        let work = work.display();
        let playbook = format!(
            "[[step]]\nid = \"slow\"\ntitle = \"the slow thing is done\"\non = \"all\"\ncheck = \"test -e {work}/done\"\n\
             apply = \"echo begun >>{work}/begun; sleep {seconds}; touch {work}/done\"\ndetached = true\nlimit = \"1m\"\n\
             settle = \"5s\"\nwhy = \"It shows how a run ends.\"\n"
        );
        fs::write(desk.path("playbooks/10-slow.toml"), playbook).unwrap();
        fs::create_dir(desk.path("run")).unwrap();
        Some(desk)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn start(&self) -> Child {
        Command::new(env!("CARGO_BIN_EXE_homeprov"))
            .args(["up", "--json", "--playbooks"])
            .arg(self.path("playbooks"))
            .arg(self.path("home.toml"))
            .env("XDG_STATE_HOME", self.path("state"))
            .env("XDG_RUNTIME_DIR", self.path("run"))
            .stdin(Stdio::null())
            .stdout(fs::File::create(self.path("out")).unwrap())
            .stderr(fs::File::create(self.path("err")).unwrap())
            .spawn()
            .unwrap()
    }

    /// Starts a run and waits until its job has begun on the node.
    fn start_and_begin(&self) -> Child {
        let child = self.start();
        self.wait_until("the job begins", || self.begun() > 0);
        child
    }

    fn end(&self, mut child: Child) -> Ended {
        let began = Instant::now();
        let status = loop {
            match child.try_wait().unwrap() {
                Some(status) => break status,
                None if began.elapsed() > LONGEST => {
                    child.kill().unwrap();
                    panic!("it does not end: {}", fs::read_to_string(self.path("out")).unwrap());
                }
                None => std::thread::sleep(Duration::from_millis(10)),
            }
        };
        let out = fs::read_to_string(self.path("out")).unwrap();
        let events = out.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        Ended { code: status.code(), events, said: fs::read_to_string(self.path("err")).unwrap() }
    }

    fn run(&self) -> Ended {
        self.end(self.start())
    }

    /// How often the job was begun.
    fn begun(&self) -> usize {
        fs::read_to_string(self.path("work/begun")).unwrap_or_default().lines().count()
    }

    fn wait_until(&self, what: &str, holds: impl Fn() -> bool) {
        let began = Instant::now();
        while !holds() {
            assert!(began.elapsed() < LONGEST, "{what}: {}", fs::read_to_string(self.path("out")).unwrap_or_default());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// The ssh processes of this desk's runs, and the directories with control sockets.
    fn left(&self) -> (Vec<String>, Vec<PathBuf>) {
        let folder = self.path("run");
        let folders = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        (processes(&folder), folders)
    }

    /// Nothing is left, at once or within so long.
    fn nothing_left(&self, within: Duration) {
        let began = Instant::now();
        loop {
            let (processes, folders) = self.left();
            if processes.is_empty() && folders.is_empty() && self.sshd.connections().is_empty() {
                return;
            }
            assert!(began.elapsed() < within, "{processes:?} {folders:?} {:?}", self.sshd.connections());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The next run attaches to the job that still runs, or finds it ended, and begins no second one.
    fn goes_on(&self) {
        let ended = self.run();
        assert_eq!(ended.code, Some(0), "{}", ended.said);
        assert_eq!(self.begun(), 1);
        self.nothing_left(Duration::from_secs(1));
    }
}

/// Processes whose command line names a folder.
fn processes(folder: &Path) -> Vec<String> {
    let folder = folder.display().to_string();
    let entries = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let lines = entries.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " ")).filter(|line| line.contains(&folder)).collect()
}

fn signal(name: &str, pid: u32) {
    assert!(Command::new("kill").args([name, &pid.to_string()]).status().unwrap().success());
}

#[test]
fn a_run_that_succeeds_leaves_nothing() {
    let Some(desk) = Desk::new(1) else { return };
    let child = desk.start_and_begin();
    // It is there while it is needed: what is looked for can be found.
    let (processes, folders) = desk.left();
    assert!(!processes.is_empty() && folders.len() == 1, "{processes:?} {folders:?}");
    let ended = desk.end(child);
    assert_eq!(ended.code, Some(0), "{}", ended.said);
    desk.nothing_left(Duration::from_secs(1));
}

#[test]
fn a_polite_end_detaches_says_how_to_go_on_and_leaves_nothing() {
    for name in ["-INT", "-TERM", "-HUP"] {
        let Some(desk) = Desk::new(5) else { return };
        let row = Row::of(format!("the program gets SIG{}", &name[1..]), "once, while a job runs");
        let child = desk.start_and_begin();
        let asked = Instant::now();
        signal(name, child.id());
        let ended = desk.end(child);
        assert!(asked.elapsed() < Duration::from_secs(4), "{:?}", asked.elapsed());
        assert_eq!(ended.code, Some(130), "{}", ended.said);
        let last = ended.events.last().expect("events");
        let summary = last["summary"].as_str().unwrap_or_default();
        for words in ["go on there", "`homeprov up` attaches", "nuc1: the slow thing is done"] {
            assert!(summary.contains(words), "{words}: {last}");
        }
        desk.nothing_left(Duration::from_secs(1));
        assert!(!desk.path("work/done").exists(), "the job was still running");
        desk.goes_on();
        row.ended("exit code 130 within 4 s, nothing left; the next run attached to the job and converged");
    }
}

#[test]
fn twice_ends_at_once_and_leaves_nothing() {
    let Some(desk) = Desk::new(3) else { return };
    let row = Row::of("the program gets SIGINT", "twice, while a node that no longer answers keeps it from parting");
    let child = desk.start_and_begin();
    let connections = desk.sshd.connections();
    connections.iter().for_each(|pid| signal("-STOP", *pid));
    signal("-INT", child.id());
    std::thread::sleep(Duration::from_millis(400));
    let asked = Instant::now();
    signal("-INT", child.id());
    let ended = desk.end(child);
    assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
    assert_eq!(ended.code, Some(130), "{}", ended.said);
    assert!(ended.said.contains("Ctrl-C again ends at once"), "it was waiting when it got the second: {}", ended.said);
    assert_eq!(desk.left().1, Vec::<PathBuf>::new());
    connections.iter().for_each(|pid| signal("-CONT", *pid));
    desk.nothing_left(Duration::from_secs(6));
    desk.goes_on();
    row.ended("exit code 130 within 1 s, nothing left; the next run converged");
}

#[test]
fn a_killed_run_leaves_what_the_next_one_clears() {
    let Some(desk) = Desk::new(12) else { return };
    let row = Row::of("the program gets SIGKILL", "while a job runs");
    let mut child = desk.start_and_begin();
    child.kill().unwrap();
    let ended = desk.end(child);
    assert_eq!(ended.code, None);
    assert_eq!(desk.left().1.len(), 1, "the killed one could not clear up");
    // Its master ends by itself, for want of clients.
    desk.wait_until("its master ends", || desk.left().0.is_empty());
    desk.goes_on();
    row.ended("its ssh ended by itself, the next run cleared its sockets, attached to the job and converged");
}

#[test]
fn a_connection_cut_during_a_job_is_told_and_made_again() {
    let Some(desk) = Desk::new(4) else { return };
    let row = Row::of("the SSH connection is cut", "while a job runs, by the server's end");
    let child = desk.start_and_begin();
    std::thread::sleep(Duration::from_millis(1200));
    desk.sshd.cut();
    let ended = desk.end(child);
    assert_eq!(ended.code, Some(0), "{:?} {}", ended.events, ended.said);
    let told =
        |name: &str| ended.events.iter().filter(|event| event["event"] == name && event["node"] == "nuc1").count();
    assert_eq!((told("step-lost"), told("step-attached")), (1, 1), "{:?}", ended.events);
    assert_eq!(told("connected"), 2);
    assert_eq!(desk.begun(), 1);
    desk.nothing_left(Duration::from_secs(1));
    row.ended("told, connected again, attached to the job, begun once, converged");
}

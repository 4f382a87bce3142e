//! Transient units: what `systemd-run` starts on a node and `systemctl` is asked about. Real processes, children of
//! the node's first process.

use std::collections::BTreeMap;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

/// The prefix of units a product starts; all others are the simulated system's own.
fn is_simulated(unit: &str) -> bool {
    unit.starts_with("snap.") || unit.starts_with("snapd") || !unit.contains('-')
}

/// Whether a call of systemctl is about transient units.
pub fn concerns(argv: &[String]) -> bool {
    let verb = argv.iter().skip(1).find(|arg| !arg.starts_with('-'));
    let about = argv.iter().skip(1).filter(|arg| !arg.starts_with('-')).skip(1);
    let verbs = ["is-active", "is-failed", "show", "stop", "kill", "reset-failed", "status"];
    verb.is_some_and(|verb| verbs.contains(&verb.as_str()))
        && about.clone().count() == 1
        && about.clone().all(|unit| !is_simulated(unit) && std::path::Path::new(&marker(unit)).exists())
}

/// A file that is there while the node knows a unit of that name.
fn marker(unit: &str) -> String {
    format!("/run/systemd/transient/{}.service", name(unit))
}

fn name(unit: &str) -> &str {
    unit.strip_suffix(".service").unwrap_or(unit)
}

/// The transient units of a node.
#[derive(Debug, Default)]
pub struct Units {
    running: BTreeMap<String, i32>,
    ended: BTreeMap<String, i32>,
}

/// What a call prints and exits with.
pub type Said = (String, String, i32);

impl Units {
    /// Answers `systemd-run …` and `systemctl …`.
    pub fn answer(&mut self, argv: &[String]) -> Said {
        match argv.first().and_then(|program| program.rsplit('/').next()) {
            Some("systemd-run") => self.run(&argv[1..]),
            _ => self.control(&argv[1..]),
        }
    }

    fn run(&mut self, args: &[String]) -> Said {
        let mut unit = format!("run-u{}", self.running.len() + self.ended.len() + 1);
        let mut environment = Vec::new();
        let mut quiet = false;
        let mut rest = args.iter();
        let mut command: Vec<&String> = Vec::new();
        while let Some(arg) = rest.next() {
            let (flag, inline) =
                arg.split_once('=').map_or((arg.as_str(), None), |(flag, value)| (flag, Some(value.to_owned())));
            let mut value = || inline.clone().or_else(|| rest.next().cloned()).unwrap_or_default();
            match flag {
                "--unit" | "-u" => unit = value(),
                "--setenv" | "-E" => environment.push(value()),
                "--property"
                | "-p"
                | "--description"
                | "--service-type"
                | "--uid"
                | "--working-directory"
                | "--slice" => drop(value()),
                "--quiet" | "-q" => quiet = true,
                "--" => {
                    command.extend(rest.by_ref());
                }
                flag if flag.starts_with('-') => {}
                _ => {
                    command.push(arg);
                    command.extend(rest.by_ref());
                }
            }
        }
        let unit = name(&unit).to_owned();
        if self.running.contains_key(&unit) {
            return (
                String::new(),
                format!(
                    "Failed to start transient service unit: Unit {unit}.service was already loaded or has a fragment file.\n"
                ),
                1,
            );
        }
        let [program, arguments @ ..] = command.as_slice() else {
            return (String::new(), "Command line to execute required.\n".to_owned(), 1);
        };
        let pairs = environment.iter().filter_map(|pair| pair.split_once('='));
        let started = Command::new(program)
            .args(arguments)
            .env_clear()
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .envs(pairs)
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn();
        match started {
            Ok(child) => {
                let _ = std::fs::create_dir_all("/run/systemd/transient");
                let _ = std::fs::write(marker(&unit), b"");
                self.ended.remove(&unit);
                self.running.insert(unit.clone(), i32::try_from(child.id()).unwrap_or(0));
                let note = if quiet { String::new() } else { format!("Running as unit: {unit}.service\n") };
                (String::new(), note, 0)
            }
            Err(error) => (String::new(), format!("Failed to find executable {program}: {error}\n"), 1),
        }
    }

    fn control(&mut self, args: &[String]) -> Said {
        let mut words = args.iter().filter(|arg| !arg.starts_with('-'));
        let verb = words.next().map(String::as_str).unwrap_or_default();
        let unit = words.next().map(|unit| name(unit).to_owned()).unwrap_or_default();
        let running = self.running.get(&unit).copied();
        let quiet = args.iter().any(|arg| arg == "--quiet" || arg == "-q");
        let state = if running.is_some() { "active" } else { "inactive" };
        match verb {
            "is-active" => (
                if quiet { String::new() } else { format!("{state}\n") },
                String::new(),
                if running.is_some() { 0 } else { 3 },
            ),
            "is-failed" => (if quiet { String::new() } else { format!("{state}\n") }, String::new(), 1),
            "show" => {
                let sub = if running.is_some() { "running" } else { "dead" };
                (
                    format!(
                        "Id={unit}.service\nLoadState=loaded\nActiveState={state}\nSubState={sub}\nMainPID={}\n",
                        running.unwrap_or(0)
                    ),
                    String::new(),
                    0,
                )
            }
            "stop" | "kill" => {
                if let Some(group) = running {
                    let _ =
                        killpg(Pid::from_raw(group), if verb == "stop" { Signal::SIGTERM } else { Signal::SIGKILL });
                    if verb == "stop" {
                        std::thread::sleep(std::time::Duration::from_millis(50));
                        let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
                    }
                }
                (String::new(), String::new(), 0)
            }
            _ => (String::new(), String::new(), 0),
        }
    }

    /// A child of the first process has ended.
    pub fn ended(&mut self, pid: i32, status: i32) {
        let unit = self.running.iter().find(|(_, group)| **group == pid).map(|(unit, _)| unit.clone());
        if let Some(unit) = unit {
            self.running.remove(&unit);
            let _ = std::fs::remove_file(marker(&unit));
            self.ended.insert(unit, status);
        }
    }
}

//! What `systemd-run`, and `systemctl` about a transient unit, understand and say.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nix::sys::signal::Signal;

use super::units::{self, Order, PATIENCE, Units, locked, marker, timer_marker};

/// What a call prints and exits with.
pub type Said = (String, String, i32);

/// Whether a call of systemctl is about a transient unit this node knows.
pub fn concerns(argv: &[String]) -> bool {
    const ABOUT_UNITS: [&str; 7] = ["is-active", "is-failed", "show", "stop", "kill", "reset-failed", "status"];
    match words(argv.get(1..).unwrap_or_default()).as_slice() {
        [verb, unit] => {
            let marker = timer(unit).map_or_else(|| marker(name(unit)), timer_marker);
            ABOUT_UNITS.contains(verb) && Path::new(&marker).exists()
        }
        _ => false,
    }
}

/// Answers `systemd-run …` and `systemctl …`. What a timer waits for passes `speed` times as fast as here.
pub fn answer(units: &Arc<Mutex<Units>>, speed: u32, argv: &[String]) -> Said {
    match argv.split_first() {
        Some((program, rest)) if program.ends_with("systemd-run") => run(units, speed, rest),
        Some((_, rest)) => control(units, rest),
        None => said(1, ""),
    }
}

fn name(unit: &str) -> &str {
    unit.strip_suffix(".service").unwrap_or(unit)
}

/// The unit a timer of this name starts.
fn timer(unit: &str) -> Option<&str> {
    unit.strip_suffix(".timer")
}

fn words(args: &[String]) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        if ["-p", "-s", "-n", "-o"].contains(&arg.as_str()) {
            rest.next();
        } else if !arg.starts_with('-') {
            words.push(arg.as_str());
        }
    }
    words
}

fn said(status: i32, out: impl Into<String>) -> Said {
    (out.into(), String::new(), status)
}

fn failed(complaint: impl Into<String>) -> Said {
    (String::new(), complaint.into(), 1)
}

fn run(units: &Arc<Mutex<Units>>, speed: u32, args: &[String]) -> Said {
    let mut order = Order { command: Vec::new(), environment: Vec::new(), collect: false, patience: PATIENCE };
    let (mut unit, mut quiet, mut wait) = (None, false, None);
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        let (flag, inline) =
            arg.split_once('=').map_or((arg.as_str(), None), |(flag, value)| (flag, Some(value.to_owned())));
        let mut value = || inline.clone().or_else(|| rest.next().cloned()).unwrap_or_default();
        match flag {
            "--unit" | "-u" => unit = Some(value()),
            "--setenv" | "-E" => {
                let pair = value();
                order.environment.extend(pair.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned())));
            }
            "--property" | "-p" => {
                let property = value();
                let seconds =
                    property.strip_prefix("TimeoutStopSec=").and_then(|text| text.trim_end_matches('s').parse().ok());
                order.patience = seconds.map_or(order.patience, Duration::from_secs);
            }
            "--on-active" => {
                let span = value();
                let Ok(seconds) = span.trim_end_matches('s').parse() else {
                    return failed(format!("Failed to parse timer value: {span}\n"));
                };
                wait = Some(Duration::from_secs(seconds));
            }
            "--description" | "--service-type" | "--uid" | "--working-directory" | "--slice" => drop(value()),
            "--quiet" | "-q" => quiet = true,
            "--collect" | "-G" => order.collect = true,
            "--" => order.command.extend(rest.by_ref().cloned()),
            flag if flag.starts_with('-') => {}
            _ => {
                order.command.push(arg.clone());
                order.command.extend(rest.by_ref().cloned());
            }
        }
    }
    let Some(program) = order.command.first() else { return failed("Command line to execute required.\n") };
    if let Some(time) = wait {
        return run_after(units, time / speed, unit.as_deref(), quiet, order);
    }
    let mut units = locked(units);
    let next = units.running.len() + units.failed.len() + 1;
    let unit = unit.map_or(format!("run-u{next}"), |unit| name(&unit).to_owned());
    if units.running.contains_key(&unit) || units.failed.contains_key(&unit) {
        return failed(format!(
            "Failed to start transient service unit: Unit {unit}.service was already loaded or has a fragment file.\n"
        ));
    }
    match units.start(&unit, &order) {
        Ok(()) if quiet => said(0, ""),
        Ok(()) => (String::new(), format!("Running as unit: {unit}.service\n"), 0),
        Err(error) => failed(format!("Failed to find executable {program}: {error}\n")),
    }
}

fn run_after(units: &Arc<Mutex<Units>>, time: Duration, unit: Option<&str>, quiet: bool, order: Order) -> Said {
    let unit = match unit {
        Some(unit) => timer(unit).unwrap_or(name(unit)).to_owned(),
        None => format!("run-r{}", locked(units).timers.len() + 1),
    };
    if locked(units).timers.contains_key(&unit) {
        return failed(format!(
            "Failed to start transient timer unit: Unit {unit}.timer was already loaded or has a fragment file.\n"
        ));
    }
    match units::start_after(units, time, &unit, order) {
        Ok(()) if quiet => said(0, ""),
        Ok(()) => {
            let told = format!("Running timer as unit: {unit}.timer\nWill run service as unit: {unit}.service\n");
            (String::new(), told, 0)
        }
        Err(error) => failed(format!("Failed to start transient timer unit: {error}\n")),
    }
}

/// A timer: it waits, or is not there.
fn control_timer(units: &Mutex<Units>, verb: &str, unit: &str, quiet: bool) -> Said {
    let waits = locked(units).timers.contains_key(unit);
    match verb {
        "is-active" => {
            let state = if waits { "active" } else { "inactive" };
            said(if waits { 0 } else { 3 }, if quiet { String::new() } else { format!("{state}\n") })
        }
        "stop" => {
            locked(units).forget_timer(unit);
            said(0, "")
        }
        "status" if waits => said(0, format!("● {unit}.timer - [systemd-run]\n     Active: active (waiting)\n")),
        "is-failed" => said(1, if waits { "active\n" } else { "inactive\n" }),
        _ => said(0, ""),
    }
}

fn control(units: &Mutex<Units>, args: &[String]) -> Said {
    let words = words(args);
    let [verb, unit] = words.as_slice() else { return failed("Too few arguments.\n") };
    if let Some(unit) = timer(unit) {
        return control_timer(units, verb, unit, args.iter().any(|arg| arg == "--quiet" || arg == "-q"));
    }
    let unit = name(unit);
    let (main, status) = {
        let units = locked(units);
        (units.running.get(unit).map(|running| running.main), units.failed.get(unit).copied())
    };
    let state = match (main, status) {
        (Some(_), _) => "active",
        (None, Some(_)) => "failed",
        (None, None) => "inactive",
    };
    let quiet = args.iter().any(|arg| arg == "--quiet" || arg == "-q");
    let line = if quiet { String::new() } else { format!("{state}\n") };
    match *verb {
        "is-active" => said(if main.is_some() { 0 } else { 3 }, line),
        "is-failed" => said(i32::from(status.is_none()), line),
        "status" => {
            let run = if main.is_some() { "active (running)" } else { state };
            said(if main.is_some() { 0 } else { 3 }, format!("● {unit}.service - [systemd-run]\n     Active: {run}\n"))
        }
        "show" => show(args, unit, main, status, state),
        "stop" => {
            units::stop(units, unit);
            said(0, "")
        }
        "kill" => {
            let killing = args.iter().any(|arg| arg.ends_with("KILL") || arg.ends_with("=9"));
            units::signal(units, unit, if killing { Signal::SIGKILL } else { Signal::SIGTERM });
            said(0, "")
        }
        _ => {
            locked(units).forget(unit);
            said(0, "")
        }
    }
}

fn show(args: &[String], unit: &str, main: Option<i32>, status: Option<i32>, state: &str) -> Said {
    let mut wanted: Vec<&str> = Vec::new();
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        let list = if arg == "-p" { rest.next().map(String::as_str) } else { arg.strip_prefix("--property=") };
        wanted.extend(list.unwrap_or_default().split(',').filter(|name| !name.is_empty()));
    }
    let bare = args.iter().any(|arg| arg == "--value");
    let sub = match state {
        "active" => "running",
        "failed" => "failed",
        _ => "dead",
    };
    let rows = [
        ("Id", format!("{unit}.service")),
        ("LoadState", "loaded".to_owned()),
        ("ActiveState", state.to_owned()),
        ("SubState", sub.to_owned()),
        ("MainPID", main.unwrap_or(0).to_string()),
        ("Result", if status.is_some() { "exit-code" } else { "success" }.to_owned()),
        ("ExecMainStatus", status.unwrap_or(0).to_string()),
    ];
    let rows = rows.into_iter().filter(|(key, _)| wanted.is_empty() || wanted.contains(key));
    said(
        0,
        rows.map(|(key, text)| if bare { format!("{text}\n") } else { format!("{key}={text}\n") }).collect::<String>(),
    )
}

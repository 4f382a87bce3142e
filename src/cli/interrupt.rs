//! Ctrl-C, a polite request to end and a terminal that is closed: the first asks the run to end, the second ends the
//! program.

use std::fs;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::prompt;
use crate::engine::stop::Stopper;
use crate::error::{ExitCode, Failure};
use crate::report::terminal::Screen;
use crate::ssh;

/// Turns Ctrl-C and a polite request to end into `stopper`, for as long as the program runs.
pub(super) fn heed(stopper: Stopper, screen: Screen) -> Result<(), Failure> {
    let listen = |kind| signal(kind).map_err(|error| Failure::io("cannot listen to signals", &error));
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    let mut hangup = if hangup_ignored() { None } else { Some(listen(SignalKind::hangup())?) };
    tokio::spawn(async move {
        next(&mut interrupt, &mut terminate, &mut hangup).await;
        if prompt::abandon() {
            end();
        }
        stopper.ask();
        screen.say("finishing what is being done; Ctrl-C again ends at once");
        next(&mut interrupt, &mut terminate, &mut hangup).await;
        end();
    });
    Ok(())
}

async fn next(interrupt: &mut Signal, terminate: &mut Signal, hangup: &mut Option<Signal>) {
    let hung_up = async {
        match hangup {
            Some(hangup) => hangup.recv().await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hung_up => {}
    }
}

/// Whether the program was started by nohup(1): then it outlives its terminal (proc(5), `SigIgn` of `status`).
fn hangup_ignored() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    // SIGHUP is number 1, the lowest bit.
    ignored.is_some_and(|mask| mask & 1 == 1)
}

fn end() -> ! {
    ssh::abandon();
    std::process::exit(ExitCode::Interrupted.number().into())
}

//! Ctrl-C: the first asks the run to end, the second ends the program.

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::prompt;
use crate::engine::stop::Stopper;
use crate::error::{ExitCode, Failure};
use crate::report::terminal::Screen;

/// Turns Ctrl-C and a polite request to end into `stopper`, for as long as the program runs.
pub(super) fn heed(stopper: Stopper, screen: Screen) -> Result<(), Failure> {
    let listen = |kind| signal(kind).map_err(|error| Failure::io("cannot listen to signals", &error));
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    tokio::spawn(async move {
        next(&mut interrupt, &mut terminate).await;
        if prompt::abandon() {
            end();
        }
        stopper.ask();
        screen.say("finishing what is being done; Ctrl-C again ends at once");
        next(&mut interrupt, &mut terminate).await;
        end();
    });
    Ok(())
}

async fn next(interrupt: &mut Signal, terminate: &mut Signal) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

fn end() -> ! {
    std::process::exit(ExitCode::Interrupted.number().into())
}

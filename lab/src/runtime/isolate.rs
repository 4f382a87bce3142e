//! The outer namespaces: mounts, network and processes of the lab end with its first process.

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, Result};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl;
use nix::sys::signal::{SigHandler, Signal, signal};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork};

use super::BASE;

/// Whether somebody pressed Ctrl-C.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);
/// What a shell reports of a command that was interrupted.
const INTERRUPT_CODE: u8 = 130;

/// Whether the lab was interrupted: one that is still being built ends then, one that runs leaves it to its command.
pub fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}

extern "C" fn note_interrupt(_: libc::c_int) {
    INTERRUPTED.store(true, Ordering::Relaxed);
}

/// Runs `inside` as the first process of fresh mount, network and process namespaces and returns its exit code.
/// When this process dies, however it dies, the kernel ends everything in there.
pub fn isolated(inside: impl FnOnce() -> Result<u8>) -> Result<ExitCode> {
    unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWPID)
        .context("making namespaces")?;
    // SAFETY: no thread has been started yet.
    match unsafe { fork() }.context("forking")? {
        ForkResult::Child => {
            prctl::set_pdeathsig(Signal::SIGKILL)?;
            // SAFETY: storing to an atomic is all the handler does.
            unsafe { signal(Signal::SIGINT, SigHandler::Handler(note_interrupt)) }?;
            let code = prepare().and_then(|()| inside()).unwrap_or_else(|error| {
                if interrupted() {
                    return INTERRUPT_CODE;
                }
                eprintln!("homeprov-lab: {error:#}");
                1
            });
            std::process::exit(i32::from(code));
        }
        ForkResult::Parent { child } => {
            // An interrupt is for the command; this process only waits for its end.
            for ignored in [Signal::SIGINT, Signal::SIGQUIT] {
                // SAFETY: ignoring a signal runs no handler.
                unsafe { signal(ignored, SigHandler::SigIgn) }?;
            }
            match waitpid(child, None)? {
                WaitStatus::Exited(_, code) => Ok(ExitCode::from(u8::try_from(code).unwrap_or(1))),
                _ => Ok(ExitCode::from(137)),
            }
        }
    }
}

fn prepare() -> Result<()> {
    let none: Option<&str> = None;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).context("making mounts private")?;
    mount(Some("proc"), "/proc", Some("proc"), MsFlags::empty(), none).context("mounting /proc")?;
    mount(Some("tmpfs"), BASE, Some("tmpfs"), MsFlags::empty(), Some("size=200g,mode=755"))
        .context("mounting a tmpfs")?;
    Ok(())
}

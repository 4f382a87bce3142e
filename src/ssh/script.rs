//! The text of one exec: every section with its time limit, its answer framed by a marker no section can know.
//!
//! The text travels on the standard input of `sh`, so nothing of it shows in a process list but the shell texts of
//! sections, which hold no secrets. It is one function called at its end: a shell that gets only half of it, because
//! the connection broke, runs nothing at all.

use std::fmt::Write as _;
use std::time::Duration;

use secrecy::ExposeSecret;
use secrecy::zeroize::Zeroizing;

use super::transport::{Program, Purpose, Script};

/// Sets the surroundings every section runs in: a PATH of its own with `/snap/bin`, plain C texts, a sane umask.
const PREAMBLE: &str = include_str!("preamble.sh");
/// Longer shell texts do not fit into one argument (`MAX_ARG_STRLEN` of Linux is 128 KiB).
const LONGEST_ARGUMENT: usize = 100 * 1024;
/// What a section that ran out of time may take to end, beyond its limit.
const GRACE: Duration = Duration::from_secs(4);

/// Why a script cannot be sent: a NUL byte, which no argument and no shell text can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a command holds a NUL byte")]
pub struct NulByte;

impl From<shlex::QuoteError> for NulByte {
    fn from(_: shlex::QuoteError) -> Self {
        Self
    }
}

/// The text for `sh` that runs a script. `marker` is random and made for this exec.
pub fn render(script: &Script, marker: &str) -> Result<Zeroizing<String>, NulByte> {
    let mut text = Zeroizing::new(String::with_capacity(8 * 1024));
    text.push_str("homeprov() {\n");
    text.push_str(PREAMBLE);
    let _ = writeln!(text, "homeprov_marker={marker}");
    // The clock is read only where it is used: `date` is a process of its own.
    text.push_str(match script.purpose {
        Purpose::Observe => "say \"hello $(date +%s.%N)\"\n",
        Purpose::Apply | Purpose::Job | Purpose::Probe | Purpose::Lock | Purpose::Stream => "say hello\n",
    });
    for section in &script.sections {
        let seconds = whole_seconds(section.limit);
        text.push_str("clock; say \"begin $uptime\"\n");
        push_program(&mut text, &section.program, seconds)?;
        text.push_str("status=$?; clock; say \"end $status $uptime\"\n");
    }
    text.push_str("say done\n}\nhomeprov\n");
    Ok(text)
}

/// The longest a script may take on the node.
pub(super) fn longest(script: &Script) -> Duration {
    script.sections.iter().map(|section| Duration::from_secs(whole_seconds(section.limit)) + GRACE).sum()
}

/// Seconds for `timeout`, which takes 0 for "no limit".
pub(super) fn whole_seconds(limit: Duration) -> u64 {
    let up = u64::from(limit.subsec_nanos() > 0);
    limit.as_secs().saturating_add(up).max(1)
}

fn push_program(text: &mut String, program: &Program, seconds: u64) -> Result<(), NulByte> {
    let _ = match program {
        Program::Shell(shell) if shell.len() > LONGEST_ARGUMENT => {
            writeln!(text, "printf %s {} | limited {seconds} sh -c 'eval \"$(cat)\"'", shlex::try_quote(shell)?)
        }
        Program::Shell(shell) => writeln!(text, "limited {seconds} sh -c {} </dev/null", shlex::try_quote(shell)?),
        Program::Command { argv, input } => {
            let command = shlex::try_join(argv.iter().map(String::as_str))?;
            match input {
                None => writeln!(text, "limited {seconds} {command} </dev/null"),
                // `printf` is a builtin: what it prints is in no argument of any process and in no file.
                Some(input) => writeln!(
                    text,
                    "printf %s {} | limited {seconds} {command}",
                    shlex::try_quote(input.expose_secret())?
                ),
            }
        }
    };
    Ok(())
}

/// A program as a shell text of its own, as a job's file holds it.
pub(super) fn standalone(program: &Program) -> Result<Zeroizing<String>, NulByte> {
    let text = match program {
        Program::Shell(shell) if shell.contains('\0') => return Err(NulByte),
        Program::Shell(shell) => shell.clone(),
        Program::Command { argv, input } => {
            let command = shlex::try_join(argv.iter().map(String::as_str))?;
            match input {
                None => command,
                Some(input) => format!("printf %s {} | {command}", shlex::try_quote(input.expose_secret())?),
            }
        }
    };
    Ok(Zeroizing::new(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_never_no_limit() {
        assert_eq!(whole_seconds(Duration::ZERO), 1);
        assert_eq!(whole_seconds(Duration::from_millis(1500)), 2);
        assert_eq!(whole_seconds(Duration::from_secs(3)), 3);
    }

    #[test]
    fn a_nul_byte_is_refused() {
        let program = Program::command(["printf", "a\0b"]);
        let script = Script::single(Purpose::Apply, "x", program.clone(), Duration::from_secs(1));
        assert_eq!(render(&script, "m").unwrap_err(), NulByte);
        assert_eq!(standalone(&program).unwrap_err(), NulByte);
    }

    #[test]
    fn a_secret_is_no_argument() {
        let program = Program::Command { argv: vec!["tee".into(), "/tmp/a file".into()], input: Some("s3cret".into()) };
        assert_eq!(*standalone(&program).unwrap(), "printf %s s3cret | tee '/tmp/a file'");
    }
}

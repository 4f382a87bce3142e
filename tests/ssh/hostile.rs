//! Machines that answer with rubbish, or are not the ones they say they are: a clear error within limits of time and
//! memory, and nothing sent to whom it was not meant for.

use std::time::{Duration, Instant};

use homeprov::bounded::LINE_MAX;
use homeprov::ssh::{HostKeyPolicy, Options, Transport, TransportError};

use crate::exec::shell;
use crate::row::Row;
use crate::sshd::{Sshd, open, quick};
use crate::switch::Switch;

/// Most mebibytes of memory that a hostile answer may cost at the peak: both streams of an exec, with room to grow.
const PEAK_MIB: u64 = 96;
/// Until such an answer is given up, on a slow machine.
const GIVEN_UP: Duration = Duration::from_secs(60);

/// The most memory this process has had so far, in mebibytes.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.split_whitespace().next().unwrap().parse::<u64>().unwrap() / 1024
}

/// What becomes of an exec on a node whose login shell is this script.
async fn error_of(script: &str) -> Option<TransportError> {
    let sshd = Sshd::with_shell(script, "")?;
    let (ssh, _events) = open(sshd.inventory(), quick());
    let (began, before) = (Instant::now(), peak());
    let error = ssh.run("nuc1", &shell("echo it")).await.unwrap_err();
    assert!(began.elapsed() < GIVEN_UP, "{:?}", began.elapsed());
    let grown = peak() - before;
    assert!(grown < PEAK_MIB, "{grown} MiB");
    assert!(error.to_string().len() < LINE_MAX + 200, "{} bytes", error.to_string().len());
    ssh.close().await;
    Some(error)
}

fn bad(error: &TransportError, words: &str) {
    assert!(matches!(error, TransportError::BadAnswer { detail, .. } if detail.contains(words)), "{error}");
}

#[tokio::test]
async fn output_without_end() {
    let row = Row::of("login shell prints without end", "instead of an answer");
    for stream in ["cat /dev/zero", "cat /dev/urandom", "yes >&2"] {
        let Some(error) = error_of(stream).await else { return };
        bad(&error, "more than 8 MiB");
    }
    row.ended("refused: it printed more than 8 MiB");
}

#[tokio::test]
async fn a_line_without_end() {
    let row = Row::of("login shell prints one line of 3 MB", "instead of an answer");
    let Some(error) = error_of("head -c 3000000 /dev/zero | tr '\\0' x >&2; exit 1").await else { return };
    let TransportError::NoShell { detail, .. } = &error else { panic!("{error}") };
    assert!(detail.ends_with("more characters)"), "{}", &detail[detail.len() - 60..]);
    row.ended("refused: no usable sh; the line is shown cut");
}

/// A shell that has read the script, and so knows the marker, and answers as it likes.
fn forging(answer: &str) -> String {
    format!(
        "marker=\nwhile IFS= read -r line; do\n\
         case $line in homeprov_marker=*) marker=${{line#*=}};; homeprov) break;; esac\ndone\n\
         say() {{ printf '\\n%s %s\\n' \"$marker\" \"$1\"; printf '\\n%s %s\\n' \"$marker\" \"$1\" >&2; }}\n\
         [ -n \"$marker\" ] || exit 9\n{answer}\nexit 0"
    )
}

#[tokio::test]
async fn forged_frames() {
    let row = Row::of("node forges the frames of an answer", "with the marker of the exec");
    for (answer, words) in [
        ("say hello; say 'begin 1'; say 'end zero 2'; say done", "ends within section it"),
        ("say hello; say 'end 0 2'; say 'begin 1'; say done", "ends within section it"),
        ("say hello; say done", "ends within section it"),
        ("say done; say hello", "did not begin"),
        ("say hello; say 'begin 1'; head -c 2000000 /dev/zero; say 'end 0 2'; say done", "more than 1 MiB"),
        ("say hello; say 'begin 1'; say 'end 0 2'; say 'end 0 2'; say done", "ends within its last line"),
    ] {
        let Some(error) = error_of(&forging(answer)).await else { return };
        bad(&error, words);
    }
    row.ended("refused: an answer that cannot be read, and within which section");
}

#[tokio::test]
async fn times_out_of_this_world_are_no_fault() {
    let answer = "say 'hello 99999999999999999999.999999999'; say 'begin 1e300'; say 'end 0 -5'; say done";
    let Some(sshd) = Sshd::with_shell(&forging(answer), "") else { return };
    let (ssh, _events) = open(sshd.inventory(), quick());
    let answer = ssh.run("nuc1", &shell("true")).await.unwrap();
    assert!(answer.sections["it"].succeeded() && answer.clock_offset.is_none(), "{answer:?}");
    ssh.close().await;
}

#[tokio::test]
async fn a_login_that_speaks_another_language() {
    let row = Row::of("login sets another language and a PATH of its own", "before every exec");
    let lies = "LANG=tr_TR.UTF-8; LC_ALL=ja_JP.UTF-8; LANGUAGE=de; PATH=/nonexistent:$PATH; POSIXLY_CORRECT=1\n\
                export LANG LC_ALL LANGUAGE PATH POSIXLY_CORRECT\nexec /bin/sh -c \"$SSH_ORIGINAL_COMMAND\"";
    let Some(sshd) = Sshd::with_shell(lies, "") else { return };
    let (ssh, _events) = open(sshd.inventory(), quick());
    let answer = ssh.run("nuc1", &shell("echo \"$LC_ALL $PATH\"; ls /nonexistent")).await.unwrap();
    let told = &answer.sections["it"];
    assert!(told.stdout.starts_with("C /usr/local/sbin:"), "{told:?}");
    assert!(told.stderr.contains("No such file or directory"), "{told:?}");
    row.ended("answers are in C, with homeprov's own PATH");
    ssh.close().await;
}

#[tokio::test]
async fn a_man_in_the_middle_learns_nothing() {
    let (Some(sshd), Some(thief)) = (Sshd::start(""), Sshd::with_shell("exit 0", "")) else { return };
    // It would let the user in, and write down whatever comes.
    std::fs::copy(sshd.path("authorized"), thief.path("authorized")).unwrap();
    let heard = thief.path("heard");
    std::fs::write(
        thief.path("shell/shell"),
        format!("#!/bin/sh\necho \"$SSH_ORIGINAL_COMMAND\" >>{0}; cat >>{0}\n", heard.display()),
    )
    .unwrap();
    let switch = Switch::to(sshd.port).await;
    let mut inventory = sshd.inventory();
    inventory.ssh.port = Some(switch.port);
    std::fs::write(
        sshd.path("known_hosts"),
        format!("[127.0.0.1]:{} {}\n", switch.port, sshd.public_key("host_ed25519")),
    )
    .unwrap();
    let row = Row::of("man in the middle with a host key of its own", "between two execs of a run");
    // Not even somebody who accepts every new key is led astray.
    let (ssh, _events) = open(inventory, Options { host_keys: HostKeyPolicy::AcceptNew, ..quick() });
    assert!(ssh.run("nuc1", &shell("true")).await.unwrap().sections["it"].succeeded());
    switch.turn_to(thief.port);
    sshd.cut();
    let error = loop {
        // The first exec after the cut may find the connection gone; the next one makes another.
        match ssh.run("nuc1", &shell("echo canary-for-the-node")).await.unwrap_err() {
            TransportError::Lost { .. } => {}
            error => break error,
        }
    };
    let TransportError::HostKeyChanged { offered, expected, .. } = &error else { panic!("{error}") };
    assert_eq!(*offered, format!("ED25519 {}", thief.fingerprint("host_ed25519")));
    assert!(expected.contains(&sshd.fingerprint("host_ed25519")), "{expected}");
    assert!(switch.connections_to(thief.port) > 0, "it really stood in between");
    let log = std::fs::read_to_string(thief.path("sshd.log")).unwrap();
    assert!(!log.contains("Accepted") && !heard.exists(), "{log}");
    ssh.close().await;
    row.ended("refused with both fingerprints; it got no login, no command and no word");
}

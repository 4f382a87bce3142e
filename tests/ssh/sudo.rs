//! Root's rights for a login that is not root, with stand-ins for `id` and `sudo` that behave as documented in sudo(8).

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use homeprov::inventory::model::Sudo;
use homeprov::ssh::{Job, JobState, Options, Program, SudoPassword, Transport, TransportError};

use crate::exec::{names, shell};
use crate::row::Row;
use crate::sshd::{Sshd, open, quick};

/// A server where `id -u` says 1000 until sudo has done its work.
fn server(sudo: Option<&str>) -> Option<Sshd> {
    let bin = tempfile::tempdir().unwrap().keep();
    let path = bin.display().to_string();
    let sshd = Sshd::with_shell(&format!("PATH={path}; export PATH; exec /bin/sh -c \"$SSH_ORIGINAL_COMMAND\""), "");
    let Some(sshd) = sshd else {
        fs::remove_dir_all(&bin).unwrap();
        return None;
    };
    let install = |name: &str, text: &str| {
        let file = bin.join(name);
        fs::write(&file, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    };
    install("id", "[ -n \"$RISEN\" ] && echo 0 || echo 1000");
    install("sh", "exec /bin/sh \"$@\"");
    if let Some(sudo) = sudo {
        let log = sshd.path("sudo.log");
        install("sudo", &format!("echo \"$*\" >>{}\nRISEN=1; export RISEN\n{sudo}", log.display()));
    }
    fs::rename(&bin, sshd.path("bin")).unwrap();
    std::os::unix::fs::symlink(sshd.path("bin"), &bin).unwrap();
    fs::write(sshd.path("bin/link"), path).unwrap();
    Some(sshd)
}

fn clean(sshd: &Sshd) {
    fs::remove_file(fs::read_to_string(sshd.path("bin/link")).unwrap()).unwrap();
}

/// Runs what follows the options.
const RUN: &str =
    "while [ $# -gt 0 ]; do case $1 in -n|-S|-H) shift;; -p) shift 2;; *) break;; esac; done; exec \"$@\"";

/// Wants the password `right`, asks up to three times.
fn wants_password() -> String {
    format!(
        "[ \"$1\" != -n ] || {{ echo 'sudo: a password is required' >&2; exit 1; }}\n\
         echo 'We trust you have received the usual lecture.' >&2\n\
         for try in 1 2 3; do\n\
           printf '%s' \"$4\" >&2; [ \"$3\" = -p ] || printf ' no -p' >&2\n\
           IFS= read -r word || {{ echo 'sudo: no password was provided' >&2; exit 1; }}\n\
           [ \"$word\" = right ] && {{ {RUN}; }}\n\
           echo 'Sorry, try again.' >&2\n\
         done\n\
         echo 'sudo: 3 incorrect password attempts' >&2; exit 1"
    )
}

fn provider(answers: &'static [&'static str]) -> (Options, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let ask: SudoPassword = Arc::new(move |_| {
        let number = count.fetch_add(1, Ordering::SeqCst);
        answers.get(number).map(|word| (*word).into())
    });
    let options = Options { sudo_password: Some(ask), ..quick() };
    (options, asked)
}

#[tokio::test]
async fn sudo_without_a_password_is_one_exec() {
    let Some(sshd) = server(Some(RUN)) else {
        return;
    };
    let (ssh, mut events) = open(sshd.inventory(), quick());
    let answer = ssh.run("nuc1", &shell("id -u")).await.unwrap();
    assert_eq!(answer.sections["it"].stdout, "0\n");
    assert_eq!(names(&mut events), ["connected", "executed Apply"]);
    ssh.close().await;
    clean(&sshd);
}

#[tokio::test]
async fn a_password_is_sent_when_sudo_asks_and_asked_for_once() {
    let Some(sshd) = server(Some(&wants_password())) else {
        return;
    };
    let row = Row::of("sudo wants a password", "at every exec of a login that is not root");
    let (options, asked) = provider(&["right"]);
    let (ssh, mut events) = open(sshd.inventory(), options);
    for _ in 0..3 {
        let answer = ssh.run("nuc1", &shell("id -u; cat")).await.unwrap();
        assert_eq!(answer.sections["it"].stdout, "0\n");
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    let expected = ["connected", "executed Probe"].into_iter().chain(["executed Apply"; 3]);
    assert!(names(&mut events).into_iter().eq(expected));
    ssh.close().await;
    let log = fs::read_to_string(sshd.path("sudo.log")).unwrap();
    assert!(!log.contains("right"), "{log}");
    row.ended("asked for once, sent on standard input when sudo asks");
    assert_eq!(log.lines().filter(|line| line.starts_with("-n")).count(), 1);
    clean(&sshd);
}

#[tokio::test]
async fn a_sudo_that_does_not_ask_gets_no_password() {
    // It takes its next line for a command, as a shell would.
    let Some(sshd) = server(Some(RUN)) else {
        return;
    };
    let mut inventory = sshd.inventory();
    inventory.ssh.sudo = Sudo::Password;
    let (options, _) = provider(&["touch /run/fed"]);
    let (ssh, _events) = open(inventory, options);
    let answer = ssh.run("nuc1", &shell("ls /run")).await.unwrap();
    assert!(!answer.sections["it"].stdout.contains("fed"));
    assert!(answer.sections["it"].succeeded());
    ssh.close().await;
    clean(&sshd);
}

#[tokio::test]
async fn a_wrong_password_is_tried_once_only() {
    let Some(sshd) = server(Some(&wants_password())) else {
        return;
    };
    let (options, asked) = provider(&["wrong", "right"]);
    let (ssh, _events) = open(sshd.inventory(), options);
    for detail in ["the password was not accepted", "sudo wants a password, and there is none"] {
        let error = ssh.run("nuc1", &shell("true")).await.unwrap_err();
        assert_eq!(
            error,
            TransportError::SudoRefused { host: format!("127.0.0.1:{}", sshd.port), detail: detail.into() }
        );
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    ssh.close().await;
    clean(&sshd);
}

async fn refusal(sudo: Option<&str>, how: Sudo) -> Option<String> {
    let sshd = server(sudo)?;
    let mut inventory = sshd.inventory();
    inventory.ssh.sudo = how;
    let (ssh, _events) = open(inventory, quick());
    let error = ssh.run("nuc1", &shell("true")).await.unwrap_err();
    ssh.close().await;
    clean(&sshd);
    match error {
        TransportError::SudoRefused { detail, .. } => Some(detail),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn each_refusal_is_told() {
    let cases = [
        (None, Sudo::Auto, "sudo is not installed"),
        (
            Some("echo 'sudo: sorry, you must have a tty to run sudo' >&2; exit 1"),
            Sudo::Auto,
            "sudo: sorry, you must have a tty to run sudo",
        ),
        (Some("echo 'sudo: a password is required' >&2; exit 1"), Sudo::Auto, "sudo: a password is required"),
        (
            Some("echo 'me is not in the sudoers file.  This incident will be reported.' >&2; exit 1"),
            Sudo::Auto,
            "me is not in the sudoers file.  This incident will be reported.",
        ),
        (Some(RUN), Sudo::Never, "the login is not root, and the inventory says `sudo = \"never\"`"),
    ];
    for (sudo, how, expected) in cases {
        let Some(detail) = refusal(sudo, how).await else {
            return;
        };
        assert_eq!(detail, expected);
    }
}

#[tokio::test]
async fn the_logins_path_does_not_choose_roots_programs() {
    let Some(sshd) = server(Some(RUN)) else {
        return;
    };
    for name in ["sh", "cat", "timeout", "homeprov-test-stranger"] {
        let file = sshd.path("bin").join(name);
        fs::write(
            &file,
            format!("#!/bin/sh\n[ \"$RISEN\" ] && echo \"{name} of the login\"\nexec /bin/{name} \"$@\"\n"),
        )
        .unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let (ssh, _events) = open(sshd.inventory(), quick());
    let text = "echo root | cat; homeprov-test-stranger";
    let answer = ssh.run("nuc1", &shell(text)).await.unwrap().sections.remove("it").unwrap();
    assert_eq!((answer.status, answer.stdout.as_str()), (127, "root\n"), "{}", answer.stderr);
    let job = Job {
        id: "path".into(),
        step: "path".into(),
        beginner: "a".into(),
        program: Program::Shell(text.into()),
        limit: Duration::from_secs(20),
    };
    let mut report = ssh.start_job("nuc1", &job).await.unwrap();
    while report.state == JobState::Running {
        report = ssh.poll_job("nuc1", "path", 0).await.unwrap();
    }
    assert_eq!(report.state, JobState::Finished(127));
    assert!(!report.output.contains("of the login"), "{}", report.output);
    ssh.end_job("nuc1", "path").await.unwrap();
    ssh.close().await;
    clean(&sshd);
}

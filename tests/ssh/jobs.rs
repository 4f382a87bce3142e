//! Detached jobs: started once, followed, attached to, lost, ended.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use homeprov::ssh::{Job, JobReport, JobState, Program, Transport};

use crate::exec::shell;
use crate::sshd::{Sshd, open, quick};

fn job(id: &str, text: &str) -> Job {
    let program = Program::Shell(text.into());
    Job { id: id.into(), step: "step".into(), beginner: "first".into(), program, limit: Duration::from_secs(30) }
}

fn folder(sshd: &Sshd, id: &str) -> PathBuf {
    sshd.path("lib/homeprov/jobs").join(id)
}

/// Follows a job from a report to its end.
async fn follow(ssh: &impl Transport, id: &str, first: JobReport) -> (JobState, String) {
    let began = Instant::now();
    let mut report = first;
    let mut output = report.output.clone();
    while report.state == JobState::Running {
        assert!(began.elapsed() < Duration::from_secs(60));
        report = ssh.poll_job("nuc1", id, report.offset).await.unwrap();
        output.push_str(&report.output);
    }
    (report.state, output)
}

#[tokio::test]
async fn a_job_is_started_once_and_its_output_is_whole() {
    let Some(sshd) = Sshd::start("") else { return };
    let (ssh, _events) = open(sshd.inventory(), quick());
    let runs = sshd.path("runs");
    let job = job(
        "once",
        &format!(
            "echo run >>{}; echo é; echo err >&2; echo \"$HOME\"; case $PATH in */snap/bin*) echo path; esac; \
             i=0; while [ $i -lt 20000 ]; do echo \"line $i é\"; i=$((i+1)); done; sleep 1; echo end; exit 3",
            runs.display()
        ),
    );
    let (one, two) = tokio::join!(ssh.start_job("nuc1", &job), ssh.start_job("nuc1", &job));
    let (first, second) = tokio::join!(follow(&ssh, "once", one.unwrap()), follow(&ssh, "once", two.unwrap()));
    assert_eq!(first, second);
    assert_eq!(first.0, JobState::Finished(3));
    assert!(first.1.starts_with("é\nerr\n/root\npath\nline 0 é\n"));
    assert!(first.1.ends_with("line 19999 é\nend\n"));
    assert_eq!(fs::read_to_string(&runs).unwrap(), "run\n");

    // It is known until it is forgotten; then it may run again.
    let again = ssh.start_job("nuc1", &job).await.unwrap();
    assert_eq!(follow(&ssh, "once", again).await.0, JobState::Finished(3));
    assert_eq!(fs::read_to_string(&runs).unwrap(), "run\n");
    ssh.end_job("nuc1", "once").await.unwrap();
    let gone = ssh.poll_job("nuc1", "once", 0).await.unwrap();
    assert_eq!(gone.state, JobState::Absent);
    let fresh = ssh.start_job("nuc1", &job).await.unwrap();
    assert_eq!(follow(&ssh, "once", fresh).await.0, JobState::Finished(3));
    assert_eq!(fs::read_to_string(&runs).unwrap(), "run\nrun\n");
    ssh.end_job("nuc1", "once").await.unwrap();
    ssh.close().await;
}

/// Its run was lost before it could read the end; the next one finds a world in which it may succeed.
#[tokio::test]
async fn what_failed_for_another_run_is_begun_anew() {
    let Some(sshd) = Sshd::start("") else { return };
    let (ssh, _events) = open(sshd.inventory(), quick());
    let (runs, room) = (sshd.path("runs"), sshd.path("room"));
    let text = format!("echo run >>{}; [ -e {} ] || {{ echo full; exit 1; }}", runs.display(), room.display());
    let (first, second) = (job("left", &text), Job { beginner: "second".into(), ..job("left", &text) });
    let report = ssh.start_job("nuc1", &first).await.unwrap();
    assert_eq!(follow(&ssh, "left", report).await, (JobState::Finished(1), "full\n".into()));
    fs::write(&room, "").unwrap();
    let again = ssh.start_job("nuc1", &second).await.unwrap();
    assert_eq!(follow(&ssh, "left", again).await, (JobState::Finished(0), String::new()));
    // What has done its work is not done again, whoever asks.
    let third = ssh.start_job("nuc1", &first).await.unwrap();
    assert_eq!(follow(&ssh, "left", third).await, (JobState::Finished(0), String::new()));
    assert_eq!(fs::read_to_string(&runs).unwrap(), "run\nrun\n");
    ssh.end_job("nuc1", "left").await.unwrap();
    ssh.close().await;
}

#[tokio::test]
async fn a_job_outlives_the_connection() {
    let Some(sshd) = Sshd::start("") else { return };
    let (ssh, _events) = open(sshd.inventory(), quick());
    let job = job("outlives", "echo begun; sleep 3; echo done");
    let report = ssh.start_job("nuc1", &job).await.unwrap();
    assert_eq!(report.state, JobState::Running);
    sshd.cut();
    ssh.close().await;
    let (other, _events) = open(sshd.inventory(), quick());
    let attached = other.start_job("nuc1", &job).await.unwrap();
    assert_eq!(follow(&other, "outlives", attached).await, (JobState::Finished(0), "begun\ndone\n".into()));
    other.end_job("nuc1", "outlives").await.unwrap();
    other.close().await;
}

#[tokio::test]
async fn the_limit_holds_on_the_node() {
    let Some(sshd) = Sshd::start("") else { return };
    let (ssh, _events) = open(sshd.inventory(), quick());
    let job = Job { limit: Duration::from_secs(1), ..job("limit", "echo begun; sleep 60") };
    let report = ssh.start_job("nuc1", &job).await.unwrap();
    assert_eq!(follow(&ssh, "limit", report).await, (JobState::Finished(124), "begun\n".into()));
    ssh.end_job("nuc1", "limit").await.unwrap();
    ssh.close().await;
}

#[tokio::test]
async fn ending_a_job_ends_all_of_it() {
    let Some(sshd) = Sshd::start("") else { return };
    let (ssh, _events) = open(sshd.inventory(), quick());
    let pids = sshd.path("pids");
    let job =
        job("all-of-it", &format!("sh -c 'sleep 300 & echo $! >>{p}; wait' & echo $! >>{p}; wait", p = pids.display()));
    ssh.start_job("nuc1", &job).await.unwrap();
    let began = Instant::now();
    while fs::read_to_string(&pids).unwrap_or_default().lines().count() < 2 {
        assert!(began.elapsed() < Duration::from_secs(10));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    ssh.end_job("nuc1", "all-of-it").await.unwrap();
    for pid in fs::read_to_string(&pids).unwrap().lines() {
        assert!(!fs::exists(format!("/proc/{pid}/cwd")).unwrap(), "{pid} lives");
    }
    assert!(!folder(&sshd, "all-of-it").exists());
    ssh.end_job("nuc1", "all-of-it").await.unwrap();
    ssh.close().await;
}

#[tokio::test]
async fn a_killed_or_rebooted_job_is_lost() {
    let Some(sshd) = Sshd::start("") else { return };
    let (ssh, _events) = open(sshd.inventory(), quick());
    let killed = job("killed", "sleep 300");
    ssh.start_job("nuc1", &killed).await.unwrap();
    let pid = fs::read_to_string(folder(&sshd, "killed").join("pid")).unwrap();
    ssh.run("nuc1", &shell(&format!("kill -KILL {}", pid.trim()))).await.unwrap();
    let report = ssh.poll_job("nuc1", "killed", 0).await.unwrap();
    assert_eq!(report.state, JobState::Lost);
    // What it left behind is ended with it.
    ssh.end_job("nuc1", "killed").await.unwrap();

    let rebooted = job("rebooted", "sleep 300");
    ssh.start_job("nuc1", &rebooted).await.unwrap();
    let boot_id = folder(&sshd, "rebooted").join("boot_id");
    let now = fs::read(&boot_id).unwrap();
    fs::write(&boot_id, "another\n").unwrap();
    let report = ssh.start_job("nuc1", &rebooted).await.unwrap();
    assert_eq!(report.state, JobState::Lost);
    fs::write(&boot_id, now).unwrap();
    ssh.end_job("nuc1", "rebooted").await.unwrap();
    ssh.close().await;
}

#[tokio::test]
async fn a_jobs_files_are_for_root_only_and_its_input_shows_nowhere() {
    use std::os::unix::fs::PermissionsExt;
    let Some(sshd) = Sshd::start("") else { return };
    let (ssh, _events) = open(sshd.inventory(), quick());
    let (seen, go) = (sshd.path("seen"), sshd.path("go"));
    let text = format!(
        "cat /proc/[0-9]*/cmdline >{} 2>/dev/null; cat; until [ -e {} ]; do sleep 0.1; done",
        seen.display(),
        go.display()
    );
    let job = Job {
        program: Program::Command { argv: vec!["sh".into(), "-c".into(), text], input: Some("s3cret-word".into()) },
        ..job("secret", "")
    };
    let report = ssh.start_job("nuc1", &job).await.unwrap();
    let script = folder(&sshd, "secret").join("script");
    assert_eq!(fs::metadata(&script).unwrap().permissions().mode() & 0o777, 0o600);
    let mode = fs::metadata(script.parent().unwrap()).unwrap();
    assert_eq!(mode.permissions().mode() & 0o777, 0o700);
    fs::write(&go, "").unwrap();
    let end = follow(&ssh, "secret", report).await;
    assert_eq!(end, (JobState::Finished(0), "s3cret-word".into()));
    assert!(!script.exists());
    let seen = fs::read(&seen).unwrap();
    assert!(!String::from_utf8_lossy(&seen).contains("s3cret-word"));
    ssh.end_job("nuc1", "secret").await.unwrap();
    ssh.close().await;
}

#[tokio::test]
async fn a_full_or_read_only_disk_is_told() {
    let Some(sshd) = Sshd::start("") else { return };
    let (ssh, _events) = open(sshd.inventory(), quick());
    fs::write(sshd.path("lib/homeprov"), "a file in the way").unwrap();
    let error = ssh.start_job("nuc1", &job("nowhere", "true")).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("a job cannot be kept there: mkdir:"), "{text}");
    ssh.close().await;
}

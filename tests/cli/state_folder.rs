//! The state folder cannot be written, or fills up: the run goes on and says so.

use std::fmt::Write as _;
use std::process::Output;

use super::row::Row;
use super::{Desk, Said};

/// Runs the program where the state folder is a file system of its own; what is kept of the journal goes to `kept`.
fn run_on(desk: &Desk, mount: &str, before: &str, arguments: &[&str]) -> Said {
    let state = desk.path("state");
    std::fs::create_dir_all(&state).expect("a folder");
    let script = format!(
        "mount -t tmpfs -o {mount} tmpfs \"$XDG_STATE_HOME\" || exit 99\n{before}\n\"$@\"\ncode=$?\n\
         cat \"$XDG_STATE_HOME\"/homeprov/runs/*/events.jsonl >kept 2>/dev/null\nexit $code\n"
    );
    let program = desk.command(arguments);
    let mut command = std::process::Command::new("unshare");
    command.args(["-rm", "sh", "-c", &script, "sh"]).arg(program.get_program()).args(program.get_args());
    command.current_dir(desk.path("")).env("XDG_STATE_HOME", &state).stdin(std::process::Stdio::null());
    let Output { status, stdout, stderr } = command.output().expect("unshare should start");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    let said = Said { code: status.code().expect("an exit status"), out: text(stdout), err: text(stderr) };
    assert!(said.code != 99 && !said.err.starts_with("unshare: "), "nothing can be mounted here: {}", said.err);
    said
}

#[test]
fn a_read_only_one_leaves_the_run_without_a_journal() {
    let desk = Desk::new();
    desk.unreachable();
    let row = Row::of("the controller's state folder is read-only", "from the start, real program");
    let said = run_on(&desk, "ro", "", &["up", "home.toml"]);
    assert_eq!(said.code, 9, "{}", said.err);
    for words in ["this run has no journal", "Read-only file system", "state/homeprov", "XDG_STATE_HOME"] {
        assert!(said.err.contains(words), "{words}: {}", said.err);
    }
    assert!(!said.err.contains("panicked"), "{}", said.err);
    row.ended("the run goes on, with a warning");
}

/// Twenty nodes where nobody listens: their run tells more than a page.
fn many(desk: &Desk) {
    let mut text = "[cluster]\nname = \"home\"\n".to_owned();
    for n in 1..=20 {
        let role = if n <= 3 { "control-plane" } else { "worker" };
        let _ = writeln!(
            text,
            "[[nodes]]\nname = \"nuc{n}\"\naddress = \"192.168.77.{}\"\nrole = \"{role}\"\nssh = {{ host = \"127.0.0.1\", port = {n} }}",
            10 + n
        );
    }
    desk.write("home.toml", &text);
}

#[test]
fn a_full_one_ends_the_journal_and_not_the_run() {
    let desk = Desk::new();
    many(&desk);
    let fill = "echo >\"$XDG_STATE_HOME\"/fill";
    for (before, when) in [("", "in mid-run, real program"), (fill, "from the start, real program")] {
        let row = Row::of("the controller's state folder is full", when);
        // One page for the inventory's copy and one for the journal, or for what is in its way.
        let said = run_on(&desk, "size=8k", before, &["up", "home.toml"]);
        assert_eq!(said.code, 9, "{}", said.err);
        for words in ["events.jsonl ends here: No space left on device", "The run itself goes on"] {
            assert!(said.err.contains(words), "{words}: {}", said.err);
        }
        assert!(!said.err.contains("panicked"), "{}", said.err);
        let kept = std::fs::read_to_string(desk.path("kept")).expect("what is kept");
        assert_eq!(kept.is_empty(), !before.is_empty(), "{kept}");
        if before.is_empty() {
            // What had been written can be shown.
            assert!(kept.starts_with("{\"schema\":1,") && !kept.contains("run-finished"), "{kept}");
            let folder = desk.path("state/homeprov/runs/01K00000000000000000000000");
            std::fs::create_dir_all(&folder).expect("a folder");
            std::fs::write(folder.join("events.jsonl"), &kept).expect("written");
            let said = desk.run(&["log", "01K00000000000000000000000"]);
            assert!(said.code == 0 && format!("{}{}", said.out, said.err).contains("nuc1"), "{}{}", said.out, said.err);
        }
        row.ended("the run goes on, with a warning");
    }
}

//! The program as it is typed: exit codes, streams, files. No machine is needed: where one is talked to, it is a port
//! of this machine on which nobody listens.

#[path = "faults/row.rs"]
#[allow(dead_code, reason = "other tests end rows in other ways")]
mod row;
#[path = "cli/state_folder.rs"]
mod state_folder;

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A folder to run the program in, with a state folder of its own.
struct Desk(TempDir);

struct Said {
    code: i32,
    out: String,
    err: String,
}

impl Desk {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("written");
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_homeprov"));
        command.args(arguments).current_dir(self.0.path()).stdin(Stdio::null());
        command.env("XDG_STATE_HOME", self.path("state")).env_remove("CLICOLOR_FORCE");
        command
    }

    fn run(&self, arguments: &[&str]) -> Said {
        let Output { status, stdout, stderr } = self.command(arguments).output().expect("it runs");
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        Said { code: status.code().expect("an exit status"), out: text(stdout), err: text(stderr) }
    }

    /// An inventory of one node, where nobody listens.
    fn unreachable(&self) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("its number").port();
        let node = "[[nodes]]\nname = \"nuc1\"\naddress = \"192.168.77.11\"";
        let ssh = format!("ssh = {{ host = \"127.0.0.1\", port = {port} }}");
        self.write("home.toml", &format!("[cluster]\nname = \"home\"\n{node}\n{ssh}\n"));
    }
}

#[test]
fn wrong_usage_ends_with_2() {
    let desk = Desk::new();
    for arguments in [&["frobnicate"][..], &[], &["up"], &["plan", "--yes", "x"], &["up", "-q", "-v", "x"]] {
        let said = desk.run(arguments);
        assert_eq!(said.code, 2, "{arguments:?}");
        assert_eq!(said.out, "", "{arguments:?}");
        assert!(said.err.contains("Usage:"), "{arguments:?}: {}", said.err);
    }
    for arguments in [["--help"], ["--version"]] {
        let said = desk.run(&arguments);
        assert_eq!((said.code, said.err.as_str()), (0, ""), "{arguments:?}");
    }
}

#[test]
fn an_invalid_inventory_or_playbook_ends_with_3_and_its_place() {
    let desk = Desk::new();
    desk.write("bad.toml", "[cluster]\nname = \"home\"\nchanel = \"1.35/stable\"\n");
    for command in ["up", "plan", "status"] {
        let said = desk.run(&[command, "bad.toml"]);
        assert_eq!((said.code, said.out.as_str()), (3, ""), "{command}");
        assert!(said.err.contains("bad.toml:3:1"), "{}", said.err);
        assert!(said.err.contains("did you mean `channel`?"), "{}", said.err);
    }
    assert_eq!(desk.run(&["up", "none.toml"]).code, 3);
    fs::create_dir(desk.path("mine")).expect("a folder");
    desk.write("mine/10-mine.toml", "[[step]]\nid = \"a\"\ntitle = \"a\"\non = \"all\"\nwhy = \"w\"\n");
    let said = desk.run(&["playbooks", "list", "--playbooks", "mine"]);
    assert_eq!((said.code, said.out.as_str()), (3, ""));
    assert!(said.err.contains("mine/10-mine.toml:2:6"), "{}", said.err);
    assert!(!desk.path("state").exists(), "nothing ran, so there is no journal");
}

#[test]
fn an_unreachable_node_ends_with_9_and_a_journal() {
    let desk = Desk::new();
    desk.unreachable();
    let said = desk.run(&["up", "home.toml"]);
    assert_eq!((said.code, said.out.as_str()), (9, ""), "{}", said.err);
    assert!(said.err.contains("nuc1") && said.err.contains("refuses connections"), "{}", said.err);
    assert!(said.err.contains("next     homeprov up home.toml"), "{}", said.err);
    let journal = said.err.lines().find_map(|line| line.strip_prefix("  journal  ")).expect("its journal");
    assert!(Path::new(journal).starts_with(desk.path("state/homeprov/runs")), "{journal}");
    assert_eq!(fs::metadata(journal).expect("it is there").permissions().mode() & 0o777, 0o600);
    let lines = fs::read_to_string(journal).expect("it can be read");
    assert!(lines.starts_with("{\"schema\":1,"), "{lines}");
    assert!(lines.lines().last().expect("an end").contains("\"event\":\"run-finished\""), "{lines}");
}

#[test]
fn results_go_to_standard_output_and_nothing_else_does() {
    let desk = Desk::new();
    desk.unreachable();
    let plan = desk.run(&["plan", "home.toml"]);
    assert_eq!((plan.code, plan.err.as_str()), (9, ""), "{}", plan.out);
    assert!(plan.out.contains("nuc1 is unreachable"), "{}", plan.out);
    for command in ["plan", "status"] {
        let said = desk.run(&[command, "--json", "home.toml"]);
        let value: serde_json::Value = serde_json::from_str(&said.out).expect("one JSON document");
        assert_eq!((said.code, said.err.as_str()), (9, ""), "{command}");
        assert_eq!((&value["schema"], &value["cluster"]), (&1.into(), &"home".into()), "{command}");
    }
    let up = desk.run(&["up", "--json", "home.toml"]);
    assert_eq!((up.code, up.err.as_str()), (9, ""));
    for line in up.out.lines() {
        let value: serde_json::Value = serde_json::from_str(line).expect("one JSON object in each line");
        assert_eq!(value["schema"], 1);
    }
    let quiet = desk.run(&["up", "--quiet", "home.toml"]);
    let loud = desk.run(&["up", "home.toml"]);
    assert!(quiet.err.contains("nuc1") && quiet.err.lines().count() < loud.err.lines().count(), "{}", quiet.err);
}

#[test]
fn colour_is_there_only_when_it_is_asked_for() {
    let desk = Desk::new();
    desk.unreachable();
    let coloured = |forced: &str, refused: &str| {
        let mut command = desk.command(&["status", "home.toml"]);
        let command = command.env("CLICOLOR_FORCE", forced).env("NO_COLOR", refused);
        String::from_utf8(command.output().expect("it runs").stdout).expect("UTF-8").contains('\u{1b}')
    };
    assert!(!coloured("", ""));
    assert!(coloured("1", ""));
    assert!(!coloured("1", "1"));
}

#[test]
fn a_sudo_password_file_is_checked_first() {
    let desk = Desk::new();
    desk.unreachable();
    let said = desk.run(&["up", "--sudo-password-file", "none", "home.toml"]);
    assert_eq!(said.code, 2);
    assert!(said.err.contains("cannot read the sudo password from none"), "{}", said.err);
    desk.write("empty", "\nsecret\n");
    assert_eq!(desk.run(&["up", "--sudo-password-file", "empty", "home.toml"]).code, 2);
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let desk = Desk::new();
    for arguments in [&["schema"][..], &["completions", "bash"], &["playbooks", "list"], &["--help"]] {
        let mut child =
            desk.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        drop(child.stdout.take());
        let output = child.wait_with_output().expect("it ends");
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{arguments:?}");
    }
}

#[test]
fn the_commands_that_need_no_machine() {
    let desk = Desk::new();
    assert_eq!(desk.run(&["schema"]).out, homeprov::inventory::schema());
    for shell in ["bash", "zsh", "fish"] {
        let said = desk.run(&["completions", shell]);
        assert!(said.code == 0 && said.out.contains("homeprov") && said.out.contains("playbooks"), "{shell}");
    }
    let list = desk.run(&["playbooks", "list"]);
    assert!(list.out.contains("20-microk8s\n") && list.out.contains("snapd-ready"), "{}", list.out);

    let said = desk.run(&["playbooks", "export", "mine"]);
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    assert!(said.out.contains("mine/README.md\n"), "{}", said.out);
    assert_eq!(desk.run(&["playbooks", "list", "--playbooks", "mine"]).out, list.out);
    desk.write("mine/20-microk8s.toml", "# mine\n");
    let said = desk.run(&["playbooks", "export", "mine"]);
    assert_eq!(said.code, 2);
    assert!(said.err.contains("mine/20-microk8s.toml") && said.err.contains("--force"), "{}", said.err);
    assert_eq!(desk.run(&["playbooks", "export", "--force", "mine"]).out, "mine/20-microk8s.toml\n");
    desk.write("mine/gitops/mastodon/deployment.yaml.hbs", "kind: Deployment\n");
    let said = desk.run(&["playbooks", "list", "--playbooks", "mine"]);
    assert_eq!(said.code, 3);
    assert!(said.err.contains("homeprov has no template of that name"), "{}", said.err);
}

/// Runs a command with this on its standard input, which is no terminal.
fn fed(desk: &Desk, arguments: &[&str], input: &str) -> Said {
    let mut command = desk.command(arguments);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    std::io::Write::write_all(&mut child.stdin.take().expect("a pipe"), input.as_bytes()).expect("it reads");
    let Output { status, stdout, stderr } = child.wait_with_output().expect("it ends");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    Said { code: status.code().expect("an exit status"), out: text(stdout), err: text(stderr) }
}

#[test]
fn an_inventory_is_written_from_a_list_of_addresses() {
    let desk = Desk::new();
    let machines = "# mine\n192.168.77.12 nuc1\n\n192.168.77.13 nuc2 # in the attic\n192.168.77.14 nuc3 worker\n";
    let said = fed(&desk, &["init", "home.toml", "--pool", "192.168.77.240/29", "--no-probe"], machines);
    assert_eq!((said.code, said.err.as_str()), (0, ""), "{}", said.out);
    assert_eq!(said.out, "home.toml: 3 machines\nnext     homeprov plan home.toml\n");
    let written = fs::read_to_string(desk.path("home.toml")).expect("written");
    let loaded = homeprov::inventory::load(&desk.path("home.toml")).expect("`plan` takes it");
    assert_eq!((loaded.inventory.nodes.len(), loaded.inventory.control_planes().count()), (3, 1));
    assert!(written.contains("name = \"nuc3\"\naddress = \"192.168.77.14\"\nrole = \"worker\""), "{written}");

    // It is there now, and stays as it is.
    let again = fed(&desk, &["init", "home.toml", "--no-probe"], "192.168.77.9\n");
    assert!(again.code == 2 && again.err.contains("home.toml is there already"), "{}", again.err);
    assert_eq!(fs::read_to_string(desk.path("home.toml")).expect("there"), written);
}

#[test]
fn init_writes_nothing_that_is_no_inventory() {
    let desk = Desk::new();
    for (input, arguments, words) in [
        ("", &[][..], "no address on standard input"),
        ("attic\n", &[], "`attic` is no IPv4 address"),
        ("192.168.77.1\n192.168.77.1 other\n", &[], "192.168.77.1"),
        ("192.168.77.1\n", &["--pool", "everything"], "everything"),
    ] {
        let arguments = [&["init", "home.toml", "--no-probe"], arguments].concat();
        let said = fed(&desk, &arguments, input);
        assert_eq!((said.code, said.out.as_str()), (2, ""), "{arguments:?} {input}");
        assert!(said.err.contains(words), "{}", said.err);
        assert!(!desk.path("home.toml").exists());
    }
    let said = desk.run(&["init", "home.toml", "--mastodon", "example.org"]);
    assert!(said.code == 2 && said.err.contains("--flux"), "{}", said.err);
}

#[test]
fn every_command_has_a_manual_page_that_man_can_read() {
    let desk = Desk::new();
    let said = desk.run(&["man", "pages"]);
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    for page in ["homeprov", "homeprov-up", "homeprov-verify-storage", "homeprov-doctor", "homeprov-init"] {
        assert!(said.out.contains(&format!("pages/{page}.1\n")), "{}", said.out);
        let text = fs::read_to_string(desk.path(&format!("pages/{page}.1"))).expect("written");
        assert!(text.starts_with(".ie \\n(.g") && text.contains(".SH EXAMPLES"), "{text}");
        assert!(!text.contains("Examples:"), "{page} has its heading twice");
    }
    let main = fs::read_to_string(desk.path("pages/homeprov.1")).expect("written");
    assert!(main.contains("EXIT STATUS") && main.contains("a node is unreachable"), "{main}");
}

#[test]
fn an_interrupt_ends_the_run_in_good_order_with_130() {
    let desk = Desk::new();
    // It listens and never says a word: the connection is being made until somebody loses patience.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("its number").port();
    desk.unreachable();
    let inventory = fs::read_to_string(desk.path("home.toml")).expect("read");
    let ssh = inventory.find("ssh =").expect("the last line");
    let silent = format!("{}ssh = {{ host = \"127.0.0.1\", port = {port} }}\n", &inventory[..ssh]);
    desk.write("home.toml", &silent);
    let child =
        desk.command(&["up", "home.toml"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    let began = Instant::now();
    listener.accept().expect("it connects");
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill runs");
    assert!(sent.success());
    let output = child.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(130), "{said}");
    assert!(began.elapsed() < Duration::from_secs(8), "it did not wait for the connection");
    assert!(said.contains("finishing") && said.contains("homeprov up home.toml   goes on from there"), "{said}");
}

#[test]
fn repairs_are_asked_about_or_answered_beforehand() {
    let desk = Desk::new();
    desk.unreachable();
    let said = desk.run(&["up", "--repair", "home.toml"]);
    assert_eq!(said.code, 2, "{}", said.err);
    assert!(said.err.contains("--yes") && said.out.is_empty(), "{}", said.err);
    assert_eq!(desk.run(&["up", "--repair", "--yes", "home.toml"]).code, 9);
}

/// Every form a secret may be told in.
fn forms(secret: &str) -> Vec<String> {
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
    let escape = |byte: u8| match byte {
        byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    let percent: String = secret.bytes().map(escape).collect();
    // The last character of Base64 tells of what follows, too.
    let base64 = [STANDARD_NO_PAD.encode(secret), URL_SAFE_NO_PAD.encode(secret)];
    let base64 = base64.map(|text| text[..secret.len() * 8 / 6].to_owned());
    [vec![secret.to_owned(), percent], base64.into()].concat()
}

#[test]
fn a_bundle_holds_the_run_and_no_secret() {
    let desk = Desk::new();
    desk.unreachable();
    let canaries = ["canary/of+git;é", "canary of smtp!", "canary\"of$sudo"];
    for (file, canary) in ["git-password", "smtp-password", "sudo-password"].iter().zip(canaries) {
        desk.write(file, &format!("{canary}\n"));
    }
    let inventory = format!(
        "{}\n[metallb]\npool = \"192.168.77.240/29\"\n\
         [flux]\nrepository = \"https://127.0.0.1:1/home\"\nusername = \"alice\"\npassword_file = \"git-password\"\n\
         [mastodon]\nlocal_domain = \"example.org\"\nadmin = {{ username = \"alice\", email = \"alice@example.org\" }}\n\
         [mastodon.smtp]\nserver = \"mail.example.org\"\nlogin = \"alice\"\npassword_file = \"smtp-password\"\n",
        fs::read_to_string(desk.path("home.toml")).expect("the inventory")
    );
    desk.write("home.toml", &inventory);
    let ran = desk.run(&["up", "--sudo-password-file", "sudo-password", "home.toml"]);
    assert_eq!(ran.code, 9, "{}", ran.err);
    let runs = fs::read_dir(desk.path("state/homeprov/runs")).expect("runs").map(|run| run.expect("a run").path());
    let run = runs.last().expect("one run");
    // A program on a node has told them all, and the run that wrote the journal did not know of them.
    let told: Vec<String> = canaries[..2].iter().flat_map(|canary| forms(canary)).collect();
    let journal = run.join("events.jsonl");
    let line = serde_json::json!({
        "schema": 1, "time": "2026-01-01T00:00:00Z", "event": "warning", "node": null, "message": told.join(" "),
    });
    fs::write(&journal, format!("{}{line}\n", fs::read_to_string(&journal).expect("the journal"))).expect("written");

    let said = desk.run(&["log", "--bundle=report.tar.gz"]);
    assert_eq!((said.code, said.err.as_str()), (0, ""), "{}", said.out);
    for words in ["events.jsonl", "inventory.toml", "version.txt", "read it before you send it"] {
        assert!(said.out.contains(words), "{}", said.out);
    }
    let archive = desk.path("report.tar.gz");
    assert_eq!(fs::metadata(&archive).expect("it is there").permissions().mode() & 0o777, 0o600);
    let file = fs::File::open(&archive).expect("it opens");
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(file));
    let mut all = String::new();
    for entry in archive.entries().expect("entries") {
        std::io::Read::read_to_string(&mut entry.expect("an entry"), &mut all).expect("text");
    }
    assert!(all.contains("\"event\":\"run-finished\"") && all.contains("password_file = \"smtp-password\""), "{all}");
    assert!(all.contains(&format!("homeprov: {}", env!("CARGO_PKG_VERSION"))), "{all}");
    for form in canaries.iter().flat_map(|canary| forms(canary)) {
        assert!(!all.contains(&form), "{form} is told");
    }
    assert!(!said.out.contains("canary"), "{}", said.out);

    let again = desk.run(&["log", "--bundle=report.tar.gz"]);
    assert!(again.code == 2 && again.err.contains("is there already"), "{}", again.err);
}

//! The copy, the commit and the push, against real bare repositories.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::cause::Problem;
use super::commit::{Author, Commit};
use super::publish::{Found, look, publish};
use super::remote::Remote;
use super::repository::{Files, Repository};

/// A server's repository, and homeprov's folder beside it.
struct Desk {
    folder: tempfile::TempDir,
    paths: Vec<String>,
}

fn git(folder: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new("git");
    command.arg("-C").arg(folder).args(["-c", "user.name=Pat", "-c", "user.email=pat@example.org"]).args(arguments);
    let output = command.env("GIT_CONFIG_GLOBAL", "/dev/null").output().expect("git runs");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8").trim().to_owned()
}

impl Desk {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        git(folder.path(), &["init", "--quiet", "--bare", "server.git"]);
        Self { folder, paths: ["a.yaml", "mastodon/b.yaml"].map(str::to_owned).into() }
    }

    fn server(&self) -> PathBuf {
        self.folder.path().join("server.git")
    }

    fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    async fn remote(&self) -> Remote {
        // As over a network: a path alone would make git ignore the depth.
        Remote::of_user(&format!("file://{}", self.server().display()), &[]).await
    }

    async fn repository(&self) -> Repository {
        Repository::open(&self.state()).await.expect("opened")
    }

    async fn look(&self) -> Result<Found, Problem> {
        look(&self.repository().await, &self.remote().await, "main", &self.paths).await
    }

    async fn publish(&self, change: impl Fn(&Found) -> Option<Commit>) -> Result<Option<String>, Problem> {
        let author = Author { name: Some("Robin".to_owned()), email: Some("robin@example.org".to_owned()) };
        publish(&self.repository().await, &self.remote().await, "main", &self.paths, &author, change).await
    }

    /// A person commits a file and pushes it.
    fn somebody_pushes(&self, path: &str, text: &str) {
        let work = tempfile::tempdir().expect("a folder");
        let server = self.server();
        git(work.path(), &["clone", "--quiet", &server.display().to_string(), "."]);
        let has_main = Command::new("git").arg("-C").arg(work.path()).args(["checkout", "--quiet", "main"]).output();
        if !has_main.expect("git runs").status.success() {
            git(work.path(), &["checkout", "--quiet", "-b", "main"]);
        }
        let file = work.path().join(path);
        fs::create_dir_all(file.parent().expect("a folder")).expect("made");
        fs::write(file, text).expect("written");
        git(work.path(), &["add", "."]);
        git(work.path(), &["commit", "--quiet", "-m", "By hand"]);
        git(work.path(), &["push", "--quiet", "origin", "main"]);
    }

    fn on_server(&self, arguments: &[&str]) -> String {
        git(&self.server(), arguments)
    }

    fn hook(&self, text: &str) {
        let hook = self.server().join("hooks/pre-receive");
        fs::create_dir_all(hook.parent().expect("a folder")).expect("made");
        fs::write(&hook, text).expect("written");
        fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).expect("made a program");
    }
}

fn commit(files: &[(&str, &str)]) -> Commit {
    let files: Files = files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
    Commit { message: format!("Write {} files", files.len()), files }
}

#[tokio::test]
async fn an_empty_repository_gets_its_first_commit() {
    let desk = Desk::new();
    assert_eq!(desk.look().await.expect("read"), Found::default());
    let wanted = commit(&[("a.yaml", "a: 1\n"), ("mastodon/b.yaml", "text: ü {{x}}\n")]);
    let head = desk.publish(|_| Some(wanted.clone())).await.expect("pushed").expect("a commit");
    assert_eq!(desk.on_server(&["rev-parse", "main"]), head);
    assert_eq!(desk.on_server(&["log", "--format=%an <%ae>: %s", "main"]), "Robin <robin@example.org>: Write 2 files");
    let found = desk.look().await.expect("read");
    assert_eq!(found, Found { head: Some(head), files: wanted.files });
}

#[tokio::test]
async fn nothing_else_is_touched_and_nothing_is_pushed_without_a_change() {
    let desk = Desk::new();
    desk.somebody_pushes("other/notes.md", "mine\n");
    desk.somebody_pushes("a.yaml", "a: 0\n");
    let before = desk.on_server(&["rev-parse", "main"]);
    assert_eq!(desk.publish(|_| None).await.expect("looked"), Some(before.clone()));
    let head = desk.publish(|_| Some(commit(&[("a.yaml", "a: 1\n")]))).await.expect("pushed").expect("a commit");
    assert_eq!(desk.on_server(&["rev-parse", "main^"]), before);
    assert_eq!(desk.on_server(&["diff", "--name-only", &before, &head]), "a.yaml");
    assert_eq!(desk.on_server(&["show", "main:other/notes.md"]), "mine");
}

#[tokio::test]
async fn what_somebody_pushes_in_between_stays() {
    let desk = Desk::new();
    desk.somebody_pushes("other/notes.md", "mine\n");
    let pushed = std::cell::Cell::new(0);
    let change = |found: &Found| {
        pushed.set(pushed.get() + 1);
        if pushed.get() == 1 {
            desk.somebody_pushes("a.yaml", "by: hand\n");
        }
        // On top of theirs it is decided again what to write.
        let text = found.files.get("a.yaml").cloned().unwrap_or_default();
        Some(commit(&[("mastodon/b.yaml", &format!("seen: {text}"))]))
    };
    desk.publish(change).await.expect("pushed");
    assert_eq!(pushed.get(), 2);
    assert_eq!(desk.on_server(&["show", "main:mastodon/b.yaml"]), "seen: by: hand");
    assert_eq!(desk.on_server(&["show", "main:a.yaml"]), "by: hand");
    assert_eq!(desk.on_server(&["rev-list", "--count", "main"]), "3");
}

#[tokio::test]
async fn who_is_always_overtaken_says_so() {
    let desk = Desk::new();
    let number = std::cell::Cell::new(0);
    let change = |_: &Found| {
        number.set(number.get() + 1);
        desk.somebody_pushes("other/notes.md", &format!("{}\n", number.get()));
        Some(commit(&[("a.yaml", "a: 1\n")]))
    };
    let problem = desk.publish(change).await.expect_err("not pushed");
    assert_eq!(number.get(), 2);
    assert!(problem.reason.contains("at the same time"), "{}", problem.reason);
}

#[tokio::test]
async fn a_protected_branch_is_told_with_the_servers_words() {
    let desk = Desk::new();
    desk.hook("#!/bin/sh\necho 'GL-HOOK-ERR: You are not allowed to push code to protected branches.' >&2\nexit 1\n");
    let problem = desk.publish(|_| Some(commit(&[("a.yaml", "a: 1\n")]))).await.expect_err("refused");
    assert!(!problem.passing);
    assert!(
        problem.reason.contains("GL-HOOK-ERR") && problem.reason.contains("takes no direct pushes"),
        "{}",
        problem.reason
    );
}

#[tokio::test]
async fn another_branch_is_not_begun_in_a_repository_with_branches() {
    let desk = Desk::new();
    desk.somebody_pushes("a.yaml", "a: 0\n");
    desk.on_server(&["branch", "-m", "main", "trunk"]);
    let problem = desk.look().await.expect_err("no such branch");
    assert!(problem.reason.starts_with("the repository has no branch main; it has trunk"), "{}", problem.reason);
}

#[tokio::test]
async fn a_broken_copy_is_made_again() {
    let desk = Desk::new();
    desk.somebody_pushes("a.yaml", "a: 0\n");
    let seen = desk.look().await.expect("read");
    let copy = desk.state().join("repository.git");
    // An object is lost, as a crash may do it.
    let lost = desk.on_server(&["rev-parse", "main:a.yaml"]);
    fs::remove_dir_all(copy.join("objects/pack")).expect("removed");
    let _ = fs::remove_file(copy.join("objects").join(&lost[..2]).join(&lost[2..]));
    assert_eq!(desk.look().await.expect("read"), seen);
    // A run was killed while it fetched.
    desk.somebody_pushes("a.yaml", "a: 1\n");
    fs::write(copy.join("shallow.lock"), "").expect("written");
    assert_eq!(desk.look().await.expect("read").files["a.yaml"], "a: 1\n");
    // Half a repository.
    fs::write(copy.join("HEAD"), "").expect("written");
    assert_eq!(desk.look().await.expect("read").files["a.yaml"], "a: 1\n");
}

#[tokio::test]
async fn an_absent_repository_is_told() {
    let desk = Desk::new();
    fs::remove_dir_all(desk.server()).expect("removed");
    let problem = desk.look().await.expect_err("nothing there");
    assert!(problem.reason.contains("There is no repository at file://"), "{}", problem.reason);
}

#[tokio::test]
async fn whether_a_login_may_push_is_found_without_pushing() {
    let desk = Desk::new();
    let repository = desk.repository().await;
    assert!(repository.may_push(&desk.remote().await).await);
    assert_eq!(desk.on_server(&["for-each-ref"]), "");
    fs::remove_dir_all(desk.server()).expect("removed");
    assert!(!repository.may_push(&desk.remote().await).await);
}

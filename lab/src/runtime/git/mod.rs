//! A Git server beside the nodes: a bare repository behind a real OpenSSH server at the controller's address, as a user
//! of GitHub knows it: one's own key may write, a deploy key may read.

mod fetch;

use std::fs;
use std::io::Write as _;
use std::net::TcpStream;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::{BASE, CONTROLLER};
use crate::world::FaultKind;

pub use fetch::Fetcher;

/// The user one logs in as.
const USER: &str = "git";
/// Its number, which no account of this machine has.
const UID: u32 = 4243;
/// What people write into their inventories.
pub const URL: &str = "ssh://git@10.77.0.1/homelab/cluster.git";
const SERVE: &str = include_str!("serve.sh");
const SOMEBODY: &str = include_str!("somebody.sh");
/// Where the file is that people edit by hand.
pub(super) const EDITED: &str = "configmap-mastodon";

fn folder() -> PathBuf {
    Path::new(BASE).join("git")
}

/// The server's files; the server itself runs while it is to be reached.
#[derive(Debug)]
pub struct Server {
    running: Option<Child>,
}

/// Makes a pair of keys without a password; returns the public one.
///
/// # Errors
/// When ssh-keygen fails.
pub fn key_pair(path: &Path, comment: &str) -> Result<String> {
    let made =
        Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-C", comment, "-f"]).arg(path).status()?;
    anyhow::ensure!(made.success(), "ssh-keygen failed");
    Ok(fs::read_to_string(path.with_extension("pub"))?.trim().to_owned())
}

impl Server {
    /// Makes repository, host key and login; `writer` is the public key that may write. The line for known hosts goes
    /// where the controller's are, the deploy key beside the controller's own.
    ///
    /// # Errors
    /// When a file cannot be written or a program fails.
    pub fn new(writer: &str) -> Result<Self> {
        let folder = folder();
        fs::create_dir_all(&folder)?;
        for (name, text) in [("serve.sh", SERVE), ("somebody.sh", SOMEBODY)] {
            fs::write(folder.join(name), text)?;
            fs::set_permissions(folder.join(name), fs::Permissions::from_mode(0o755))?;
        }
        fs::create_dir_all(folder.join("home"))?;
        chown(folder.join("home"), Some(UID), Some(UID))?;
        // The forced command takes away what it finds there.
        chown(&folder, Some(UID), Some(UID))?;
        let made = as_git("git")
            .args(["init", "--quiet", "--bare", "--initial-branch=main"])
            .arg(folder.join("repository"))
            .status()
            .context("running git")?;
        anyhow::ensure!(made.success(), "git init failed");
        key_pair(&folder.join("host_key"), "")?;
        fs::write(folder.join("authorized_keys"), "")?;
        allow("write", writer)?;
        allow("read", &key_pair(&deploy_key(), "deploy-key")?)?;
        let passwd = fs::read_to_string("/etc/passwd")?;
        let home = folder.join("home");
        fs::write(
            folder.join("passwd"),
            format!("{}\n{USER}:*:{UID}:{UID}:Git:{}:/bin/sh\n", passwd.trim_end(), home.display()),
        )?;
        fs::write(folder.join("sshd_config"), configuration(&folder))?;
        Ok(Self { running: None })
    }

    /// The line for a file of known hosts.
    ///
    /// # Errors
    /// When the host key cannot be read.
    pub fn known_host() -> Result<String> {
        let key = fs::read_to_string(folder().join("host_key.pub"))?;
        Ok(format!("{CONTROLLER} {}", key.trim()))
    }

    /// Lets the server run, or not.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn keep(&mut self, up: bool) -> Result<()> {
        match (&mut self.running, up) {
            (None, true) => self.running = Some(start()?),
            (Some(child), false) => {
                // Sessions that are open stay so, as when a firewall closes a port.
                child.kill()?;
                child.wait()?;
                self.running = None;
            }
            _ => {}
        }
        Ok(())
    }

    /// Lets somebody push before the next push.
    ///
    /// # Errors
    /// When the file that says so cannot be written.
    pub fn let_somebody_push() -> Result<()> {
        let mark = folder().join("somebody-pushes");
        fs::write(&mark, b"")?;
        Ok(chown(mark, Some(UID), Some(UID))?)
    }

    /// Somebody edits the file with Mastodon's values by hand: true when it is there.
    ///
    /// # Errors
    /// When git fails.
    pub fn edit_by_hand() -> Result<bool> {
        let git = |words: &[&str]| -> Result<String> {
            let output = as_git("git").arg("--git-dir").arg(folder().join("repository")).args(words).output()?;
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        };
        let listed = git(&["ls-tree", "-r", "--name-only", "main"])?;
        let Some(path) = listed.lines().find(|path| path.contains(EDITED)) else { return Ok(false) };
        let content = edited(&git(&["show", &format!("main:{path}")])?);
        let mut child =
            as_git(folder().join("somebody.sh")).args([path, "Try another language"]).stdin(Stdio::piped()).spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(content.as_bytes())?;
        }
        anyhow::ensure!(child.wait()?.success(), "the edit by hand failed");
        Ok(true)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The lab ends; its namespace of processes would end the server as well.
        let _ = self.keep(false);
    }
}

/// The deploy key's private half.
pub fn deploy_key() -> PathBuf {
    Path::new(BASE).join("controller/deploy-key")
}

/// Lets a public key in, to `read` or to `write`.
///
/// # Errors
/// When it is no public key, or the list cannot be written.
pub fn allow(what: &str, key: &str) -> Result<()> {
    let key = key.trim();
    let known = ["ssh-ed25519 ", "ssh-rsa ", "ecdsa-sha2-", "sk-"].iter().any(|kind| key.starts_with(kind));
    anyhow::ensure!(known && !key.contains('\n'), "this is no public SSH key: {key}");
    let folder = folder();
    anyhow::ensure!(folder.exists(), "this lab has no Git server: it takes --mastodon on");
    let mut list = fs::OpenOptions::new().append(true).open(folder.join("authorized_keys"))?;
    Ok(writeln!(list, "restrict,command=\"{} {what}\" {key}", folder.join("serve.sh").display())?)
}

/// A program run as the user git.
fn as_git(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command
        .uid(UID)
        .gid(UID)
        .current_dir(folder())
        .env("HOME", folder().join("home"))
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env_remove("XDG_CONFIG_HOME")
        .stdin(Stdio::null());
    command
}

fn configuration(folder: &Path) -> String {
    format!(
        "ListenAddress {CONTROLLER}:22\nHostKey {0}/host_key\nAuthorizedKeysFile {0}/authorized_keys\nAllowUsers {USER}\n\
         PidFile none\nUsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nPubkeyAuthentication yes\n\
         StrictModes no\nUseDNS no\nPrintMotd no\nAllowTcpForwarding no\nX11Forwarding no\n",
        folder.display()
    )
}

/// Starts sshd in a mount namespace of its own, where the user git is known, and waits until it answers.
fn start() -> Result<Child> {
    let folder = folder();
    let script = format!(
        "mount -t tmpfs -o mode=755 tmpfs /run && mkdir -p /run/sshd && mount --bind {0}/passwd /etc/passwd && \
         exec /usr/sbin/sshd -D -e -f {0}/sshd_config",
        folder.display()
    );
    let log = fs::OpenOptions::new().create(true).append(true).open(folder.join("log"))?;
    let child = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "sh", "-c", &script])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .context("starting the Git server")?;
    for _ in 0..200 {
        if TcpStream::connect((CONTROLLER, 22)).is_ok() {
            return Ok(child);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    anyhow::bail!("the Git server does not answer: {}", fs::read_to_string(folder.join("log")).unwrap_or_default())
}

/// The file as somebody leaves it: with another language where it says one, and a remark at least.
fn edited(content: &str) -> String {
    let mut lines: Vec<String> = content.lines().map(str::to_owned).collect();
    match lines.iter_mut().find(|line| line.trim_start().starts_with("locale:")) {
        Some(line) => {
            let indent = line.len() - line.trim_start().len();
            *line = format!("{}locale: fr", " ".repeat(indent));
        }
        None => lines.push("# Bob was here: ask me before you change this.".to_owned()),
    }
    lines.join("\n") + "\n"
}

/// What the faults want of the server, at each beat of the lab.
///
/// # Errors
/// When the server cannot be started, or the edit fails.
pub fn keep(lab: &super::homelab::Homelab, server: &mut Server, fetcher: &Fetcher) -> Result<()> {
    let (up, rejected, edit) = {
        let mut world = lab.world();
        let edit = world.has_fault(FaultKind::HumanEdit) && fetcher.has_fetched(EDITED);
        (world.git_up(), world.take_fault(FaultKind::GitPushRejected), edit)
    };
    server.keep(up)?;
    if rejected {
        Server::let_somebody_push()?;
    }
    if edit && Server::edit_by_hand()? {
        lab.world().take_fault(FaultKind::HumanEdit);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hand_changes_the_language_or_leaves_a_remark() {
        assert_eq!(
            edited("data:\n  values.yaml: |\n    mastodon:\n      locale: en\n"),
            "data:\n  values.yaml: |\n    mastodon:\n      locale: fr\n"
        );
        assert!(edited("a: 1\n").starts_with("a: 1\n# Bob"));
    }
}

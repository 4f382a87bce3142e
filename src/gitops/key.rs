//! The cluster's deploy key: the user's own file, or one that homeprov makes in its state folder.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

/// Where homeprov keeps the key it makes for a cluster.
pub fn place(folder: &Path) -> PathBuf {
    folder.join("deploy-key")
}

/// Makes a key pair without a passphrase; one that is there stays. Whole or not at all.
pub async fn make(folder: &Path, cluster: &str) -> io::Result<()> {
    let place = place(folder);
    if place.exists() {
        return Ok(());
    }
    fs::create_dir_all(folder)?;
    let draft = tempfile::tempdir_in(folder)?;
    let key = draft.path().join("key");
    let comment = format!("flux of {cluster}, made by homeprov");
    let mut command = Command::new("ssh-keygen");
    command.args(["-q", "-t", "ed25519", "-N", "", "-C", &comment, "-f"]).arg(&key);
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output().await?;
    if !output.status.success() {
        return Err(io::Error::other(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    // The public half can be had from the private one.
    fs::rename(key, place)
}

/// The public half of a private key, as one line.
pub async fn public(private: &Path) -> Result<String, String> {
    let mut command = Command::new("ssh-keygen");
    // The empty passphrase keeps it from asking for one.
    command.args(["-y", "-P", "", "-f"]).arg(private).stdin(Stdio::null()).kill_on_drop(true);
    let output = command.output().await.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => {
            "the ssh-keygen program is missing\nInstall it: `sudo apt-get install openssh-client`.".to_owned()
        }
        _ => format!("cannot run ssh-keygen: {error}"),
    })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    }
    let shown = private.display();
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    let remedy = if said.contains("UNPROTECTED") || said.contains("bad permissions") {
        format!("Let only its owner read it: `chmod 600 {shown}`.")
    } else if said.contains("passphrase") {
        "Flux cannot ask for a passphrase: name a key without one, or none, and homeprov makes one.".to_owned()
    } else {
        "It should be a private key as `ssh-keygen` writes them.".to_owned()
    };
    let last = said.lines().last().unwrap_or_default();
    Err(format!("the deploy key {shown} cannot be used: {last}\n{remedy}"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[tokio::test]
    async fn is_made_once_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        make(folder.path(), "home").await.unwrap();
        let place = place(folder.path());
        let first = public(&place).await.unwrap();
        assert!(first.starts_with("ssh-ed25519 ") && first.ends_with("flux of home, made by homeprov"), "{first}");
        assert_eq!(place.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        make(folder.path(), "home").await.unwrap();
        assert_eq!(public(&place).await.unwrap(), first);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[tokio::test]
    async fn says_what_is_wrong_with_a_key() {
        let folder = tempfile::tempdir().unwrap();
        make(folder.path(), "home").await.unwrap();
        let place = place(folder.path());
        fs::set_permissions(&place, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(public(&place).await.unwrap_err().contains("chmod 600"));
        fs::write(&place, "no key").unwrap();
        fs::set_permissions(&place, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(public(&place).await.unwrap_err().contains("as `ssh-keygen` writes them"));
    }
}

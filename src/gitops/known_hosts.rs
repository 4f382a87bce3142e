//! The lines of the known-hosts files that vouch for a Git server. `ssh-keygen` finds them, hashed ones, too.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Stdio;

use tokio::process::Command;

/// The user's and the machine's files, as OpenSSH looks into them.
pub fn of_user() -> Vec<PathBuf> {
    let home = etcetera::home_dir().ok();
    let own = home.into_iter().flat_map(|home| [home.join(".ssh/known_hosts"), home.join(".ssh/known_hosts2")]);
    own.chain(["/etc/ssh/ssh_known_hosts".into()]).collect()
}

/// The lines of these files for a host, named as a known-hosts file names it, each under that name alone: what is in the
/// cluster need not tell of the user's other hosts. Sorted, none twice.
pub async fn lines(files: &[PathBuf], known_as: &str) -> Vec<String> {
    let mut lines = BTreeSet::new();
    for file in files {
        let mut command = Command::new("ssh-keygen");
        command.args(["-F", known_as, "-f"]).arg(file).stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        if let Ok(output) = command.output().await {
            let found = String::from_utf8_lossy(&output.stdout).into_owned();
            lines.extend(found.lines().filter_map(|line| under_name(line, known_as)));
        }
    }
    lines.into_iter().collect()
}

/// A line under this name instead of a hash or a list of names. A pattern of a certificate authority stays one of it.
fn under_name(line: &str, known_as: &str) -> Option<String> {
    let mut words: Vec<&str> = line.split_whitespace().collect();
    let name = match words.first()? {
        comment if comment.starts_with('#') => return None,
        marker if marker.starts_with('@') => 1,
        _ => 0,
    };
    words.truncate(name + 3);
    *words.get_mut(name)? = known_as;
    (words.len() == name + 3).then(|| words.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGpKKBYrYkDNk0QcJ1wqBvSvhmVvOC0rMB8DsR2ZD4sL";

    #[tokio::test]
    async fn finds_a_host_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("known_hosts");
        let other = KEY.replace("AAAAIGpK", "AAAAIGpL");
        let text =
            format!("# mine\ngit.example.org,10.0.0.9 {KEY} a comment\n[git.example.org]:2222 {other}\nnas {other}\n");
        std::fs::write(&file, text).unwrap();
        let found = |name: &'static str| {
            let files = [file.clone(), folder.path().join("absent")];
            async move { lines(&files, name).await }
        };
        assert_eq!(found("git.example.org").await, [format!("git.example.org {KEY}")]);
        assert_eq!(found("[git.example.org]:2222").await, [format!("[git.example.org]:2222 {other}")]);
        assert!(found("elsewhere").await.is_empty());
    }

    #[test]
    fn hashes_and_markers() {
        let hashed = format!("|1|a2s=|b3Q= {KEY}");
        assert_eq!(under_name(&hashed, "git").as_deref(), Some(format!("git {KEY}").as_str()));
        let revoked = format!("@revoked * {KEY}");
        assert_eq!(under_name(&revoked, "git").as_deref(), Some(format!("@revoked git {KEY}").as_str()));
        assert_eq!(under_name("# Host git found: line 2", "git"), None);
    }
}

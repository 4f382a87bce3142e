//! Host keys: which are trusted, and how a new one comes to be.
//!
//! ssh itself does the checking, always strictly. Only when it refuses do we ask the machine for its key, with an ssh
//! that writes the key down and does not log in; this works through jump hosts too.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use tokio::io::AsyncWriteExt as _;

use super::TransportError;
use super::target::{HostKeys, Target, program};

/// What is done about a host key nobody has vouched for yet.
#[derive(Clone, Default)]
pub enum HostKeyPolicy {
    /// It is refused.
    #[default]
    Strict,
    /// It is accepted and written to the known-hosts file; a changed one is refused all the same.
    AcceptNew,
    /// The function decides; it may block, to ask somebody. It is never called twice at the same time.
    Ask(Arc<dyn Fn(&UnknownHostKey) -> bool + Send + Sync>),
}

impl std::fmt::Debug for HostKeyPolicy {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Strict => "Strict",
            Self::AcceptNew => "AcceptNew",
            Self::Ask(_) => "Ask",
        })
    }
}

/// A host key that is in no known-hosts file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownHostKey {
    /// The node on the way to which it was met.
    pub node: String,
    /// The machine that offers it: the node's address or a jump host's.
    pub host: String,
    /// Its type: `ED25519`.
    pub kind: String,
    /// Its fingerprint: `SHA256:…`.
    pub fingerprint: String,
    /// The known-hosts file it would be added to.
    pub file: PathBuf,
}

/// A key as a machine offered it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Offered {
    /// The whole known-hosts line.
    pub(super) line: String,
    /// `ED25519`
    pub(super) kind: String,
    /// `SHA256:…`
    pub(super) fingerprint: String,
}

impl Offered {
    /// Type and key: `ssh-ed25519 AAAA…`.
    pub(super) fn key(&self) -> String {
        self.line.split_whitespace().skip(1).take(2).collect::<Vec<_>>().join(" ")
    }
}

/// Asks a machine for its host key, of one of these algorithms or of ssh's first choice. `None` when it offers none;
/// `scratch` is a file of our own to write it into.
pub(super) async fn offered(target: &Target, scratch: &Path, algorithms: Option<&str>) -> Option<Offered> {
    let _ = fs::remove_file(scratch);
    // It ends with a refused login; the key is what counts.
    let _ = program("ssh")
        .args(target.arguments(HostKeys::Probe(scratch, algorithms)))
        .args(["-N", "--"])
        .arg(&target.destination)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .await;
    let text = fs::read_to_string(scratch).ok()?;
    let _ = fs::remove_file(scratch);
    let line = text.lines().next()?.to_owned();
    let (kind, fingerprint) = fingerprint(&line).await?;
    Some(Offered { line, kind, fingerprint })
}

/// Type and fingerprint of the key in a known-hosts or public-key line.
pub(super) async fn fingerprint(line: &str) -> Option<(String, String)> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let place = words.iter().position(|word| is_key_type(word))?;
    let key = format!("{} {}\n", words[place], words.get(place + 1)?);
    let mut child = program("ssh-keygen")
        .args(["-l", "-f", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    child.stdin.take()?.write_all(key.as_bytes()).await.ok()?;
    let output = child.wait_with_output().await.ok()?;
    // 256 SHA256:… no comment (ED25519)
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let fingerprint = text.split_whitespace().nth(1)?.to_owned();
    let kind = text.split_whitespace().last()?.trim_matches(['(', ')']).to_owned();
    Some((kind, fingerprint))
}

/// A key already known under that name, of whatever type: its fingerprint with the place it is written at.
pub(super) async fn known(name: &str, files: &[PathBuf]) -> Option<String> {
    for file in files {
        let output = program("ssh-keygen").args(["-F", name, "-f"]).arg(file).output().await.ok()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let mut lines = text.lines();
        while let Some(head) = lines.next() {
            let number = head.strip_prefix('#').and_then(|head| head.split_once(": line "));
            let Some(((_, number), line)) = number.zip(lines.next()) else {
                continue;
            };
            let number = number.split_whitespace().next().unwrap_or(number);
            if line.starts_with('@') {
                continue;
            }
            if let Some((kind, fingerprint)) = fingerprint(line).await {
                return Some(format!("{kind} {fingerprint} ({}:{number})", file.display()));
            }
        }
    }
    None
}

/// The fingerprint of the key at `FILE:LINE`, with the place.
pub(super) async fn known_at(place: &str) -> String {
    let line = place.rsplit_once(':').and_then(|(file, number)| {
        let number: usize = number.parse().ok()?;
        let text = fs::read_to_string(file).ok()?;
        text.lines().nth(number.checked_sub(1)?).map(str::to_owned)
    });
    let known = match line {
        Some(line) => fingerprint(&line).await,
        None => None,
    };
    match known {
        Some((kind, fingerprint)) => format!("{kind} {fingerprint} ({place})"),
        None => format!("the key at {place}"),
    }
}

/// Adds a line to a known-hosts file, which is made when it is not there.
pub(super) fn append(file: &Path, line: &str) -> Result<(), TransportError> {
    let failed = |error: std::io::Error| {
        TransportError::Local(format!("cannot write the host key to {}: {error}", file.display()))
    };
    if let Some(parent) = file.parent() {
        fs::create_dir_all(parent).map_err(failed)?;
    }
    let before = fs::read(file).unwrap_or_default();
    let joint = if before.is_empty() || before.ends_with(b"\n") { "" } else { "\n" };
    let mut file = OpenOptions::new().create(true).append(true).open(file).map_err(failed)?;
    file.write_all(format!("{joint}{line}\n").as_bytes()).map_err(failed)
}

fn is_key_type(word: &str) -> bool {
    ["ssh-", "ecdsa-", "sk-ssh-", "sk-ecdsa-"].iter().any(|start| word.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";
    // GitHub's key and the fingerprint GitHub publishes for it.
    const PRINT: &str = "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU";

    #[tokio::test]
    async fn fingerprints_are_read_from_every_kind_of_line() {
        for line in [KEY.to_owned(), format!("github.com {KEY} a comment"), format!("|1|abc=|def= {KEY}")] {
            assert_eq!(fingerprint(&line).await, Some(("ED25519".to_owned(), PRINT.to_owned())));
        }
        assert_eq!(fingerprint("nonsense").await, None);
    }

    #[tokio::test]
    async fn appended_keys_are_found_with_their_place() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("new/known_hosts");
        append(&file, "# first").unwrap();
        fs::write(&file, "# no newline at the end").unwrap();
        append(&file, &format!("[10.0.0.1]:2222 {KEY}")).unwrap();

        let expected = format!("ED25519 {PRINT} ({}:2)", file.display());
        let files = [file.clone()];
        assert_eq!(known("[10.0.0.1]:2222", &files).await, Some(expected.clone()));
        assert_eq!(known("[10.0.0.2]:2222", &files).await, None);
        assert_eq!(known_at(&format!("{}:2", file.display())).await, expected);
    }
}

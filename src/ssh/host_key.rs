//! Host keys: strict checks, pins, and accepting a key that is not known yet.
//!
//! ssh itself checks the key of every connection strictly. Only when it refuses is a second look taken (`look`), to see
//! which key it was.

use std::ffi::OsString;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::bounded;

use super::look::keys_argument;
use super::target::Target;
use super::transport::TransportError;

/// Most bytes a program of OpenSSH's may print on one stream: a server's banner is among them.
const OUTPUT_MAX: usize = 1024 * 1024;

/// What is done about a host key that is not known yet. A changed key is refused whatever the policy.
#[derive(Clone)]
pub enum HostKeyPolicy {
    /// It is refused.
    Strict,
    /// It is written to the known-hosts file.
    AcceptNew,
    /// It is written there when the question is answered with yes. Questions are asked one at a time.
    Ask(Arc<dyn Fn(&UnknownHostKey) -> bool + Send + Sync>),
}

impl std::fmt::Debug for HostKeyPolicy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Strict => "Strict",
            Self::AcceptNew => "AcceptNew",
            Self::Ask(_) => "Ask",
        })
    }
}

/// A host key that is in no known-hosts file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownHostKey {
    /// The node's name in the inventory, or `the jump host to NAME`.
    pub node: String,
    /// Host and port it was offered at.
    pub host: String,
    /// Kind and fingerprint: `ED25519 SHA256:…`.
    pub fingerprint: String,
    /// The line that makes it known: `[10.0.0.11]:2222 ssh-ed25519 AAAA…`.
    pub line: String,
}

pub(super) fn fingerprint_pin(target: &Target) -> Option<&str> {
    target.pin.as_deref().map(str::trim).filter(|pin| pin.starts_with("SHA256:"))
}

/// The arguments that make ssh accept the pinned key and no other; none for a node without a pin.
pub(super) fn pin_arguments(target: &Target, directory: &Path) -> Result<Vec<OsString>, TransportError> {
    let Some(pin) = &target.pin else {
        return Ok(Vec::new());
    };
    let mut arguments: Vec<OsString> = vec!["-o".into(), "GlobalKnownHostsFile=/dev/null".into()];
    if fingerprint_pin(target).is_some() {
        arguments.extend(["-o".into(), "UserKnownHostsFile=/dev/null".into()]);
        arguments.extend(["-o".into(), keys_argument(target, directory)]);
        return Ok(arguments);
    }
    let file = directory.join(format!("{}.pin", target.index));
    std::fs::write(&file, format!("* {}\n", pin.trim()))
        .map_err(|error| TransportError::Local(format!("cannot write the pinned key: {error}")))?;
    let mut option = OsString::from("UserKnownHostsFile=");
    option.push(&file);
    arguments.extend(["-o".into(), option]);
    arguments.extend(["-o".into(), "KnownHostsCommand=none".into()]);
    Ok(arguments)
}

/// Makes the error (or the unknown key) out of a key that ssh refused.
pub(super) async fn refused(
    target: &Target,
    line: &str,
    known_files: &[PathBuf],
) -> Result<UnknownHostKey, TransportError> {
    let offered = fingerprint(line).await?;
    let host = target.shown();
    if let Some(pin) = &target.pin {
        return Err(pin_differs(target, pin, offered).await);
    }
    // A known host that suddenly offers only another kind of key is as suspicious as a changed key.
    let name = line.split(' ').next().unwrap_or_default();
    for file in known_files {
        if let Some((place, known)) = known_key(name, file).await {
            let expected = format!("{} ({place})", fingerprint(&known).await?);
            return Err(TransportError::HostKeyChanged { host, offered, expected });
        }
    }
    Ok(UnknownHostKey { node: target.node.clone(), host, fingerprint: offered, line: line.to_owned() })
}

/// Whether a known-hosts file has the very key of a line for its name.
pub(super) async fn is_known(line: &str, files: &[PathBuf]) -> bool {
    let words = |line: &str| line.split_whitespace().map(ToOwned::to_owned).collect::<Vec<_>>();
    let offered = words(line);
    for file in files {
        let mut command = Command::new("ssh-keygen");
        command.arg("-F").arg(&offered[0]).arg("-f").arg(file);
        let found = run(command, None, Duration::from_secs(5)).await.map(|(found, _)| found).unwrap_or_default();
        // A marked line (`@revoked`) has a word more in front.
        if found.lines().any(|known| words(known).get(1..3).is_some_and(|key| Some(key) == offered.get(1..3))) {
            return true;
        }
    }
    false
}

/// Whether the key in a line has the pinned fingerprint.
pub(super) async fn matches_pin(target: &Target, line: &str) -> bool {
    match (fingerprint_pin(target), fingerprint(line).await) {
        (Some(pin), Ok(offered)) => offered.ends_with(pin),
        _ => false,
    }
}

async fn pin_differs(target: &Target, pin: &str, offered: String) -> TransportError {
    let expected = match fingerprint_pin(target) {
        Some(pin) => pin.to_owned(),
        None => match fingerprint(&format!("* {pin}")).await {
            Ok(known) => known,
            Err(_) => {
                return TransportError::Local(format!("host_key of {} is no public key: {pin}", target.node));
            }
        },
    };
    TransportError::HostKeyChanged {
        host: target.shown(),
        offered,
        expected: format!("{expected}, pinned by host_key in the inventory"),
    }
}

/// The error for a key that contradicts a known-hosts file, `place` being `FILE:LINE`.
pub(super) async fn changed(target: &Target, offered: String, place: Option<String>) -> TransportError {
    if let Some(pin) = &target.pin {
        return pin_differs(target, pin, offered).await;
    }
    let known = match place.as_deref().and_then(line_at) {
        Some(line) => fingerprint(&line).await.ok(),
        None => None,
    };
    let known = known.unwrap_or_else(|| "another key".into());
    TransportError::HostKeyChanged {
        host: target.shown(),
        offered,
        expected: place.map_or(known.clone(), |place| format!("{known} ({place})")),
    }
}

fn line_at(place: &str) -> Option<String> {
    let (file, number) = place.rsplit_once(':')?;
    let number: usize = number.parse().ok()?;
    let text = std::fs::read_to_string(file).ok()?;
    text.lines().nth(number.checked_sub(1)?).map(ToOwned::to_owned)
}

/// The first key a known-hosts file has for a name, hashed or not: `FILE:LINE` and the line.
async fn known_key(name: &str, file: &Path) -> Option<(String, String)> {
    let mut command = Command::new("ssh-keygen");
    command.arg("-F").arg(name).arg("-f").arg(file);
    let (found, _) = run(command, None, Duration::from_secs(5)).await.ok()?;
    // "# Host 10.0.0.11 found: line 3", then the line itself.
    let number =
        found.lines().find_map(|line| line.rsplit_once("found: line ")).and_then(|(_, rest)| rest.split(' ').next())?;
    let line = found.lines().find(|line| !line.starts_with('#'))?;
    Some((format!("{}:{number}", file.display()), line.to_owned()))
}

/// Kind and fingerprint of the key in a known-hosts line: `ED25519 SHA256:…`.
async fn fingerprint(line: &str) -> Result<String, TransportError> {
    let key: Vec<&str> = line.split_whitespace().skip_while(|word| word.starts_with('@')).skip(1).take(2).collect();
    let mut command = Command::new("ssh-keygen");
    command.args(["-l", "-f", "-"]);
    let (out, err) = run(command, Some(key.join(" ")), Duration::from_secs(5)).await?;
    // "256 SHA256:… no comment (ED25519)"
    let words: Vec<&str> = out.split_whitespace().collect();
    match (words.get(1), words.last()) {
        (Some(hash), Some(kind)) if hash.starts_with("SHA256:") => {
            Ok(format!("{} {hash}", kind.trim_matches(['(', ')'])))
        }
        _ => Err(TransportError::Local(format!("ssh-keygen cannot read the host key: {}", err.trim()))),
    }
}

/// The user's known-hosts files for a node, as ssh itself resolves its configuration.
pub(super) async fn known_hosts_files(
    target: &Target,
    config: &Path,
    from_inventory: Option<&Path>,
) -> Result<Vec<PathBuf>, TransportError> {
    let home = |path: &str| match (path.strip_prefix("~/"), etcetera::home_dir()) {
        (Some(rest), Ok(home)) => home.join(rest),
        _ => PathBuf::from(path),
    };
    if let Some(file) = from_inventory {
        return Ok(vec![home(&file.to_string_lossy())]);
    }
    let mut command = Command::new("ssh");
    command.arg("-G").args(target.arguments(config)).args(target.destination());
    let (out, _) = run(command, None, Duration::from_secs(5)).await?;
    let files = out.lines().find_map(|line| line.strip_prefix("userknownhostsfile ")).unwrap_or("~/.ssh/known_hosts");
    Ok(files.split_whitespace().map(home).collect())
}

/// Appends the key to the known-hosts file.
pub(super) fn accept(key: &UnknownHostKey, file: &Path) -> Result<(), TransportError> {
    append(key, file).map_err(|error| {
        TransportError::Local(format!("cannot write the host key of {} to {}: {error}", key.node, file.display()))
    })
}

fn append(key: &UnknownHostKey, file: &Path) -> std::io::Result<()> {
    if let Some(folder) = file.parent() {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let unfinished = last_byte(file).is_ok_and(|last| last != b'\n');
    let mut open = std::fs::OpenOptions::new().append(true).create(true).mode(0o600).open(file)?;
    let gap = if unfinished { "\n" } else { "" };
    // One write, so that two runs cannot mix their lines.
    open.write_all(format!("{gap}{}\n", key.line).as_bytes())
}

fn last_byte(file: &Path) -> std::io::Result<u8> {
    let mut open = std::fs::File::open(file)?;
    open.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    open.read_exact(&mut last)?;
    Ok(last[0])
}

/// Runs a program of OpenSSH's and gives its standard output and standard error.
pub(super) async fn run(
    mut command: Command,
    input: Option<String>,
    limit: Duration,
) -> Result<(String, String), TransportError> {
    let program = command.as_std().get_program().to_string_lossy().into_owned();
    let missing = |error: std::io::Error| {
        TransportError::Local(if error.kind() == std::io::ErrorKind::NotFound {
            format!("the {program} program is missing")
        } else {
            format!("{program} cannot be run: {error}")
        })
    };
    let stdin = if input.is_some() { Stdio::piped() } else { Stdio::null() };
    let mut child = command
        .stdin(stdin)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(missing)?;
    if let (Some(text), Some(mut stdin)) = (input, child.stdin.take()) {
        let _ = stdin.write_all(text.as_bytes()).await;
        let _ = stdin.write_all(b"\n").await;
    }
    let (Some(out), Some(err)) = (child.stdout.take(), child.stderr.take()) else {
        return Err(TransportError::Local(format!("{program} cannot be heard")));
    };
    let heard = async { tokio::try_join!(bounded::to_end(out, OUTPUT_MAX), bounded::to_end(err, OUTPUT_MAX)) };
    let (out, err) = tokio::time::timeout(limit, heard)
        .await
        .map_err(|_| TransportError::Local(format!("{program} did not end within {} s", limit.as_secs())))?
        .map_err(|error| TransportError::Local(format!("{program} cannot be understood: {error}")))?;
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ok((text(out), text(err)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str =
        "[10.0.0.11]:2222 ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFQ6uTp0Bg5uJ8q7q8YcJ0T3GkQbYkqJpC6oVRtIuVnz";

    fn key(line: &str) -> UnknownHostKey {
        UnknownHostKey {
            node: "nuc1".into(),
            host: "10.0.0.11:2222".into(),
            fingerprint: String::new(),
            line: line.into(),
        }
    }

    #[test]
    fn accepting_appends_a_line_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("new/known_hosts");
        accept(&key("a ssh-rsa AAAA"), &file).unwrap();
        std::fs::write(&file, "a ssh-rsa AAAA").unwrap();
        accept(&key("b ssh-rsa BBBB"), &file).unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "a ssh-rsa AAAA\nb ssh-rsa BBBB\n");
    }

    #[test]
    fn a_key_that_finds_no_room_is_named_with_its_file() {
        let said = accept(&key("a ssh-rsa AAAA"), Path::new("/dev/full")).unwrap_err().to_string();
        assert!(said.contains("nuc1 to /dev/full: No space left on device"), "{said}");
    }

    #[tokio::test]
    async fn a_fingerprint_is_that_of_the_key_whatever_precedes_it() {
        let plain = fingerprint(LINE).await.unwrap();
        assert!(plain.starts_with("ED25519 SHA256:"), "{plain}");
        let marked = fingerprint(&format!("@revoked {LINE}")).await.unwrap();
        assert_eq!(plain, marked);
        assert!(fingerprint("host ssh-ed25519 rubbish").await.is_err());
    }

    #[tokio::test]
    async fn another_kind_of_key_of_a_known_host_is_a_change() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("known_hosts");
        std::fs::write(&file, format!("# mine\n{LINE}\n")).unwrap();
        let target = Target::for_tests("10.0.0.11", Some(2222), crate::inventory::model::Sudo::Auto);
        let error = refused(&target, LINE, std::slice::from_ref(&file)).await.unwrap_err();
        let TransportError::HostKeyChanged { expected, .. } = error else {
            panic!("{error}");
        };
        assert!(expected.ends_with(&format!("({}:2)", file.display())), "{expected}");
    }
}

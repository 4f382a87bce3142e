//! A second look at a host key that ssh refused, to see which it is.
//!
//! It is a short attempt that cannot log in (`PreferredAuthentications=none`); its `KnownHostsCommand` writes down which
//! key the host offers. That works through any jump host, where `ssh-keyscan` does not reach, and for the jump hosts.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use tokio::process::Command;

use super::host_key::{fingerprint_pin, pin_arguments, run};
use super::target::Target;
use super::transport::TransportError;

/// The script ssh asks for known keys. `$1` is where the key is written down, `$2` the pinned fingerprint or `-`; the
/// rest are ssh's tokens `%I %H %t %K %f %n %p %r`. A key of that fingerprint is known, whatever the host is called.
const KEYS_SCRIPT: &str = r#"[ "$3" = HOSTNAME ] || exit 0
printf '%s %s %s\n%s\n%s\n%s\n' "$4" "$5" "$6" "$8" "$9" "${10}" >"$1"
[ "$7" != "$2" ] || printf '* %s %s\n' "$5" "$6"
"#;

/// Writes the script of `KnownHostsCommand` to the private directory.
pub(super) fn write_keys_script(directory: &Path) -> std::io::Result<()> {
    std::fs::write(directory.join("keys.sh"), KEYS_SCRIPT)
}

/// The value of `KnownHostsCommand` that has the key written to `INDEX.EXTENSION`.
fn keys_command(target: &Target, directory: &Path, pin: &str, extension: &str) -> String {
    let (directory, index) = (directory.display(), target.index);
    format!("/bin/sh {directory}/keys.sh {directory}/{index}.{extension} {pin} %I %H %t %K %f %n %p %r")
}

/// The argument that makes ssh write down the node's key, and know the pinned fingerprint.
pub(super) fn keys_argument(target: &Target, directory: &Path) -> OsString {
    let pin = fingerprint_pin(target).unwrap_or("-");
    format!("KnownHostsCommand={}", keys_command(target, directory, pin, "key")).into()
}

/// What the second attempt found out.
#[derive(Debug)]
pub(super) struct Look {
    /// The key offered, as a line of a known-hosts file; none when it did not come that far.
    pub line: Option<String>,
    /// The last jump host that offered a key, and that key, as such a line.
    pub hop: Option<(Target, String)>,
    /// What ssh and the jump hosts wrote.
    pub log: String,
}

/// Tries once more, without a login, to see the key offered and what the jump hosts say and offer.
pub(super) async fn look(
    target: &Target,
    config: &Path,
    directory: &Path,
    extra: &[OsString],
    limit: Duration,
) -> Result<Look, TransportError> {
    let beside = |extension: &str| directory.join(format!("{}.{extension}", target.index));
    let (seen, seen_hop, look_config) = (beside("key"), beside("hop"), beside("look"));
    for file in [&seen, &seen_hop] {
        let _ = std::fs::remove_file(file);
    }
    // A jump host is reached with the same file, and so its key is written down as well.
    let text = format!(
        "Host *\n  KnownHostsCommand {}\nInclude {}\n",
        keys_command(target, directory, "-", "hop"),
        config.display()
    );
    std::fs::write(&look_config, text)
        .map_err(|error| TransportError::Local(format!("cannot write {}: {error}", look_config.display())))?;
    let mut command = Command::new("ssh");
    // The first value given is the one that counts: the keys command comes before a pin's own.
    command
        .args([OsString::from("-o"), keys_argument(target, directory)])
        .args(pin_arguments(target, directory)?)
        .args(["-o", "ControlMaster=no", "-o", "ControlPath=none"])
        .args(["-o", "ControlPersist=no", "-o", "PreferredAuthentications=none"])
        .args(["-n", "-N"])
        .args(extra)
        .args(target.arguments(&look_config))
        .args(target.destination());
    let log = run(command, None, limit).await?.1;
    let line = read_seen(&seen).map(|(line, _)| line);
    let hop = read_seen(&seen_hop).and_then(|(line, rest)| {
        let [name, port, user] = rest.try_into().ok()?;
        Some((target.hop(name, port.parse().ok()?, user), line))
    });
    Ok(Look { line, hop, log })
}

/// What the keys script has written down: a line of a known-hosts file; name, port and login.
fn read_seen(file: &Path) -> Option<(String, Vec<String>)> {
    let text = std::fs::read_to_string(file).ok()?;
    let mut lines = text.lines().map(ToOwned::to_owned);
    Some((lines.next()?, lines.collect()))
}

//! What the ssh program says when it cannot connect, turned into a [`TransportError`].
//!
//! The texts are those of `OpenSSH` (`sshconnect.c`, `sshconnect2.c`, `packet.c`, `channels.c`); they are not
//! translated.

use super::target::Target;
use super::transport::TransportError;

/// How a failed attempt to connect looks from what ssh wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// The host key is not in any known-hosts file. ssh names only its kind.
    UnknownKey,
    /// The host key is another one than known.
    ChangedKey {
        /// Kind and fingerprint offered.
        offered: String,
        /// The line of a known-hosts file it contradicts: `/home/me/.ssh/known_hosts:3`.
        place: Option<String>,
    },
    /// It was cut off before the login, as a server does that has too many logins in progress.
    CutOff(String),
    /// A failure that is as good as its error.
    Other(TransportError),
}

/// Reads ssh's log of a failed attempt.
pub(super) fn failure(log: &str, target: &Target) -> Failure {
    let lines: Vec<&str> = log
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with("Warning: Permanently added"))
        .collect();
    let find = |text: &str| lines.iter().find(|line| line.contains(text)).copied();

    if find("REMOTE HOST IDENTIFICATION HAS CHANGED").is_some() {
        return changed_key(&lines);
    }
    if find("Host key verification failed").is_some() || find("host key is known for").is_some() {
        return Failure::UnknownKey;
    }
    if let Some(error) = refused_login(&lines, target).or_else(|| unreachable(&lines, target)) {
        return Failure::Other(error);
    }
    let said = last(&lines);
    if find("kex_exchange_identification").is_some()
        || find("Connection closed by").is_some()
        || find("Connection reset by").is_some()
        || find("Broken pipe").is_some()
    {
        return Failure::CutOff(said);
    }
    if find("Unable to negotiate").is_some() || find("Bad packet length").is_some() {
        return Failure::Other(TransportError::BadAnswer { host: target.shown(), detail: said });
    }
    Failure::Other(TransportError::Local(format!("ssh to {} failed: {said}", target.shown())))
}

fn changed_key(lines: &[&str]) -> Failure {
    // "The fingerprint for the ED25519 key sent by the remote host is", the fingerprint on the next line.
    let offered = lines
        .windows(2)
        .find_map(|pair| {
            let kind =
                pair[0].strip_prefix("The fingerprint for the ")?.strip_suffix(" key sent by the remote host is")?;
            Some(format!("{kind} {}", pair[1].trim_end_matches('.')))
        })
        .unwrap_or_else(|| "another key".into());
    // "Offending ED25519 key in /home/me/.ssh/known_hosts:3"
    let place = lines.iter().find_map(|line| {
        let (_, place) = line.strip_prefix("Offending ")?.split_once(" key in ")?;
        Some(place.to_owned())
    });
    Failure::ChangedKey { offered, place }
}

fn refused_login(lines: &[&str], target: &Target) -> Option<TransportError> {
    let line = lines.iter().find(|line| {
        line.contains("Permission denied (")
            || line.contains("Too many authentication failures")
            || line.contains("No more authentication methods")
    })?;
    // "user@host: Permission denied (publickey)." or "user@host port 22: …"
    let (who, said) = line.split_once(": ").unwrap_or(("", line));
    let (user, host) = who.split_once('@').unwrap_or(("", ""));
    let user = match (user, target.user()) {
        ("", known) => known.unwrap_or("the default user"),
        (user, _) => user,
    };
    let host =
        if host.is_empty() || host.split(' ').next() == Some(&target.host) { target.shown() } else { host.to_owned() };
    let mut detail = said.trim_end_matches('.').to_owned();
    if let Some(why) =
        lines.iter().find(|line| line.contains("UNPROTECTED PRIVATE KEY") || line.contains("bad permissions"))
    {
        detail = format!("{detail}; {why}");
    }
    Some(TransportError::KeyRefused { host, user: user.to_owned(), detail })
}

fn unreachable(lines: &[&str], target: &Target) -> Option<TransportError> {
    for line in lines {
        let text = line.strip_prefix("ssh: ").unwrap_or(line);
        if let Some(rest) = text.strip_prefix("connect to host ") {
            return Some(connect_failure(rest, target));
        }
        // Through a jump host the last leg fails inside the jump's own connection.
        if let Some((_, why)) = text.split_once("open failed: ") {
            let why = why.strip_prefix("connect failed: ").unwrap_or(why);
            return Some(reason(target.shown(), target.port().unwrap_or(22), why, "through the jump host: "));
        }
        if text.starts_with("Could not resolve hostname") {
            let (_, why) = text.rsplit_once(": ").unwrap_or(("", text));
            let name = text.trim_start_matches("Could not resolve hostname ").split(':').next().unwrap_or(&target.host);
            return Some(TransportError::HostDown {
                host: target.shown(),
                detail: format!("the name {name} is not found ({why})"),
            });
        }
        let quiet = text.contains("timed out") || text.contains("Timeout, server");
        if quiet && text.starts_with("Connection") || text.starts_with("Timeout, server") {
            return Some(TransportError::HostDown { host: target.shown(), detail: (*line).to_owned() });
        }
    }
    None
}

/// `HOST port PORT: REASON`, of the node itself or of a jump host.
fn connect_failure(rest: &str, target: &Target) -> TransportError {
    let (place, why) = rest.split_once(": ").unwrap_or((rest, "no reason given"));
    let (host, port) = place.split_once(" port ").unwrap_or((place, ""));
    let port = port.parse().ok().or(target.port()).unwrap_or(22);
    let host = if host == target.host && target.port() == Some(port) { target.shown() } else { host.to_owned() };
    reason(host, port, why, "")
}

fn reason(host: String, port: u16, why: &str, way: &str) -> TransportError {
    if why.contains("Connection refused") {
        // The port has a field of its own.
        let host = host.trim_end_matches(&format!(":{port}")).to_owned();
        TransportError::PortClosed { host, port }
    } else {
        TransportError::HostDown { host, detail: format!("{way}{why}") }
    }
}

/// The error for a jump host whose key is not known or has changed, where homeprov cannot see which it is: on a way of
/// the user's own, such as a `ProxyCommand`. It has to be settled with plain ssh.
pub(super) fn jump_key(log: &str, target: &Target) -> TransportError {
    let lines: Vec<&str> = log.lines().map(str::trim).collect();
    // "No ED25519 host key is known for HOST and you have requested strict checking."
    let named = lines.iter().find_map(|line| {
        let (_, rest) = line.split_once("host key is known for ")?;
        rest.split(' ').next()
    });
    let jump = named.or(target.jump.as_deref()).unwrap_or("the jump host").to_owned();
    match changed_key(&lines) {
        Failure::ChangedKey { offered, place: Some(place) } => {
            TransportError::HostKeyChanged { host: jump, offered, expected: format!("the known one ({place})") }
        }
        _ => TransportError::HostKeyUnknown {
            fingerprint: format!("it is a jump host; accept its key with `ssh {jump}`"),
            host: jump,
        },
    }
}

/// The last line that says something; ssh's own summary when there is nothing better.
pub(super) fn last(lines: &[&str]) -> String {
    lines
        .iter()
        .rev()
        .find(|line| !line.is_empty())
        .map_or_else(|| "it gave no reason".into(), |line| (*line).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::model::Sudo;

    fn target() -> Target {
        Target::for_tests("10.77.0.11", Some(2222), Sudo::Auto)
    }

    fn error(log: &str) -> String {
        match failure(log, &target()) {
            Failure::Other(error) => error.to_string(),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn each_text_has_its_error() {
        let cases = [
            (
                "ssh: connect to host 10.77.0.11 port 2222: Connection refused",
                "10.77.0.11 refuses connections on port 2222",
            ),
            (
                "ssh: connect to host 10.77.0.11 port 2222: No route to host",
                "10.77.0.11:2222 does not answer: No route to host",
            ),
            (
                "ssh: connect to host 10.77.0.11 port 2222: Connection timed out",
                "10.77.0.11:2222 does not answer: Connection timed out",
            ),
            (
                "ssh: connect to host jump port 22: Connection refused\nkex_exchange_identification: Connection closed by remote host",
                "jump refuses connections on port 22",
            ),
            (
                "channel 0: open failed: connect failed: Connection refused\nstdio forwarding failed",
                "10.77.0.11 refuses connections on port 2222",
            ),
            (
                "channel 0: open failed: connect failed: No route to host\nstdio forwarding failed",
                "10.77.0.11:2222 does not answer: through the jump host: No route to host",
            ),
            (
                "ssh: Could not resolve hostname nuc9: Name or service not known",
                "10.77.0.11:2222 does not answer: the name nuc9 is not found (Name or service not known)",
            ),
            (
                "Connection timed out during banner exchange\nConnection to 10.77.0.11 port 2222 timed out",
                "10.77.0.11:2222 does not answer: Connection timed out during banner exchange",
            ),
            (
                "me@10.77.0.11: Permission denied (publickey,password).",
                "10.77.0.11:2222 refused the login as me: Permission denied (publickey,password)",
            ),
            (
                "admin@bastion: Permission denied (publickey).\nkex_exchange_identification: Connection closed by remote host",
                "bastion refused the login as admin: Permission denied (publickey)",
            ),
            (
                "Unable to negotiate with 10.77.0.11 port 2222: no matching host key type found. Their offer: ssh-dss",
                "10.77.0.11:2222 gave an answer that cannot be read: Unable to negotiate with 10.77.0.11 port 2222: no matching host key type found. Their offer: ssh-dss",
            ),
            (
                "/etc/ssh/ssh_config: line 3: Bad configuration option: foo\n/etc/ssh/ssh_config: terminating, 1 bad configuration options",
                "ssh to 10.77.0.11:2222 failed: /etc/ssh/ssh_config: terminating, 1 bad configuration options",
            ),
        ];
        for (log, expected) in cases {
            assert_eq!(error(log), expected, "{log}");
        }
    }

    #[test]
    fn a_changed_key_is_read_with_its_place() {
        let log = "@@@@@@@@@@\n@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\n\
            The fingerprint for the ED25519 key sent by the remote host is\nSHA256:abc.\n\
            Please contact your system administrator.\n\
            Add correct host key in /home/me/.ssh/known_hosts to get rid of this message.\n\
            Offending RSA key in /home/me/.ssh/known_hosts:3\n\
            Host key for 10.77.0.11 has changed and you have requested strict checking.\n\
            Host key verification failed.\n";
        assert_eq!(
            failure(log, &target()),
            Failure::ChangedKey {
                offered: "ED25519 SHA256:abc".into(),
                place: Some("/home/me/.ssh/known_hosts:3".into()),
            }
        );
    }

    #[test]
    fn an_unknown_key_and_a_cut_are_told_apart() {
        assert_eq!(
            failure(
                "No ED25519 host key is known for [10.77.0.11]:2222 and you have requested strict checking.\r\n\
                 Host key verification failed.\r\n",
                &target()
            ),
            Failure::UnknownKey
        );
        assert!(matches!(
            failure(
                "kex_exchange_identification: read: Connection reset by peer\nConnection reset by 10.77.0.11 port 2222",
                &target()
            ),
            Failure::CutOff(_)
        ));
    }
}

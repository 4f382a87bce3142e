//! What ssh's own words mean.

use super::TransportError;

/// Why a connection could not be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// No key of this kind is known under this name.
    UnknownKey {
        /// The name ssh looked up: `nuc1`, `[10.0.0.1]:2222`.
        name: String,
    },
    /// Another key is known.
    ChangedKey {
        /// The name ssh looked up.
        name: String,
        /// Fingerprint offered.
        offered: String,
        /// `FILE:LINE` of the known key.
        place: Option<String>,
    },
    /// Anything else.
    Other(TransportError),
}

/// Whom it was tried to reach.
#[derive(Debug, Clone)]
pub(super) struct Endpoint {
    /// Host as the user knows it.
    pub(super) host: String,
    /// Login name.
    pub(super) user: String,
    /// Port.
    pub(super) port: u16,
}

/// Reads the messages of an ssh that ended.
pub(super) fn classify(log: &str, endpoint: &Endpoint) -> Failure {
    if let Some(failure) = host_key(log) {
        return failure;
    }
    let host = || endpoint.host.clone();
    for line in lines(log) {
        if let Some((at, port, problem)) = connect_line(line) {
            return Failure::Other(if problem == "Connection refused" {
                let host = if port == endpoint.port { host() } else { at };
                TransportError::PortClosed { host, port }
            } else {
                TransportError::HostDown { host: host(), detail: problem }
            });
        }
        // From the jump host: it could not reach the machine behind it.
        if let Some((_, problem)) = line.split_once("open failed: connect failed: ") {
            return Failure::Other(if problem == "Connection refused" {
                TransportError::PortClosed { host: host(), port: endpoint.port }
            } else {
                TransportError::HostDown { host: host(), detail: format!("{problem} (said by the jump host)") }
            });
        }
        if line.contains("Permission denied (") || line.contains("Too many authentication failures") {
            return Failure::Other(TransportError::KeyRefused {
                host: host(),
                user: endpoint.user.clone(),
                detail: login_detail(log, line),
            });
        }
        if [
            "Bad configuration option",
            "Can't open user config file",
            "Bad owner or permissions on",
            "terminating, ",
            "Unsupported option",
            "unix_listener: ",
        ]
        .iter()
        .any(|sign| line.contains(sign))
        {
            return Failure::Other(TransportError::Local(format!("ssh: {line}")));
        }
    }
    let detail = lines(log)
        .find(|line| line.contains("resolve hostname") || line.contains("timed out"))
        .or_else(|| lines(log).last())
        .unwrap_or("ssh ended without a word");
    Failure::Other(TransportError::HostDown { host: host(), detail: detail.trim_start_matches("ssh: ").to_owned() })
}

fn host_key(log: &str) -> Option<Failure> {
    let changed = lines(log).find_map(|line| between(line, "Host key for ", " has changed")).map(str::to_owned);
    if let Some(name) = changed {
        let offered = lines(log)
            .find(|line| line.starts_with("SHA256:"))
            .map_or("an unnamed key", |line| line.trim_end_matches('.'));
        let place = lines(log)
            .find(|line| line.starts_with("Offending "))
            .and_then(|line| line.split_once(" key in "))
            .map(|(_, place)| place.to_owned());
        return Some(Failure::ChangedKey { name, offered: offered.to_owned(), place });
    }
    lines(log)
        .find_map(|line| between(line, "host key is known for ", " and you have requested"))
        .map(|name| Failure::UnknownKey { name: name.to_owned() })
}

/// `ssh: connect to host HOST port PORT: PROBLEM`
fn connect_line(line: &str) -> Option<(String, u16, String)> {
    let (_, rest) = line.split_once("connect to host ")?;
    let (host, rest) = rest.split_once(" port ")?;
    let (port, problem) = rest.split_once(": ")?;
    Some((host.to_owned(), port.parse().ok()?, problem.to_owned()))
}

/// The refusal, and what ssh said about the key file before it.
fn login_detail(log: &str, refusal: &str) -> String {
    let refusal = refusal.split_once(": ").map_or(refusal, |(_, detail)| detail);
    let refusal = refusal.trim_end_matches('.');
    lines(log)
        .find(|line| line.contains("dentity file") || line.contains("Load key"))
        .map_or_else(|| refusal.to_owned(), |about| format!("{refusal}; {}", about.trim_end_matches('.')))
}

fn between<'a>(line: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let (_, rest) = line.split_once(before)?;
    rest.split_once(after).map(|(middle, _)| middle)
}

fn lines(log: &str) -> impl Iterator<Item = &str> {
    log.lines().map(str::trim).filter(|line| !line.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(log: &str) -> Failure {
        classify(log, &Endpoint { host: "nuc1".to_owned(), user: "ada".to_owned(), port: 22 })
    }

    fn down(log: &str) -> String {
        match said(log) {
            Failure::Other(TransportError::HostDown { detail, .. }) => detail,
            other => panic!("not down: {other:?}"),
        }
    }

    #[test]
    fn a_machine_that_is_off() {
        for problem in ["Connection timed out", "No route to host", "Network is unreachable"] {
            let log = format!("ssh: connect to host 10.0.0.9 port 22: {problem}\r\n");
            assert_eq!(down(&log), problem);
        }
        assert_eq!(
            down("ssh: Could not resolve hostname nuc9: Name or service not known\r\n"),
            "Could not resolve hostname nuc9: Name or service not known"
        );
        assert_eq!(
            down("Connection timed out during banner exchange\r\nConnection to UNKNOWN port 65535 timed out\r\n"),
            "Connection timed out during banner exchange"
        );
    }

    #[test]
    fn a_closed_port_here_and_behind_a_jump_host() {
        for log in [
            "ssh: connect to host 10.0.0.9 port 22: Connection refused\r\n",
            "channel 0: open failed: connect failed: Connection refused\r\nstdio forwarding failed\r\n\
             kex_exchange_identification: Connection closed by remote host\r\n",
        ] {
            assert_eq!(said(log), Failure::Other(TransportError::PortClosed { host: "nuc1".to_owned(), port: 22 }));
        }
    }

    #[test]
    fn a_refused_login_names_the_key_file_that_could_not_be_read() {
        let log = "Warning: Identity file /k/absent not accessible: No such file or directory.\n\
                   ada@nuc1: Permission denied (publickey,password).\r\n";
        let Failure::Other(TransportError::KeyRefused { user, detail, .. }) = said(log) else {
            panic!("{:?}", said(log));
        };
        assert_eq!(user, "ada");
        assert!(detail.starts_with("Permission denied (publickey,password)"), "{detail}");
        assert!(detail.contains("/k/absent not accessible"), "{detail}");
    }

    #[test]
    fn host_keys() {
        assert_eq!(
            said(
                "No ED25519 host key is known for [10.0.0.9]:22 and you have requested strict checking.\r\n\
                 Host key verification failed.\r\n"
            ),
            Failure::UnknownKey { name: "[10.0.0.9]:22".to_owned() }
        );
        let changed = "@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\r\n\
            The fingerprint for the ED25519 key sent by the remote host is\nSHA256:abc.\r\n\
            Offending ED25519 key in /h/known_hosts:3\r\n\
            Host key for nuc1 has changed and you have requested strict checking.\r\n\
            Host key verification failed.\r\n";
        assert_eq!(
            said(changed),
            Failure::ChangedKey {
                name: "nuc1".to_owned(),
                offered: "SHA256:abc".to_owned(),
                place: Some("/h/known_hosts:3".to_owned()),
            }
        );
    }

    #[test]
    fn a_mistake_in_the_config_file_is_this_machines() {
        let log = "/h/config: line 1: Bad configuration option: prot\r\n";
        assert!(matches!(
            said(log),
            Failure::Other(TransportError::Local(text)) if text.contains("line 1")
        ));
    }
}

//! The next thing to type after a [`TransportError`].

use super::transport::TransportError;

impl TransportError {
    /// What to do about it: a command to type, or what to look at.
    pub fn remedy(&self) -> String {
        match self {
            Self::HostDown { host, .. } => format!(
                "Is the machine on and on the network? Try `ping {}`, and look at its `address` and `ssh.host` in the inventory.",
                name(host)
            ),
            Self::PortClosed { host, port } => format!(
                "The machine is up but no SSH server listens there. On it: `sudo apt-get install openssh-server`; or say its port \
                 with `ssh = {{ port = … }}` in the inventory. Check with `ssh -p {port} {host}`."
            ),
            Self::KeyRefused { detail, .. } if detail.contains("UNPROTECTED") => {
                "ssh takes no key that others can read: `chmod 600` the file of your key (`identity` under [ssh], or in `~/.ssh`), and \
                 run again."
                    .into()
            }
            Self::KeyRefused { host, user, .. } => format!(
                "Put your key there with `ssh-copy-id {}{}`, or name the right login and key with `user` and `identity` under \
                 [ssh]; a key with a passphrase has to be in the agent: `ssh-add`.",
                port_option(host),
                destination(user, host)
            ),
            Self::HostKeyUnknown { host, .. } => format!(
                "Compare the fingerprint with `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` typed on {}, then accept it: \
                 add `--accept-new-host-keys` to the command, or pin it with `host_key` in the inventory.",
                name(host)
            ),
            Self::HostKeyChanged { host, expected, .. } if expected.contains("host_key") => format!(
                "If {} was reinstalled, write its new key as `host_key` in the inventory. If it was not, somebody may be in between: \
                 do not go on.",
                name(host)
            ),
            Self::HostKeyChanged { host, expected, .. } => format!(
                "If {} was reinstalled, forget the old key with `ssh-keygen {}-R '{}'` and run again. If it was not, somebody may \
                 be in between: do not go on.",
                name(host),
                known_hosts_option(expected),
                known_as(host)
            ),
            Self::SudoRefused { detail, .. } if detail.contains("not installed") => {
                "Log in as root and type `apt-get install sudo`, or use root as the login: `user = \"root\"` under [ssh].".into()
            }
            Self::SudoRefused { detail, .. } if detail.contains("tty") => {
                "Remove `requiretty` from the machine's sudoers file (`sudo visudo`).".into()
            }
            Self::SudoRefused { host, .. } => format!(
                "Try `ssh {}{} sudo -v`. The login needs sudo with or without a password; without a terminal a password cannot be \
                 asked for.",
                port_option(host),
                name(host)
            ),
            Self::NoShell { host, .. } => format!(
                "The login needs a shell that runs commands: try `ssh {}{} true`; change it on the machine with `chsh -s /bin/bash \
                 LOGIN`.",
                port_option(host),
                name(host)
            ),
            Self::Lost { .. } => {
                "Run the same command again: what runs on the node goes on there, and homeprov attaches to it.".into()
            }
            Self::BadAnswer { host, .. } => format!(
                "Look at what the machine answers: `ssh {}{} 'echo ok'`.",
                port_option(host),
                name(host)
            ),
            Self::Local(text) if text.contains("program is missing") => {
                "Install it: `sudo apt-get install openssh-client`.".into()
            }
            Self::Local(_) => "Look at the [ssh] table of the inventory and at your ssh configuration.".into(),
        }
    }
}

fn split(host: &str) -> (&str, Option<&str>) {
    match host.rsplit_once(':') {
        Some((name, port)) if !name.contains(':') => (name, Some(port)),
        _ => (host, None),
    }
}

fn name(host: &str) -> &str {
    split(host).0
}

fn port_option(host: &str) -> String {
    split(host).1.map_or_else(String::new, |port| format!("-p {port} "))
}

fn destination(user: &str, host: &str) -> String {
    if user.contains(' ') { name(host).to_owned() } else { format!("{user}@{}", name(host)) }
}

/// How a known-hosts file names it: `[10.0.0.11]:2222` for another port than 22.
fn known_as(host: &str) -> String {
    match split(host) {
        (name, Some(port)) => format!("[{name}]:{port}"),
        (name, None) => name.to_owned(),
    }
}

/// `-f FILE` when the expectation names the file: `ED25519 SHA256:… (/home/me/.ssh/known_hosts:3)`.
fn known_hosts_option(expected: &str) -> String {
    expected
        .rsplit_once('(')
        .and_then(|(_, place)| place.trim_end_matches(')').rsplit_once(':'))
        .map_or_else(String::new, |(file, _)| format!("-f {file} "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_says_what_to_type() {
        let host = || "10.0.0.11:2222".to_owned();
        let errors = [
            TransportError::HostDown { host: host(), detail: "No route to host".into() },
            TransportError::PortClosed { host: "10.0.0.11".into(), port: 2222 },
            TransportError::KeyRefused {
                host: host(),
                user: "me".into(),
                detail: "Permission denied (publickey)".into(),
            },
            TransportError::HostKeyUnknown { host: host(), fingerprint: "ED25519 SHA256:abc".into() },
            TransportError::HostKeyChanged {
                host: host(),
                offered: "ED25519 SHA256:abc".into(),
                expected: "ED25519 SHA256:def (/home/me/.ssh/known_hosts:3)".into(),
            },
            TransportError::HostKeyChanged {
                host: host(),
                offered: "ED25519 SHA256:abc".into(),
                expected: "SHA256:def, pinned by host_key in the inventory".into(),
            },
            TransportError::SudoRefused { host: host(), detail: "sudo: a password is required".into() },
            TransportError::SudoRefused { host: host(), detail: "sudo is not installed".into() },
            TransportError::NoShell { host: host(), detail: "This account is currently not available.".into() },
            TransportError::Lost { host: host(), detail: "the connection ended".into() },
            TransportError::BadAnswer { host: host(), detail: "more than 8 MiB".into() },
            TransportError::Local("the ssh program is missing".into()),
        ];
        let text: Vec<String> = errors.iter().map(|error| format!("{error}\n  {}", error.remedy())).collect();
        insta::assert_snapshot!(text.join("\n\n"));
    }
}

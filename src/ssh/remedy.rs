//! What to type next.

use super::TransportError;

impl TransportError {
    /// The remedy, as a sentence with the next thing to type.
    pub fn remedy(&self) -> String {
        match self {
            Self::HostDown { host, .. } => format!(
                "Check that the machine is on and in the network (ping {host}), and that address, ssh.host and \
                 ssh.jump in the inventory are right."
            ),
            Self::PortClosed { port, .. } => format!(
                "Start the SSH server there (sudo systemctl enable --now ssh), or set ssh.port in the inventory \
                 when it does not listen on {port}."
            ),
            Self::KeyRefused { host, user, .. } => format!(
                "Put your key on the machine (ssh-copy-id {user}@{host}), or set ssh.user and ssh.identity in the \
                 inventory. A key with a passphrase must be in the agent (ssh-add)."
            ),
            Self::HostKeyUnknown { host, .. } => format!(
                "Compare it with what the machine itself shows (ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub), \
                 then run again with --accept-new-host-keys, connect to {host} once with ssh, or set host_key in \
                 the inventory."
            ),
            Self::HostKeyChanged { host, expected, .. } => {
                if expected.contains("in the inventory") {
                    "If the machine was reinstalled, correct host_key in the inventory; if not, somebody may be \
                     listening."
                        .to_owned()
                } else {
                    format!(
                        "If the machine was reinstalled, forget its old key (ssh-keygen {}-R '{host}'); if not, \
                         somebody may be listening.",
                        file_of(expected).map_or_else(String::new, |file| format!("-f '{file}' "))
                    )
                }
            }
            Self::SudoRefused { detail, .. } if detail.contains("not installed") => {
                "Install it on the machine (as root: apt-get install sudo) and let the login use it.".to_owned()
            }
            Self::SudoRefused { detail, .. } if detail.contains("password") => {
                "Run on a terminal to be asked for the password, or allow the login sudo without one (visudo: \
                 LOGIN ALL=(ALL) NOPASSWD: ALL)."
                    .to_owned()
            }
            Self::SudoRefused { .. } => {
                "Allow the login to use sudo (as root: usermod -aG sudo LOGIN), or log in as root (ssh.user)."
                    .to_owned()
            }
            Self::NoShell { .. } => {
                "Give the login a POSIX shell (as root: usermod -s /bin/bash LOGIN), or use another one (ssh.user)."
                    .to_owned()
            }
            Self::Lost { .. } => {
                "Run the same command again: it goes on where it was, and nothing is started twice.".to_owned()
            }
            Self::BadAnswer { .. } => {
                "Look at what the login's start-up files print and run (ssh HOST true prints nothing on a quiet \
                 one), then run again."
                    .to_owned()
            }
            Self::Local(_) => {
                "Mend it on this machine; OpenSSH's client must be installed (apt-get install openssh-client)."
                    .to_owned()
            }
        }
    }
}

/// The known-hosts file in `ED25519 SHA256:… (FILE:LINE)`.
fn file_of(expected: &str) -> Option<&str> {
    let (_, place) = expected.rsplit_once('(')?;
    place.rsplit_once(':').map(|(file, _)| file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_key_is_mended_where_it_is_written() {
        let error = TransportError::HostKeyChanged {
            host: "[10.0.0.1]:2222".to_owned(),
            offered: "ED25519 SHA256:b".to_owned(),
            expected: "ED25519 SHA256:a (/h/known_hosts:3)".to_owned(),
        };
        let remedy = error.remedy();
        assert!(remedy.contains("ssh-keygen -f '/h/known_hosts' -R '[10.0.0.1]:2222'"), "{remedy}");
    }
}

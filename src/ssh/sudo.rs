//! Root's rights: how the remote shell gets them, and the password where sudo wants one.
//!
//! sudo is first asked without a password. Only where that was refused does the next exec run `sudo -S` with a random
//! prompt, and the password is sent when that prompt has come: a password is never fed to a shell that did not ask.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use secrecy::SecretString;
use tokio::sync::Mutex;

use crate::inventory::model::Sudo;

/// Asked, with a node's name, for the password sudo wants there; `None` when there is none to be had.
pub type SudoPassword = Arc<dyn Fn(&str) -> Option<SecretString> + Send + Sync>;

/// How an exec gets root's rights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rise {
    /// root already, or `sudo -n`.
    Quiet,
    /// root already, or sudo with a password when it prompts for one.
    Ask,
    /// root already, or nothing.
    Never,
}

impl From<Sudo> for Rise {
    fn from(sudo: Sudo) -> Self {
        match sudo {
            Sudo::Auto => Self::Quiet,
            Sudo::Password => Self::Ask,
            Sudo::Never => Self::Never,
        }
    }
}

impl Rise {
    /// The remote command. It says on standard output, after `token`, how far it came (`-sudo`, `-root`, `-user`), and
    /// ends as a root shell that reads its script from standard input.
    ///
    /// The root shell is `/bin/sh` by its path: a sudo without `secure_path` would look for it where the login's PATH says.
    ///
    /// The login shell reads this line, and it may be no POSIX shell: one line, one pair of single quotes, no
    /// backslash and no exclamation mark.
    pub(super) fn command(self, token: &str) -> String {
        let root = match self {
            // The script waits for this word: it must not be taken for a password.
            Self::Ask => format!("echo {token}-root; exec /bin/sh -s"),
            Self::Quiet | Self::Never => "exec /bin/sh -s".into(),
        };
        let rise = match self {
            Self::Quiet => format!("echo {token}-sudo; exec sudo -n -H /bin/sh -s"),
            Self::Ask => {
                format!(
                    "echo {token}-sudo; exec sudo -S -H -p {token}-prompt /bin/sh -c \"echo {token}-root; exec /bin/sh -s\""
                )
            }
            Self::Never => format!("echo {token}-user"),
        };
        format!("sh -c 'LC_ALL=C; export LC_ALL; if [ \"$(id -u)\" = 0 ]; then {root}; fi; {rise}'")
    }
}

/// The passwords of one run: asked for once, and once more for a node that wants another one.
pub(super) struct Passwords {
    ask: Option<SudoPassword>,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    common: Option<SecretString>,
    own: HashMap<String, SecretString>,
    refused: HashSet<String>,
}

/// A password, and whether the node was asked about by name.
pub(super) struct Password {
    pub secret: SecretString,
    /// Whether it was asked for this very node, so that asking again makes no sense.
    pub own: bool,
}

impl Passwords {
    pub(super) fn new(ask: Option<SudoPassword>) -> Self {
        Self { ask, known: Mutex::default() }
    }

    /// The password to try on a node; none where it was refused before.
    pub(super) async fn get(&self, node: &str) -> Option<Password> {
        let mut known = self.known.lock().await;
        if known.refused.contains(node) {
            return None;
        }
        if let Some(secret) = known.own.get(node).cloned() {
            return Some(Password { secret, own: true });
        }
        if let Some(secret) = known.common.clone() {
            return Some(Password { secret, own: false });
        }
        let secret = self.question(node).await?;
        known.common = Some(secret.clone());
        known.own.insert(node.to_owned(), secret.clone());
        Some(Password { secret, own: true })
    }

    /// Another one for a node that refused the common one.
    pub(super) async fn another(&self, node: &str) -> Option<Password> {
        let mut known = self.known.lock().await;
        let secret = self.question(node).await?;
        known.own.insert(node.to_owned(), secret.clone());
        Some(Password { secret, own: true })
    }

    /// Remembers that a node refuses what is known: trying it again and again would lock the account.
    pub(super) async fn refuse(&self, node: &str) {
        self.known.lock().await.refused.insert(node.to_owned());
    }

    async fn question(&self, node: &str) -> Option<SecretString> {
        let ask = self.ask.clone()?;
        let node = node.to_owned();
        tokio::task::spawn_blocking(move || ask(&node)).await.ok().flatten()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use secrecy::ExposeSecret;

    use super::*;

    #[tokio::test]
    async fn the_question_is_asked_once_for_all_nodes() {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let passwords = Passwords::new(Some(Arc::new(move |node| {
            count.fetch_add(1, Ordering::Relaxed);
            Some(SecretString::from(format!("for {node}")))
        })));
        assert_eq!(passwords.get("nuc1").await.unwrap().secret.expose_secret(), "for nuc1");
        let second = passwords.get("nuc2").await.unwrap();
        assert_eq!(second.secret.expose_secret(), "for nuc1");
        assert!(!second.own);
        assert_eq!(asked.load(Ordering::Relaxed), 1);

        passwords.another("nuc2").await.unwrap();
        let own = passwords.get("nuc2").await.unwrap();
        assert_eq!(own.secret.expose_secret(), "for nuc2");
        assert!(own.own);
        passwords.refuse("nuc2").await;
        assert!(passwords.get("nuc2").await.is_none());
        assert_eq!(asked.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn the_remote_command_suits_any_login_shell() {
        for rise in [Rise::Quiet, Rise::Ask, Rise::Never] {
            let command = rise.command("token");
            assert_eq!(command.matches('\'').count(), 2, "{command}");
            assert!(!command.contains(['!', '\\', '\n']), "{command}");
        }
    }
}

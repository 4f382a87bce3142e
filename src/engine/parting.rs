//! What is told once, when everything else of a run has been shown: a secret the user has to know.
//!
//! It is no event, so that no reporter and no journal ever has it.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use secrecy::{ExposeSecret, SecretString};

/// Takes what is to be told and gives it once. Clones share it.
#[derive(Clone, Default)]
pub struct Parting(Arc<Mutex<Words>>);

#[derive(Default)]
struct Words {
    site: Option<String>,
    owner: Option<(String, SecretString)>,
}

impl Parting {
    /// The site answers: the line that says so, and who owns it.
    pub fn site(&self, line: String) {
        self.words().site = Some(line);
    }

    /// The password of an account that was made in this run.
    pub fn password(&self, account: &str, password: SecretString) {
        crate::redact::learn(&password);
        self.words().owner = Some((account.to_owned(), password));
    }

    /// What is to be printed. Only the first caller gets it.
    pub fn take(&self) -> Option<SecretString> {
        let words = std::mem::take(&mut *self.words());
        let line = match (words.site, words.owner) {
            (None, None) => return None,
            (Some(site), None) => site,
            (Some(site), Some((_, password))) => format!("{site} · password: {}", password.expose_secret()),
            (None, Some((account, password))) => format!(
                "owner: {account} · password: {}   (the account was made; this is shown only now)",
                password.expose_secret()
            ),
        };
        Some(line.into())
    }

    fn words(&self) -> std::sync::MutexGuard<'_, Words> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Parting {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Parting")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(parting: &Parting) -> Option<String> {
        parting.take().map(|line| line.expose_secret().to_owned())
    }

    #[test]
    fn the_password_is_given_once_and_shown_by_nothing_else() {
        let parting = Parting::default();
        parting.clone().password("alice", "hunter2".into());
        assert!(!format!("{parting:?}").contains("hunter2"));
        parting.site("Mastodon answers   owner: alice".to_owned());
        assert_eq!(taken(&parting).as_deref(), Some("Mastodon answers   owner: alice · password: hunter2"));
        assert_eq!(taken(&parting), None);
    }

    #[test]
    fn a_run_that_fails_later_still_tells_it() {
        let parting = Parting::default();
        parting.password("alice", "hunter2".into());
        assert!(taken(&parting).is_some_and(|line| line.starts_with("owner: alice · password: hunter2 ")));
    }
}

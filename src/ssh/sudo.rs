//! sudo passwords: asked for once, kept for the run, never written anywhere.

use std::collections::HashMap;
use std::sync::Arc;

use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::Mutex;

/// Gives the sudo password for a node, or nothing. It may block, to ask somebody.
pub type SudoPassword = Arc<dyn Fn(&str) -> Option<SecretString> + Send + Sync>;

/// The passwords of a run. What was given for one node is tried on the others before anybody is asked again.
pub(super) struct Passwords {
    provider: Option<SudoPassword>,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    first: Option<SecretString>,
    own: HashMap<String, SecretString>,
}

impl Passwords {
    pub(super) fn new(provider: Option<SudoPassword>) -> Self {
        Self { provider, known: Mutex::new(Known::default()) }
    }

    /// The password to try on a node.
    pub(super) async fn get(&self, node: &str) -> Option<SecretString> {
        let mut known = self.known.lock().await;
        if let Some(password) = known.own.get(node).or(known.first.as_ref()) {
            return Some(password.clone());
        }
        let password = self.ask(node).await?;
        known.first = Some(password.clone());
        known.own.insert(node.to_owned(), password.clone());
        Some(password)
    }

    /// Another password for a node that refused this one; nothing when there is none.
    pub(super) async fn other(&self, node: &str, refused: &SecretString) -> Option<SecretString> {
        let mut known = self.known.lock().await;
        let same = |password: &SecretString| password.expose_secret() == refused.expose_secret();
        match known.own.get(node) {
            // Another exec has found a better one in the meantime.
            Some(own) if !same(own) => return Some(own.clone()),
            // It was given for this very node: no second attempt, accounts get locked that way.
            Some(_) => return None,
            None => {}
        }
        let password = self.ask(node).await.filter(|password| !same(password))?;
        known.own.insert(node.to_owned(), password.clone());
        Some(password)
    }

    async fn ask(&self, node: &str) -> Option<SecretString> {
        let provider = self.provider.clone()?;
        let node = node.to_owned();
        tokio::task::spawn_blocking(move || provider(&node)).await.ok()?
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn asked_once_for_all_and_again_only_where_it_is_another() {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = asked.clone();
        let passwords = Passwords::new(Some(Arc::new(move |node: &str| {
            count.fetch_add(1, Ordering::SeqCst);
            Some(if node == "odd" { "other" } else { "usual" }.into())
        })));
        for node in ["nuc1", "nuc2", "odd"] {
            let password = passwords.get(node).await.unwrap();
            assert_eq!(password.expose_secret(), "usual");
        }
        assert_eq!(asked.load(Ordering::SeqCst), 1);

        let other = passwords.other("odd", &"usual".into()).await.unwrap();
        assert_eq!(other.expose_secret(), "other");
        assert_eq!(passwords.get("odd").await.unwrap().expose_secret(), "other");
        assert!(passwords.other("nuc1", &"usual".into()).await.is_none());
        assert_eq!(asked.load(Ordering::SeqCst), 2);
    }
}

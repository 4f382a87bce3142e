//! A set of Secrets with their values.

use std::collections::BTreeMap;
use std::fmt;

use secrecy::{ExposeSecret, SecretString};

use crate::redact;

/// Keys whose values are no secrets: names one logs in by, and the half of a pair everybody may know.
const PUBLIC: [&str; 2] = ["login", super::vapid::PUBLIC];

/// Kubernetes Secrets by name, each with its values by key. `Debug` shows names and keys and no value.
#[derive(Clone, Default)]
pub struct SecretSet(BTreeMap<String, BTreeMap<String, SecretString>>);

impl SecretSet {
    /// Puts a value in, in place of one that is there. From now on it is taken out of whatever is shown or written.
    pub fn insert(&mut self, secret: impl Into<String>, key: impl Into<String>, value: SecretString) {
        let key = key.into();
        if !PUBLIC.contains(&key.as_str()) {
            redact::learn(&value);
        }
        self.0.entry(secret.into()).or_default().insert(key, value);
    }

    /// The value of a key.
    pub fn get(&self, secret: &str, key: &str) -> Option<&SecretString> {
        self.0.get(secret)?.get(key)
    }

    /// The names of the Secrets, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The keys of a Secret with their values, in order.
    pub fn of(&self, secret: &str) -> impl Iterator<Item = (&str, &SecretString)> {
        self.0.get(secret).into_iter().flatten().map(|(key, value)| (key.as_str(), value))
    }

    /// All values with the Secret and the key they belong to, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str, &SecretString)> {
        self.0
            .iter()
            .flat_map(|(secret, keys)| keys.iter().map(move |(key, value)| (secret.as_str(), key.as_str(), value)))
    }

    /// Whether the Secret is there with any value.
    pub fn has(&self, secret: &str) -> bool {
        self.of(secret).any(|(_, value)| !value.expose_secret().is_empty())
    }

    /// Whether there is no Secret.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Which of the keys a Secret lacks, or has without a value.
    pub fn missing(&self, secret: &str, keys: &[&str]) -> Vec<String> {
        let there = |key: &&&str| self.get(secret, key).is_some_and(|value| !value.expose_secret().is_empty());
        keys.iter().filter(|key| !there(key)).map(|key| (*key).to_owned()).collect()
    }
}

impl fmt::Debug for SecretSet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = self.0.iter().map(|(secret, keys)| (secret, keys.keys().collect::<Vec<_>>()));
        formatter.debug_map().entries(keys).finish()
    }
}

impl PartialEq for SecretSet {
    /// The same names, keys and values.
    fn eq(&self, other: &Self) -> bool {
        let plain = |(secret, key, value): (&str, &str, &SecretString)| {
            (secret.to_owned(), key.to_owned(), value.expose_secret().to_owned())
        };
        self.iter().map(plain).eq(other.iter().map(plain))
    }
}

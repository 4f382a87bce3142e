//! Takes secrets out of what is shown or written, by value.

use std::sync::{Arc, PoisonError, RwLock};

use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

/// Knows the secrets of a run. Clones share them, so one learnt later is known to all.
#[derive(Debug, Clone, Default)]
pub struct Redactor(Arc<RwLock<Vec<SecretString>>>);

impl Redactor {
    /// One that knows these secrets.
    pub fn new(secrets: impl IntoIterator<Item = SecretString>) -> Self {
        let redactor = Self::default();
        for secret in secrets {
            redactor.learn(secret);
        }
        redactor
    }

    /// Learns one more. An empty one is nothing to hide.
    pub fn learn(&self, secret: SecretString) {
        if !secret.expose_secret().is_empty() {
            self.0.write().unwrap_or_else(PoisonError::into_inner).push(secret);
        }
    }

    /// The text with `***` where a secret stood.
    pub fn text(&self, text: &str) -> String {
        let secrets = self.0.read().unwrap_or_else(PoisonError::into_inner);
        secrets.iter().fold(text.to_owned(), |text, secret| text.replace(secret.expose_secret(), "***"))
    }

    /// Redacts every string in a JSON value, before it is written, so that escapes cannot hide a secret.
    pub fn value(&self, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.text(text),
            Value::Array(items) => items.iter_mut().for_each(|item| self.value(item)),
            Value::Object(fields) => fields.values_mut().for_each(|field| self.value(field)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_secret_is_gone_wherever_it_stands_and_however_it_is_escaped() {
        let redactor = Redactor::new([SecretString::from("pa\"ss\\word")]);
        let mut value = json!({"lines": ["echo pa\"ss\\word | sudo"], "deep": {"x": "pa\"ss\\word"}, "n": 1});
        redactor.value(&mut value);
        assert_eq!(value, json!({"lines": ["echo *** | sudo"], "deep": {"x": "***"}, "n": 1}));
    }

    #[test]
    fn a_clone_learns_too_and_nothing_is_nothing() {
        let redactor = Redactor::new([SecretString::from("")]);
        let clone = redactor.clone();
        redactor.learn(SecretString::from("later"));
        assert_eq!(clone.text("now or later"), "now or ***");
    }
}

//! Takes secrets out of what is shown or written, by value.
//!
//! Secrets are of the type [`SecretString`], which prints as nothing; this is the second wall, for a value that comes back
//! in somebody else's words: a line a command printed, an error of a library, a panic. Whatever reads or makes a secret
//! tells [`learn`], and everything that is shown or written goes through the [`Redactor`] of this process.

use std::fmt::Write as _;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use base64::Engine as _;
use base64::alphabet::{Alphabet, STANDARD, URL_SAFE};
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD};
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

/// What stands where a secret stood.
pub const HIDDEN: &str = "***";
/// Bytes a secret has at least for its encoded forms to be looked for, too: those of a shorter one are found in any text.
const ENCODED_FROM: usize = 6;
/// Characters a line of a secret of several lines has at least to be a secret by itself.
const LINE_FROM: usize = 16;

static OF_THIS_PROCESS: LazyLock<Redactor> = LazyLock::new(Redactor::default);

/// The one that knows every secret this process has learnt.
pub fn of_this_process() -> Redactor {
    OF_THIS_PROCESS.clone()
}

/// Makes a secret known to [`of_this_process`].
pub fn learn(secret: &SecretString) {
    OF_THIS_PROCESS.learn(secret.clone());
}

/// Makes the credentials in a kubeconfig known: tokens, private keys and passwords.
pub fn learn_kubeconfig(config: &SecretString) {
    for line in config.expose_secret().lines() {
        let Some((key, value)) = line.trim_start_matches([' ', '-']).split_once(':') else { continue };
        if matches!(key, "token" | "client-key-data" | "password") {
            learn(&value.trim().trim_matches(['"', '\'']).into());
        }
    }
}

/// Knows secrets. Clones share them, so one learnt later is known to all.
#[derive(Clone, Default)]
pub struct Redactor(Arc<RwLock<Vec<Zeroizing<String>>>>);

impl std::fmt::Debug for Redactor {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Redactor")
    }
}

impl Redactor {
    /// One that knows these secrets.
    pub fn new(secrets: impl IntoIterator<Item = SecretString>) -> Self {
        let redactor = Self::default();
        for secret in secrets {
            redactor.learn(secret);
        }
        redactor
    }

    /// Learns one more, in every form it may come back in. An empty one is nothing to hide.
    #[expect(clippy::needless_pass_by_value, reason = "whoever gives it away need not keep it")]
    pub fn learn(&self, secret: SecretString) {
        let text = secret.expose_secret();
        if text.is_empty() || self.read().iter().any(|known| known.as_str() == text) {
            return;
        }
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for form in forms(text) {
            if !known.contains(&form) {
                known.push(form);
            }
        }
        // Of two that begin alike the longer one has to go first, or its end would stay.
        known.sort_by_key(|form| std::cmp::Reverse(form.len()));
    }

    /// The text with [`HIDDEN`] where a secret stood.
    pub fn text(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for form in self.read().iter().filter(|form| form.as_str() != HIDDEN) {
            if text.contains(form.as_str()) {
                text = text.replace(form.as_str(), HIDDEN);
            }
        }
        text
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

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Vec<Zeroizing<String>>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A secret as it is, as shells, JSON, URLs and Base64 write it, and its lines if it has several.
fn forms(secret: &str) -> Vec<Zeroizing<String>> {
    let mut forms = vec![Zeroizing::new(secret.to_owned())];
    if secret.len() >= ENCODED_FROM {
        forms.extend(percent(secret));
        forms.extend([STANDARD, URL_SAFE].iter().flat_map(|alphabet| base64(secret, alphabet)));
        let json = Zeroizing::new(Value::from(secret).to_string());
        forms.push(Zeroizing::new(json.trim_matches('"').to_owned()));
        forms.push(Zeroizing::new(secret.replace('\'', r"'\''")));
    }
    let lines = secret.lines().map(str::trim).filter(|line| line.len() >= LINE_FROM && !line.starts_with("-----"));
    forms.extend(lines.map(|line| Zeroizing::new(line.to_owned())));
    forms
}

/// Percent-encoded: as a part of a URL with capitals and without, and as a form sends it.
fn percent(secret: &str) -> [Zeroizing<String>; 3] {
    let mut encoded = [(); 3].map(|()| Zeroizing::new(String::new()));
    for byte in secret.bytes() {
        let plain = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        for (kind, text) in encoded.iter_mut().enumerate() {
            let _ = match (kind, byte) {
                _ if plain => write!(text, "{}", char::from(byte)),
                (2, b' ') => write!(text, "+"),
                (1, _) => write!(text, "%{byte:02x}"),
                _ => write!(text, "%{byte:02X}"),
            };
        }
    }
    encoded
}

/// What of a text's Base64 depends on the secret alone, wherever in that text the secret stands, as in
/// `Authorization: Basic` after a user's name.
fn base64(secret: &str, alphabet: &Alphabet) -> [Zeroizing<String>; 3] {
    let engine = GeneralPurpose::new(alphabet, NO_PAD);
    [0, 1, 2].map(|before| {
        let padded = Zeroizing::new([vec![0; before], secret.as_bytes().to_vec()].concat());
        let encoded = Zeroizing::new(engine.encode(&*padded));
        // Six bits a character: the first ones have bits of what stands before, the last one may have of what follows.
        let first = (before * 8).div_ceil(6);
        let last = padded.len() * 8 / 6;
        Zeroizing::new(encoded[first..last].to_owned())
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_secret_is_gone_wherever_it_stands_and_however_it_is_escaped() {
        let redactor = Redactor::new([SecretString::from("pa\"ss\\word")]);
        let mut value = json!({"lines": ["echo pa\"ss\\word | sudo"], "deep": {"x": "pa\"ss\\word"}, "n": 1});
        redactor.value(&mut value);
        assert_eq!(value, json!({"lines": ["echo *** | sudo"], "deep": {"x": "***"}, "n": 1}));
        assert_eq!(redactor.text(r#"{"password":"pa\"ss\\word"}"#), r#"{"password":"***"}"#);
    }

    #[test]
    fn a_clone_learns_too_and_nothing_is_nothing() {
        let redactor = Redactor::new([SecretString::from("")]);
        let clone = redactor.clone();
        redactor.learn(SecretString::from("later"));
        assert_eq!(clone.text("now or later"), "now or ***");
        assert_eq!(format!("{clone:?}"), "Redactor");
    }

    #[test]
    fn the_longer_of_two_goes_first() {
        let redactor = Redactor::new(["hunter2".into(), "hunter2-and-more".into()]);
        assert_eq!(redactor.text("hunter2-and-more hunter2"), "*** ***");
    }

    #[test]
    fn each_line_of_a_key_is_a_secret() {
        let key = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmU\nQyNTUxOQAAACDcanary0123\n-----END OPENSSH PRIVATE KEY-----\n";
        let redactor = Redactor::new([key.into()]);
        let told = redactor.text("error in line 2: QyNTUxOQAAACDcanary0123\n-----BEGIN OPENSSH PRIVATE KEY-----");
        assert_eq!(told, "error in line 2: ***\n-----BEGIN OPENSSH PRIVATE KEY-----");
    }

    #[test]
    fn the_credentials_in_a_kubeconfig_are_learnt() {
        let config = "users:\n- name: admin\n  user:\n    token: \"canary-of-kubeconfig\"\n    client-key-data: TFMwdExTMUNSVWRKVGlCU1UwRWdVRkpK\n";
        learn_kubeconfig(&config.into());
        let told = of_this_process().text("401: canary-of-kubeconfig TFMwdExTMUNSVWRKVGlCU1UwRWdVRkpK of admin");
        assert_eq!(told, "401: *** *** of admin");
    }

    proptest! {
        #[test]
        fn no_form_of_it_is_left(
            secret in "[!-~ ]{8,40}",
            before in "[!-~]{0,5}",
            after in "[!-~]{0,5}",
            url_safe in any::<bool>(),
        ) {
            let redactor = Redactor::new([secret.clone().into()]);
            let alphabet = if url_safe { URL_SAFE } else { STANDARD };
            let engine = GeneralPurpose::new(&alphabet, NO_PAD);
            let basic = engine.encode(format!("{before}{secret}{after}"));
            let told = redactor.text(&basic);
            // What is left tells the neighbours, and of the secret less than a byte on either side.
            prop_assert!(told.contains(HIDDEN), "{basic} → {told}");
            prop_assert!(told.len() <= HIDDEN.len() + (before.len() + after.len()) * 4 / 3 + 4, "{basic} → {told}");
            for form in [percent(&secret)[0].to_string(), Value::from(secret.as_str()).to_string()] {
                prop_assert!(!redactor.text(&form).contains(&form.trim_matches('"').to_owned()) || form.contains(HIDDEN));
            }
        }
    }
}

//! Mastodon's secrets: made once, in the forms its own tools make them, and never changed.
//!
//! * `SECRET_KEY_BASE` and `OTP_SECRET`: 64 random bytes in hexadecimal (`rails secret`).
//! * `VAPID_*`: a key pair on P-256 in URL-safe Base64 with padding (mastodon/mastodon `lib/tasks/mastodon.rake`).
//! * `ACTIVE_RECORD_ENCRYPTION_*`: 32 letters and digits each (mastodon/mastodon `lib/tasks/db.rake`).
//!
//! With others in their place two-factor logins cannot be decrypted, push subscriptions are dead and everybody is logged out:
//! what is there is kept, and what should be there and is not is an error.

mod set;
mod user;
mod vapid;

use std::collections::BTreeMap;

use rand::distr::{Alphanumeric, SampleString};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

pub use set::SecretSet;
pub use user::from_files;

use crate::facts::identity::hex;
use crate::inventory::model::{Mastodon, Postgresql, Redis};

/// The Secret of Mastodon's own keys.
pub const MASTODON: &str = "mastodon-secrets";
/// The Secret of PostgreSQL's passwords.
pub const POSTGRESQL: &str = "mastodon-postgresql";
/// The Secret of the password of Redis.
pub const REDIS: &str = "mastodon-redis";
/// The Secret of the login at the mail server.
pub const SMTP: &str = "mastodon-smtp";
/// The Secret of the access key of object storage.
pub const S3: &str = "mastodon-s3";

/// The key of Mastodon's password in [`POSTGRESQL`].
pub const PASSWORD: &str = "password";
/// The key of the administrator's password in [`POSTGRESQL`].
pub const ADMIN_PASSWORD: &str = "postgres-password";
/// The key in [`REDIS`].
pub const REDIS_PASSWORD: &str = "redis-password";

/// The keys of [`MASTODON`]; the chart needs them all (mastodon/chart `values.yaml`, `mastodon.secrets.existingSecret`).
pub const KEYS: [&str; 7] = [
    "SECRET_KEY_BASE",
    "OTP_SECRET",
    vapid::PRIVATE,
    vapid::PUBLIC,
    "ACTIVE_RECORD_ENCRYPTION_PRIMARY_KEY",
    "ACTIVE_RECORD_ENCRYPTION_DETERMINISTIC_KEY",
    "ACTIVE_RECORD_ENCRYPTION_KEY_DERIVATION_SALT",
];

/// Why the secrets could not be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretsError {
    /// A Secret is there without some of its keys.
    #[error(
        "the Secret {secret} has lost {}: made anew, what was encrypted or set up with it would be lost; put it back from a backup or from the sealed file in Git", keys.join(", ")
    )]
    Lost {
        /// The Secret.
        secret: String,
        /// The keys that are not there, or empty.
        keys: Vec<String>,
    },
    /// The VAPID keys do not belong together.
    #[error(
        "the VAPID keys in {MASTODON} are no pair ({reason}): push notifications cannot work with them; put back the right ones from a backup or from the sealed file in Git"
    )]
    NoPair {
        /// What is wrong with them.
        reason: &'static str,
    },
    /// A file of the user's could not be read.
    #[error("{path}: {reason}")]
    File {
        /// The file.
        path: String,
        /// Why.
        reason: String,
    },
}

/// The Secrets and keys that homeprov makes, for these databases.
pub fn generated(mastodon: &Mastodon) -> Vec<(&'static str, Vec<&'static str>)> {
    let mut generated = vec![(MASTODON, KEYS.to_vec())];
    if let Postgresql::Bundled { .. } = mastodon.postgresql {
        generated.push((POSTGRESQL, vec![PASSWORD, ADMIN_PASSWORD]));
    }
    if let Redis::Bundled { .. } = mastodon.redis {
        generated.push((REDIS, vec![REDIS_PASSWORD]));
    }
    generated
}

/// All Secrets: what is `present` is kept, what is not is made, and what is the user's comes from `given`
/// ([`from_files`]).
pub fn generate(mastodon: &Mastodon, present: &SecretSet, given: &SecretSet) -> Result<SecretSet, SecretsError> {
    let mut set = present.clone();
    for (secret, keys) in generated(mastodon) {
        let lost = present.missing(secret, &keys);
        if !lost.is_empty() && present.has(secret) {
            return Err(SecretsError::Lost { secret: secret.into(), keys: lost });
        }
        if lost.is_empty() {
            continue;
        }
        for (key, value) in fresh(secret, &keys) {
            set.insert(secret, key, value);
        }
    }
    vapid::check(&set).map_err(|reason| SecretsError::NoPair { reason })?;
    for (secret, key, value) in given.iter() {
        set.insert(secret, key, value.clone());
    }
    Ok(set)
}

/// A fingerprint of what homeprov made: hexadecimal, the same for the same secrets. It tells nothing of them, since all
/// are random; passwords of the user's, which may be short, are left out.
pub fn fingerprint(mastodon: &Mastodon, set: &SecretSet) -> String {
    let mut hash = Sha256::new();
    for (secret, keys) in generated(mastodon) {
        for key in keys {
            let value = set.get(secret, key).map(ExposeSecret::expose_secret).unwrap_or_default();
            for part in [secret, key, value] {
                hash.update(part.len().to_be_bytes());
                hash.update(part.as_bytes());
            }
        }
    }
    hex(&hash.finalize())
}

/// The same for each Secret by itself.
pub fn fingerprints(mastodon: &Mastodon, set: &SecretSet) -> BTreeMap<String, String> {
    let of = |(secret, keys): (&str, Vec<&str>)| {
        let mut hash = Sha256::new();
        for key in keys {
            let value = set.get(secret, key).map(ExposeSecret::expose_secret).unwrap_or_default();
            for part in [key, value] {
                hash.update(part.len().to_be_bytes());
                hash.update(part.as_bytes());
            }
        }
        (secret.to_owned(), hex(&hash.finalize()))
    };
    generated(mastodon).into_iter().map(of).collect()
}

fn fresh<'a>(secret: &str, keys: &[&'a str]) -> Vec<(&'a str, SecretString)> {
    if secret != MASTODON {
        return keys.iter().map(|key| (*key, word())).collect();
    }
    let (private, public) = vapid::pair();
    let value = |key: &str| match key {
        vapid::PRIVATE => private.clone(),
        vapid::PUBLIC => public.clone(),
        "SECRET_KEY_BASE" | "OTP_SECRET" => {
            hex(&rand::random::<[u8; 32]>().into_iter().chain(rand::random::<[u8; 32]>()).collect::<Vec<_>>()).into()
        }
        _ => word(),
    };
    keys.iter().map(|key| (*key, value(key))).collect()
}

/// 32 letters and digits: more than any machine can guess, and no character that a URL or a shell takes for its own.
fn word() -> SecretString {
    Alphanumeric.sample_string(&mut rand::rng(), 32).into()
}

#[cfg(test)]
mod tests;

//! The secrets in Git: encrypted with age to a key in the user's state folder (<https://age-encryption.org/v1>).
//!
//! The key never leaves this machine, and without it the file in Git is of no use: who loses the machine needs a backup of it.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use age::x25519::{Identity, Recipient};
use secrecy::ExposeSecret;
use secrecy::zeroize::Zeroizing;

use super::secrets::SecretSet;
use crate::redact;

const FINGERPRINT: &str = "# fingerprint: ";
const RECIPIENT: &str = "# recipient: ";

/// Why secrets could not be sealed or unsealed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The key's file could not be made or read.
    #[error("{path}: {reason}")]
    Key {
        /// The file.
        path: String,
        /// Why.
        reason: String,
    },
    /// The sealed file is for another key, or damaged.
    #[error("the sealed secrets cannot be decrypted with the key on this machine: {reason}")]
    Decrypt {
        /// What age says.
        reason: String,
    },
    /// What was decrypted is not a set of secrets.
    #[error("the sealed file holds something else than secrets of homeprov's")]
    Content,
    /// It could not be encrypted.
    #[error("the secrets could not be encrypted: {reason}")]
    Encrypt {
        /// What age says.
        reason: String,
    },
}

/// The file of the key, below homeprov's state folder.
pub fn key_file(state: &Path, cluster: &str) -> PathBuf {
    state.join("clusters").join(cluster).join("age.key")
}

/// The key of a cluster; none when it was never made on this machine.
pub fn identity(state: &Path, cluster: &str) -> Result<Option<Identity>, SealError> {
    let path = key_file(state, cluster);
    let problem = |reason: String| SealError::Key { path: path.display().to_string(), reason };
    let text = match fs::read_to_string(&path) {
        Ok(text) => Zeroizing::new(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(problem(error.to_string())),
    };
    let key = text.lines().find(|line| !line.is_empty() && !line.starts_with('#')).unwrap_or_default();
    redact::learn(&key.into());
    Identity::from_str(key).map(Some).map_err(|reason| problem(format!("not a key of age: {reason}")))
}

/// Whom secrets are sealed for: the key of the cluster, made now when there is none.
pub fn recipient(state: &Path, cluster: &str) -> Result<Recipient, SealError> {
    if let Some(identity) = identity(state, cluster)? {
        return Ok(identity.to_public());
    }
    let identity = Identity::generate();
    let path = key_file(state, cluster);
    write_key(&path, &identity)
        .map_err(|error| SealError::Key { path: path.display().to_string(), reason: error.to_string() })?;
    // Another run may have been quicker: what is in the file counts.
    Ok(self::identity(state, cluster)?.unwrap_or(identity).to_public())
}

/// Writes the key as `age-keygen` does, for its owner alone. One that is there is never overwritten.
fn write_key(path: &Path, identity: &Identity) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(folder)?;
    let text = identity.to_string();
    let mut file = tempfile::Builder::new().prefix(".age.key").tempfile_in(folder)?;
    writeln!(file, "# public key: {}\n{}", identity.to_public(), text.expose_secret())?;
    file.as_file().sync_all()?;
    match file.persist_noclobber(path) {
        Err(error) if error.error.kind() != io::ErrorKind::AlreadyExists => Err(error.error),
        _ => Ok(()),
    }
}

/// The sealed file: lines that say what it is, its fingerprint, then the encrypted secrets in letters.
pub fn seal(set: &SecretSet, fingerprint: &str, recipient: &Recipient) -> Result<String, SealError> {
    let mut plain: BTreeMap<&str, BTreeMap<&str, &str>> = BTreeMap::new();
    for (secret, key, value) in set.iter() {
        plain.entry(secret).or_default().insert(key, value.expose_secret());
    }
    let problem = |reason: String| SealError::Encrypt { reason };
    let plain = Zeroizing::new(serde_json::to_vec(&plain).map_err(|error| problem(error.to_string()))?);
    let armored = age::encrypt_and_armor(recipient, &plain).map_err(|error| problem(error.to_string()))?;
    Ok(format!(
        "# Mastodon's secrets, encrypted with age by homeprov. To read them: grep -v '^#' FILE | age --decrypt -i KEY\n\
         {RECIPIENT}{recipient}\n{FINGERPRINT}{fingerprint}\n{}\n",
        armored.trim_end()
    ))
}

/// The fingerprint that a sealed file names.
pub fn sealed_fingerprint(text: &str) -> Option<String> {
    text.lines().find_map(|line| line.strip_prefix(FINGERPRINT)).map(|value| value.trim().to_owned())
}

/// The secrets in a sealed file.
pub fn unseal(text: &str, identity: &Identity) -> Result<SecretSet, SealError> {
    let armored: String =
        text.lines().filter(|line| !line.starts_with('#')).fold(String::new(), |all, line| all + line + "\n");
    let plain =
        age::decrypt(identity, armored.as_bytes()).map_err(|error| SealError::Decrypt { reason: error.to_string() })?;
    let plain = Zeroizing::new(plain);
    let read: BTreeMap<String, BTreeMap<String, String>> =
        serde_json::from_slice(&plain).map_err(|_| SealError::Content)?;
    let mut set = SecretSet::default();
    for (secret, keys) in read {
        for (key, value) in keys {
            set.insert(&secret, key, value.into());
        }
    }
    Ok(set)
}

#[cfg(test)]
mod tests;

//! The manifest of a backup: `manifest.json`, written last.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::inventory::model::S3;

/// The version of the manifest's form. A newer one is not read.
pub const SCHEMA: u32 = 1;
/// The manifest's file.
pub const FILE: &str = "manifest.json";
/// Larger manifests are none.
const LARGEST: u64 = 4 * 1024 * 1024;

/// What is in a backup, and what it is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The version of homeprov that made it.
    pub homeprov: String,
    /// The name of its folder: the minute it was begun, in UTC.
    pub name: String,
    /// When it was begun.
    pub at: jiff::Timestamp,
    /// The cluster.
    pub cluster: Cluster,
    /// The site.
    pub site: Site,
    /// The database.
    pub database: Database,
    /// Whether the copies of other servers' media are in it.
    pub cache: bool,
    /// Where the users' files are, when they are not in it: object storage.
    pub media_elsewhere: Option<String>,
    /// SHA-256 of the values of each generated Secret. All of them are random, so this tells nothing of them.
    pub secrets: BTreeMap<String, String>,
    /// The age recipients that can read the encrypted files.
    pub sealed_for: Vec<String>,
    /// The files, in the order of their names.
    pub files: Vec<Part>,
    /// What is worth knowing about it, a line each.
    pub notes: Vec<String>,
}

/// The cluster a backup is of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cluster {
    /// Its name in the inventory.
    pub name: String,
    /// Its identity: the fingerprint of its certificate authority.
    pub identity: String,
}

/// The site a backup is of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Site {
    /// The domain in its accounts' addresses.
    pub local_domain: String,
    /// Mastodon's version: the tag of its image.
    pub image: String,
    /// The chart's version.
    pub chart: String,
    /// The chart's commit.
    pub commit: String,
}

/// The database as the dump has it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Database {
    /// PostgreSQL's version as a number: 160002.
    pub server: u32,
    /// The newest migration in it.
    pub schema: String,
    /// Its size in bytes, as PostgreSQL tells it; absent in backups of a homeprov that did not ask.
    #[serde(default)]
    pub bytes: Option<u64>,
    /// The rows of its main tables, counted in the transaction the dump was made in.
    pub rows: BTreeMap<String, u64>,
}

/// One file of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Its name in the folder.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// Its size in bytes.
    pub bytes: u64,
    /// SHA-256 in hexadecimal.
    pub sha256: String,
    /// In an archive of files: their number; in the dump: the entries `pg_restore --list` shows.
    pub entries: Option<u64>,
}

/// What a file of a backup is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// PostgreSQL's custom format.
    Dump,
    /// A tar archive of this folder of Mastodon's `public/system`.
    Files {
        /// The folder: `accounts`, `cache/custom_emojis`.
        folder: String,
    },
    /// Mastodon's environment without its passwords.
    Environment,
    /// The Secrets, encrypted with age.
    Secrets,
    /// The backup of the cluster's data store, encrypted with age: it holds all Secrets of the cluster.
    DataStore,
}

/// Where the users' files are that are in an object store: how [`Manifest::media_elsewhere`] names it.
pub fn elsewhere(s3: &S3) -> String {
    format!("bucket {} at {}", s3.bucket, s3.endpoint)
}

impl Manifest {
    /// Reads the manifest of a backup's folder.
    ///
    /// # Errors
    /// In words: there is none, so that the backup is not complete; or it cannot be read.
    pub fn read(folder: &Path) -> Result<Self, String> {
        let path = folder.join(FILE);
        let shown = path.display();
        let found = fs::metadata(&path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => {
                format!("{} is no complete backup: it has no {FILE}, which is written last", folder.display())
            }
            _ => format!("cannot read {shown}: {error}"),
        })?;
        if found.len() > LARGEST {
            return Err(format!("{shown} is larger than any manifest"));
        }
        let text = fs::read_to_string(&path).map_err(|error| format!("cannot read {shown}: {error}"))?;
        let schema: serde_json::Value =
            serde_json::from_str(&text).map_err(|error| format!("{shown} is damaged: {error}"))?;
        match schema["schema"].as_u64() {
            Some(known) if known == u64::from(SCHEMA) => {}
            Some(newer) => return Err(format!("{shown} has form {newer}; this homeprov reads form {SCHEMA}")),
            None => return Err(format!("{shown} is no manifest of homeprov's")),
        }
        let manifest: Self = serde_json::from_str(&text).map_err(|error| format!("{shown} is damaged: {error}"))?;
        let plain = |name: &str| !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\0']);
        if let Some(part) = manifest.files.iter().find(|part| !plain(&part.name)) {
            return Err(format!("{shown} names a file outside of its folder: {:?}", part.name));
        }
        let inside = |folder: &str| {
            !folder.is_empty() && folder.split('/').all(|word| !word.is_empty() && !word.starts_with('.'))
        };
        if let Some((_, folder)) = manifest.archives().find(|(_, folder)| !inside(folder)) {
            return Err(format!("{shown} names a folder outside of Mastodon's: {folder:?}"));
        }
        Ok(manifest)
    }

    /// The file of a kind.
    pub fn part(&self, kind: &Kind) -> Option<&Part> {
        self.files.iter().find(|part| part.kind == *kind)
    }

    /// The archives of files, with the folder each is of.
    pub fn archives(&self) -> impl Iterator<Item = (&Part, &str)> {
        self.files.iter().filter_map(|part| match &part.kind {
            Kind::Files { folder } => Some((part, folder.as_str())),
            _ => None,
        })
    }

    /// All bytes of its files.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|part| part.bytes).sum()
    }
}

#[cfg(test)]
pub(crate) fn fixture(name: &str, at: jiff::Timestamp) -> Manifest {
    Manifest {
        schema: SCHEMA,
        homeprov: "0.1.0".into(),
        name: name.into(),
        at,
        cluster: Cluster { name: "home".into(), identity: "00".into() },
        site: Site::default(),
        database: Database::default(),
        cache: true,
        media_elsewhere: None,
        secrets: BTreeMap::new(),
        sealed_for: vec![],
        files: vec![],
        notes: vec![],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_leads_nowhere_but_into_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let write = |manifest: &Manifest| {
            fs::write(folder.path().join(FILE), serde_json::to_string(manifest).unwrap()).unwrap();
            Manifest::read(folder.path())
        };
        let part = |name: &str, folder: &str| Part {
            name: name.into(),
            kind: Kind::Files { folder: folder.into() },
            bytes: 1,
            sha256: "00".into(),
            entries: None,
        };
        let at = jiff::Timestamp::UNIX_EPOCH;
        let with = |parts: Vec<Part>| Manifest { files: parts, ..fixture("2026-11-21T0300Z", at) };
        let good = with(vec![part("files-cache-custom_emojis.tar", "cache/custom_emojis")]);
        assert_eq!(write(&good), Ok(good.clone()));
        for (name, folder) in [("../x", "a"), ("", "a"), ("a", "../a"), ("a", "/a"), ("a", "")] {
            let why = write(&with(vec![part(name, folder)])).unwrap_err();
            assert!(why.contains("outside"), "{why}");
        }
        assert!(write(&Manifest { schema: 9, ..good }).unwrap_err().contains("form 9"));
        fs::remove_file(folder.path().join(FILE)).unwrap();
        assert!(Manifest::read(folder.path()).unwrap_err().contains("no complete backup"));
    }
}

//! Looking at a backup without the cluster it is of.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};

use sha2::{Digest, Sha256};

use super::manifest::{Kind, Manifest, Part};
use super::save::entries;
use crate::facts::identity::hex;
use crate::mastodon::Finding;
use crate::mastodon::secrets::MASTODON;
use crate::report::words;

/// What a backup was found to be.
#[derive(Debug, Clone)]
pub struct Looked {
    /// What it says of itself.
    pub manifest: Manifest,
    /// What was looked at, part by part.
    pub findings: Vec<Finding>,
}

impl Looked {
    /// Whether it can be restored, as far as can be seen here.
    pub fn whole(&self) -> bool {
        !self.findings.iter().any(Finding::wrong)
    }

    /// What is wrong with it, a line each.
    pub fn wrong(&self) -> Vec<String> {
        self.findings.iter().filter(|finding| finding.wrong()).map(Finding::line).collect()
    }
}

const REMEDY: &str = "restore another backup, or put this file back from another copy of it";

/// Looks at every file of a backup: its size, its hash, and whether it can be read.
///
/// # Errors
/// In words, when there is no manifest to compare with.
pub fn look(folder: &Path) -> Result<Looked, String> {
    let manifest = Manifest::read(folder)?;
    let mut findings: Vec<Finding> = manifest.files.iter().map(|part| part_of(folder, part)).collect();
    for kind in [Kind::Dump, Kind::Secrets, Kind::DataStore, Kind::Environment] {
        if manifest.part(&kind).is_none() {
            findings.push(Finding::bad("manifest.json", format!("it names no file that is {kind:?}"), REMEDY));
        }
    }
    let own = manifest.secrets.get(MASTODON).map_or("-", |fingerprint| &fingerprint[..fingerprint.len().min(16)]);
    findings.push(Finding::good(
        "versions",
        format!(
            "Mastodon {}, chart {}, PostgreSQL {}, schema {}, made by homeprov {}; Secrets {own}…",
            manifest.site.image,
            manifest.site.chart,
            manifest.database.server / 10_000,
            manifest.database.schema,
            manifest.homeprov
        ),
    ));
    findings.extend(manifest.notes.iter().map(|note| Finding::open("note", note.clone())));
    Ok(Looked { manifest, findings })
}

fn part_of(folder: &Path, part: &Part) -> Finding {
    let path = folder.join(&part.name);
    let bad = |text: String| Finding::bad(&part.name, text, REMEDY);
    let files = matches!(part.kind, Kind::Files { .. });
    let (bytes, sha256, counted) = match File::open(&path).and_then(|file| read(file, files)) {
        Ok(found) => found,
        Err(error) => return bad(format!("cannot be read: {error}")),
    };
    if bytes != part.bytes {
        return bad(format!("has {bytes} bytes, and had {} when it was made", part.bytes));
    }
    if sha256 != part.sha256 {
        return bad(format!(
            "is not what it was when it was made: SHA-256 {}…, was {}…",
            &sha256[..12],
            part.sha256.get(..12).unwrap_or_default()
        ));
    }
    let whole = format!("{bytes} bytes as they were made");
    match &part.kind {
        Kind::Dump => dump(&path, part, &whole),
        Kind::Files { folder } => match counted {
            Ok(count) if Some(count) == part.entries => Finding::good(
                &part.name,
                format!(
                    "{whole}; {folder} with {} in it",
                    words::count(usize::try_from(count).unwrap_or(usize::MAX), "file")
                ),
            ),
            Ok(count) => bad(format!("has {count} files, and had {:?}", part.entries)),
            Err(error) => bad(format!("is no archive that can be read: {error}")),
        },
        Kind::Secrets | Kind::DataStore if !begins(&path, b"age-encryption.org/v1\n") => {
            bad("is not encrypted with age".to_owned())
        }
        Kind::Secrets | Kind::DataStore => Finding::good(&part.name, format!("{whole}; encrypted with age")),
        Kind::Environment => Finding::good(&part.name, whole),
    }
}

/// The dump: read by `pg_restore` where this machine has it.
fn dump(path: &Path, part: &Part, whole: &str) -> Finding {
    if !begins(path, b"PGDMP") {
        return Finding::bad(&part.name, "is no dump of PostgreSQL's in the custom format", REMEDY);
    }
    let listed = part.entries.unwrap_or_default();
    match Command::new("pg_restore").arg("--list").arg(path).stdin(Stdio::null()).output() {
        Ok(done) if done.status.success() => {
            let text = String::from_utf8_lossy(&done.stdout).into_owned();
            let count = text.lines().filter(|line| !line.starts_with(';') && !line.trim().is_empty()).count();
            Finding::good(&part.name, format!("{whole}; pg_restore lists {count} entries"))
        }
        Ok(done) => {
            let said = String::from_utf8_lossy(&done.stderr).into_owned();
            let said = crate::bounded::line(said.lines().next().unwrap_or_default());
            // An older program cannot read what a newer one wrote.
            if said.contains("unsupported version") {
                return Finding::good(
                    &part.name,
                    format!("{whole}; {listed} entries when it was made (this pg_restore is older)"),
                );
            }
            Finding::bad(&part.name, format!("pg_restore cannot read it: {said}"), REMEDY)
        }
        Err(_) => Finding::good(
            &part.name,
            format!("{whole}; pg_restore listed {listed} entries when it was made, and is not on this machine"),
        ),
    }
}

fn begins(path: &Path, with: &[u8]) -> bool {
    let mut start = vec![0; with.len()];
    File::open(path).and_then(|mut file| file.read_exact(&mut start)).is_ok() && start == with
}

/// The bytes of a file, their SHA-256, and the files in it where it is an archive: all of it is read, once. An archive may have a
/// hundred gigabytes.
fn read(file: impl Read, archive: bool) -> io::Result<(u64, String, io::Result<u64>)> {
    let mut file = BufReader::with_capacity(1 << 16, Hashed { inner: file, digest: Sha256::new(), bytes: 0 });
    let counted = if archive { entries(&mut file) } else { Ok(0) };
    // What comes after the end of an archive, or after what cannot be read of it.
    io::copy(&mut file, &mut io::sink())?;
    let Hashed { digest, bytes, .. } = file.into_inner();
    Ok((bytes, hex(&digest.finalize()), counted))
}

/// Counts and hashes what is read through it.
struct Hashed<R> {
    inner: R,
    digest: Sha256,
    bytes: u64,
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, piece: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(piece)?;
        self.digest.update(&piece[..read]);
        self.bytes += read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    /// Counts what is asked of it.
    struct Counting<'a>(&'a [u8], u64);

    impl Read for &mut Counting<'_> {
        fn read(&mut self, piece: &mut [u8]) -> io::Result<usize> {
            let read = self.0.read(piece)?;
            self.1 += read as u64;
            Ok(read)
        }
    }

    #[test]
    fn an_archive_is_read_once_and_to_its_end() {
        let mut archive = tar::Builder::new(Vec::new());
        for name in ["accounts/1/face.png", "accounts/2/face.png"] {
            let mut header = tar::Header::new_gnu();
            header.set_size(100_000);
            archive.append_data(&mut header, name, vec![7_u8; 100_000].as_slice()).unwrap();
        }
        let mut bytes = archive.into_inner().unwrap();
        // Whatever is behind the end of an archive is hashed, too.
        bytes.write_all(b"more").unwrap();
        let mut file = Counting(&bytes, 0);
        let (length, sum, counted) = read(&mut file, true).unwrap();
        assert_eq!((length, counted.unwrap()), (bytes.len() as u64, 2));
        assert_eq!(sum, hex(&Sha256::digest(&bytes)));
        assert_eq!(file.1, bytes.len() as u64, "once");
        // What cannot be read as an archive is hashed all the same: that tells what happened to it.
        bytes.truncate(50_000);
        let (length, sum, counted) = read(&bytes[..], true).unwrap();
        assert!(counted.is_err());
        assert_eq!((length, sum), (50_000, hex(&Sha256::digest(&bytes))));
    }
}

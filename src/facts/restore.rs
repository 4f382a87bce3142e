//! A restore: what is wanted, and how far it has come.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::Facts;
use super::record::Record;
use crate::backup::Manifest;
use crate::mastodon::{NAMESPACE, REHEARSAL};

/// The name of the record of the last restore, which is also its journal.
pub const RECORD: &str = "restore";
/// The same of the last rehearsal.
pub const REHEARSED: &str = "rehearsal";

/// A restore that is wanted.
#[derive(Debug, Clone)]
pub struct Restore {
    /// Its id: that of the run it was begun in.
    pub id: String,
    /// The backup's folder.
    pub folder: PathBuf,
    /// What is in it.
    pub manifest: Manifest,
    /// A file with an age identity for its Secrets, when it is not the key in homeprov's state folder.
    pub identity: Option<PathBuf>,
    /// Whether it is only tried, in a namespace of its own.
    pub rehearsal: bool,
}

impl Restore {
    /// The namespace its data are put into.
    pub const fn namespace(&self) -> &'static str {
        if self.rehearsal { REHEARSAL } else { NAMESPACE }
    }

    /// The name of its record.
    pub const fn record(&self) -> &'static str {
        if self.rehearsal { REHEARSED } else { RECORD }
    }
}

/// How far a restore has come. What is in here was observed, and not merely done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Journal {
    /// The restore's id.
    pub id: String,
    /// The backup's name.
    pub backup: String,
    /// Whether it has ended.
    pub ended: bool,
    /// The replicas each Deployment had before.
    pub replicas: BTreeMap<String, i32>,
    /// What is done.
    pub done: BTreeSet<String>,
}

impl Journal {
    /// Reads the record.
    pub fn of(record: &Record) -> Self {
        let mut journal = Self { id: record.fingerprint.clone(), ..Self::default() };
        for line in &record.evidence {
            match line.split_once(": ") {
                Some(("backup", name)) => name.clone_into(&mut journal.backup),
                Some(("done", what)) => drop(journal.done.insert(what.to_owned())),
                Some(("replicas", what)) => {
                    let known =
                        what.split_once('=').and_then(|(name, count)| Some((name.to_owned(), count.parse().ok()?)));
                    journal.replicas.extend(known);
                }
                _ => journal.ended |= line == "ended",
            }
        }
        journal
    }

    /// The record that says this.
    pub fn record(&self) -> Record {
        let mut evidence = vec![format!("backup: {}", self.backup)];
        evidence.extend(self.replicas.iter().map(|(name, count)| format!("replicas: {name}={count}")));
        evidence.extend(self.done.iter().map(|what| format!("done: {what}")));
        evidence.extend(self.ended.then(|| "ended".to_owned()));
        Record { fingerprint: self.id.clone(), at: jiff::Timestamp::now(), evidence, not_tried: vec![] }
    }
}

impl Facts {
    /// The journal of the restore that was begun last, in this cluster.
    pub fn journal(&self) -> Option<Journal> {
        self.journal_of(RECORD)
    }

    /// The journal of a name: [`RECORD`] or [`REHEARSED`].
    pub fn journal_of(&self, record: &str) -> Option<Journal> {
        self.cluster.as_ref()?.records.get(record).map(Journal::of)
    }

    /// The backup a restore was begun of that has not ended.
    pub fn unfinished_restore(&self) -> Option<String> {
        self.journal().filter(|journal| !journal.ended).map(|journal| journal.backup)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journal_comes_back_from_its_record() {
        let journal = Journal {
            id: "01J".into(),
            backup: "2026-11-21T0300Z".into(),
            ended: true,
            replicas: BTreeMap::from([("mastodon-web".into(), 2)]),
            done: BTreeSet::from(["database".into(), "tootctl feeds build".into()]),
        };
        assert_eq!(Journal::of(&journal.record()), journal);
        let begun = Journal { ended: false, ..journal };
        assert_eq!(Journal::of(&begun.record()), begun);
    }
}

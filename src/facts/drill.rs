//! The record of the last drill, which is also what tells that one is under way.

use super::Facts;
use super::record::Record;
use crate::drill::How;

/// The record's name.
pub const RECORD: &str = "drill";

/// A drill, as the cluster remembers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drill {
    /// Its run.
    pub id: String,
    /// When it was begun, or, once it is over, when it ended.
    pub at: jiff::Timestamp,
    /// The node.
    pub node: String,
    /// How it was taken away.
    pub how: How,
    /// The boot of the machine before.
    pub boot: String,
    /// What came of it; absent while it is under way.
    pub result: Option<String>,
}

impl Drill {
    /// Reads the record; none when it is none of a drill.
    pub fn of(record: &Record) -> Option<Self> {
        let value = |key: &str| record.evidence.iter().find_map(|line| line.strip_prefix(key)?.strip_prefix(": "));
        Some(Self {
            id: record.fingerprint.clone(),
            at: record.at,
            node: value("node")?.to_owned(),
            how: How::of(value("how")?)?,
            boot: value("boot").unwrap_or_default().to_owned(),
            result: value("result").map(str::to_owned),
        })
    }

    /// The record that says this.
    pub fn record(&self) -> Record {
        let mut evidence =
            vec![format!("node: {}", self.node), format!("how: {}", self.how), format!("boot: {}", self.boot)];
        evidence.extend(self.result.iter().map(|result| format!("result: {result}")));
        Record { fingerprint: self.id.clone(), at: self.at, evidence, not_tried: vec![] }
    }
}

impl Facts {
    /// The last drill in this cluster.
    pub fn drill(&self) -> Option<Drill> {
        Drill::of(self.cluster.as_ref()?.records.get(RECORD)?)
    }

    /// A drill that was begun and has not ended.
    pub fn unfinished_drill(&self) -> Option<Drill> {
        self.drill().filter(|drill| drill.result.is_none())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_comes_back_from_its_record() {
        let drill = Drill {
            id: "01J".into(),
            at: "2026-11-21T03:00:00Z".parse().unwrap(),
            node: "nuc2".into(),
            how: How::Network,
            boot: "b".into(),
            result: None,
        };
        assert_eq!(Drill::of(&drill.record()), Some(drill.clone()));
        let ended = Drill { result: Some("site back in 94 s".into()), ..drill };
        assert_eq!(Drill::of(&ended.record()), Some(ended));
    }
}

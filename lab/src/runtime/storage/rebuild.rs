//! Replicas that come, go, and catch up (openebs/jiva `controller/rebuild.go`): a rebuild begins with a snapshot of all
//! replicas, the new one takes writes from then on, and gets the snapshots last.

use std::path::Path;

use anyhow::{Context as _, Result};
use rand::RngExt as _;

use super::replica::{Replica, State};
use super::volume::Volume;

/// What a replica should be now.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// The node whose disk it is on.
    pub node: &'a str,
    /// The node's root directory, as the lab sees it.
    pub root: &'a Path,
    /// Its directory on the node.
    pub path: &'a str,
    /// What one may do with it.
    pub state: State,
}

impl Volume {
    /// Makes the replicas what they should be; `there` tells whether the disk of a node can be reached, which the
    /// directory of a replica that is not wanted any more waits for.
    pub fn settle_replicas(&mut self, wanted: &[Wanted], there: impl Fn(&str) -> bool) -> Result<()> {
        let keys: Vec<_> = wanted.iter().map(|replica| (replica.node.to_owned(), replica.path.to_owned())).collect();
        let gone: Vec<_> = self.replicas.keys().filter(|key| !keys.contains(key) && there(&key.0)).cloned().collect();
        for key in gone {
            if let Some(replica) = self.replicas.remove(&key) {
                replica.remove().context("removing a replica's directory")?;
            }
        }
        let writes = self.writes();
        for (_, replica) in self.replicas.iter_mut().filter(|(key, _)| !keys.contains(key)) {
            replica.leave(writes);
        }
        for (key, wanted) in keys.iter().zip(wanted) {
            let folder = wanted.root.join(wanted.path.trim_start_matches('/'));
            self.replicas.entry(key.clone()).or_insert_with(|| Replica::new(folder));
            self.settle_replica(key, wanted.state)?;
        }
        Ok(())
    }

    fn settle_replica(&mut self, key: &(String, String), wanted: State) -> Result<()> {
        let writes = self.writes();
        let Some(replica) = self.replicas.get_mut(key) else { return Ok(()) };
        if wanted == State::Away {
            replica.leave(writes);
            return Ok(());
        }
        let lost = !replica.is_there();
        let misses = replica.misses(writes) || (lost && writes > 0);
        match (wanted, replica.state) {
            (State::Complete, State::Complete) | (State::Rebuilding, State::Rebuilding) if !lost => {}
            (_, State::Complete | State::Away) if !misses => {
                if lost {
                    let size = self.size();
                    self.replicas.get_mut(key).map_or(Ok(()), |replica| replica.create(size, 0))?;
                }
                self.replicas.get_mut(key).map_or(Ok(()), |replica| replica.enter(wanted))?;
            }
            (State::Complete, State::Rebuilding) if !lost => self.complete(key)?,
            _ => {
                self.begin(key)?;
                if wanted == State::Complete {
                    self.complete(key)?;
                }
            }
        }
        Ok(())
    }

    /// A snapshot everywhere, and the replica takes writes.
    fn begin(&mut self, key: &(String, String)) -> Result<()> {
        let id = uuid();
        let size = self.size();
        let mut head = 0;
        for (_, other) in self.replicas.iter_mut().filter(|(other, _)| *other != key) {
            if other.state == State::Complete && other.is_there() {
                other.snapshot(&id)?;
                head = other.head_number();
            }
        }
        let Some(replica) = self.replicas.get_mut(key) else { return Ok(()) };
        if replica.is_there() {
            replica.snapshot(&id)?;
        } else {
            replica.create(size, head)?;
        }
        Ok(replica.enter(State::Rebuilding)?)
    }

    /// The replica gets what was there before it began.
    fn complete(&mut self, key: &(String, String)) -> Result<()> {
        let others = self.replicas.iter().filter(|(other, _)| *other != key).map(|(_, other)| other);
        let donor = others.into_iter().find(|other| other.state == State::Complete && other.is_there());
        let donor = donor.map(Replica::donor);
        let Some(replica) = self.replicas.get_mut(key) else { return Ok(()) };
        match (donor, &self.device) {
            (Some(donor), _) => replica.complete_from(&donor).context("rebuilding a replica"),
            (None, Some(device)) => replica.complete_from_device(&device.image).context("rebuilding a replica"),
            (None, None) => Ok(()),
        }
    }
}

fn uuid() -> String {
    let mut bytes: [u8; 16] = rand::rng().random();
    bytes[6] = bytes[6] & 0x0F | 0x40;
    bytes[8] = bytes[8] & 0x3F | 0x80;
    let hex = bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

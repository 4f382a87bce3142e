//! The cluster identity as this machine, the controller, has recorded it in its state folder.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::identity::IdentityRecord;

fn file(state: &Path, cluster: &str) -> PathBuf {
    state.join("clusters").join(cluster).join("identity")
}

/// The record of a cluster below `state`, homeprov's folder for state; absent when there is none, or none that can
/// be read.
pub fn read(state: &Path, cluster: &str) -> Option<IdentityRecord> {
    IdentityRecord::parse(&fs::read_to_string(file(state, cluster)).ok()?)
}

/// Removes the record; one that is not there is as good as removed.
pub fn forget(state: &Path, cluster: &str) -> io::Result<()> {
    match fs::remove_file(file(state, cluster)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Writes the record, whole or not at all.
pub fn write(state: &Path, record: &IdentityRecord) -> io::Result<()> {
    let path = file(state, &record.cluster);
    let folder = path.parent().ok_or_else(|| io::Error::other("no folder"))?;
    fs::create_dir_all(folder)?;
    let mut draft = tempfile::NamedTempFile::new_in(folder)?;
    io::Write::write_all(&mut draft, record.to_string().as_bytes())?;
    draft.persist(path).map(drop).map_err(|error| error.error)
}

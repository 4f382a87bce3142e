//! The private directory the control sockets live in.
//!
//! A unix socket's path may have about a hundred bytes, and ssh adds seventeen of its own while it makes one, so the
//! directory has a short path. Its owner holds a lock on a file in it for as long as it lives; the kernel drops the
//! lock even when the owner is killed, so the next run can tell a directory in use from one left behind. A process
//! id could not tell: another PID namespace may share the folder.

use std::fs::{self, File, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::transport::TransportError;

const PREFIX: &str = "homeprov-";
const LOCK: &str = "lock";
/// Longest path of the directory that leaves room for a socket's name and what ssh adds to it.
const LONGEST: usize = 60;

/// The directories of this process, for its abrupt end.
static OURS: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// Ends this process' connections and removes what was left for them, without waiting for anything: the program is about
/// to end where it stands.
pub fn abandon() {
    let ours = std::mem::take(&mut *OURS.lock().unwrap_or_else(PoisonError::into_inner));
    for path in ours {
        end_masters(&path, Patience::None);
        let _ = fs::remove_dir_all(&path);
    }
}

/// Whether the end of a master is waited for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Patience {
    None,
    Seconds,
}

/// A directory only this user may enter, removed when dropped.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    _lock: File,
}

impl Directory {
    /// Makes a new one and clears away those of runs that were killed.
    pub(super) fn create() -> Result<Self, TransportError> {
        let bases = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).into_iter().chain([PathBuf::from("/tmp")]);
        let mut failure = String::from("no directory for the control sockets");
        for base in bases {
            match Self::create_in(&base) {
                Ok(directory) => return Ok(directory),
                Err(error) => {
                    failure = format!("cannot make a directory for the control sockets in {}: {error}", base.display());
                }
            }
        }
        Err(TransportError::Local(failure))
    }

    fn create_in(base: &Path) -> std::io::Result<Self> {
        let dir =
            tempfile::Builder::new().prefix(PREFIX).permissions(Permissions::from_mode(0o700)).tempdir_in(base)?;
        if dir.path().as_os_str().len() > LONGEST {
            return Err(std::io::Error::other("the path is too long for a socket"));
        }
        // Renamed into place once it is locked: nobody sees the lock file without its lock.
        let unlocked = dir.path().join("lock.new");
        let lock = File::create_new(&unlocked)?;
        lock.lock()?;
        fs::rename(&unlocked, dir.path().join(LOCK))?;
        let owner = dir.path().metadata()?.uid();
        clear_stale(base, owner);
        let path = dir.keep();
        OURS.lock().unwrap_or_else(PoisonError::into_inner).push(path.clone());
        Ok(Self { path, _lock: lock })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        OURS.lock().unwrap_or_else(PoisonError::into_inner).retain(|path| *path != self.path);
        remove(&self.path);
    }
}

/// Removes a directory with all its files, though a master that ends just now removes its own at the same time, which
/// the standard library takes for a failure.
fn remove(path: &Path) {
    for _ in 0..20 {
        if fs::remove_dir_all(path).is_ok() || !path.exists() {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Ends the masters and removes the directories of runs that ended without doing so.
fn clear_stale(base: &Path, owner: u32) {
    let Ok(entries) = fs::read_dir(base) else {
        return;
    };
    for entry in entries.filter_map(Result::ok) {
        if !entry.file_name().to_string_lossy().starts_with(PREFIX) {
            continue;
        }
        let path = entry.path();
        let ours = fs::symlink_metadata(&path)
            .is_ok_and(|meta| meta.is_dir() && meta.uid() == owner && meta.mode() & 0o777 == 0o700);
        if ours && is_stale(&path) {
            end_masters(&path, Patience::Seconds);
            remove(&path);
        }
    }
}

fn is_stale(path: &Path) -> bool {
    File::open(path.join(LOCK)).is_ok_and(|lock| lock.try_lock().is_ok())
}

fn end_masters(path: &Path, patience: Patience) {
    let Ok(entries) = fs::read_dir(path) else {
        return;
    };
    for entry in entries.filter_map(Result::ok) {
        let is_socket = entry.file_type().is_ok_and(|kind| kind.is_socket());
        if is_socket && entry.path().extension().is_none() {
            let _ = ask_to_end(&entry.path(), patience);
        }
    }
}

/// Asks the master behind a control socket to end at once, as `ssh -O exit` does, and waits until it has closed the
/// socket (`PROTOCOL.mux` of `OpenSSH`: hello of version 4, then the terminate request).
pub(super) fn end_master(socket: &Path) -> std::io::Result<()> {
    ask_to_end(socket, Patience::Seconds)
}

fn ask_to_end(socket: &Path, patience: Patience) -> std::io::Result<()> {
    const HELLO: [u32; 3] = [8, 0x0000_0001, 4];
    const TERMINATE: [u32; 3] = [8, 0x1000_0005, 0];
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    let request: Vec<u8> = HELLO.into_iter().chain(TERMINATE).flat_map(u32::to_be_bytes).collect();
    stream.write_all(&request)?;
    if patience == Patience::Seconds {
        std::io::copy(&mut stream, &mut std::io::sink())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_private_and_gone_when_dropped() {
        let base = tempfile::tempdir_in("/tmp").unwrap();
        let directory = Directory::create_in(base.path()).unwrap();
        let path = directory.path().to_path_buf();
        assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o700);
        drop(directory);
        assert!(!path.exists());
    }

    #[test]
    fn clears_what_a_killed_run_left_and_nothing_else() {
        let base = tempfile::tempdir_in("/tmp").unwrap();
        let living = Directory::create_in(base.path()).unwrap();
        let left = base.path().join("homeprov-killed");
        fs::create_dir(&left).unwrap();
        fs::set_permissions(&left, Permissions::from_mode(0o700)).unwrap();
        fs::write(left.join(LOCK), "").unwrap();
        let foreign = base.path().join("homeprov-notes");
        fs::create_dir(&foreign).unwrap();

        let new = Directory::create_in(base.path()).unwrap();

        assert!(!left.exists());
        assert!(living.path().exists());
        assert!(new.path().exists());
        assert!(foreign.exists());
    }

    #[test]
    fn refuses_a_base_too_long_for_sockets() {
        let base = tempfile::tempdir_in("/tmp").unwrap();
        let deep = base.path().join("a".repeat(LONGEST));
        fs::create_dir(&deep).unwrap();
        assert!(Directory::create_in(&deep).is_err());
        assert_eq!(fs::read_dir(&deep).unwrap().count(), 0);
    }
}

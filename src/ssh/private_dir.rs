//! The private directory for control sockets and the like, and what crashed runs left of theirs.

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use super::TransportError;
use super::target::program;

/// What the directories are called; they live in the user's runtime directory or the temporary one.
const PREFIX: &str = "homeprov-";

/// A unix socket's path is at most 103 bytes (macOS), and ssh adds 17 of its own while it makes one; this leaves
/// room for both and for our file names.
const LONGEST_BASE: usize = 40;

/// A directory of this process alone, mode 0700, removed when dropped.
#[derive(Debug)]
pub(super) struct PrivateDir {
    directory: TempDir,
    // Held for the process's life: a directory whose lock can be had belongs to nobody any more.
    _lock: File,
}

impl PrivateDir {
    /// Makes one.
    pub(super) fn new() -> Result<Self, TransportError> {
        Self::within(&base())
    }

    fn within(base: &Path) -> Result<Self, TransportError> {
        let failed = |error: std::io::Error| {
            TransportError::Local(format!(
                "cannot make a private directory for SSH sockets in {}: {error}",
                base.display()
            ))
        };
        let directory = tempfile::Builder::new()
            .prefix(PREFIX)
            .rand_bytes(8)
            .permissions(fs::Permissions::from_mode(0o700))
            .tempdir_in(base)
            .map_err(failed)?;
        // The lock appears under its name already held, so that nobody can mistake a new directory for a stale one.
        let fresh = directory.path().join("lock.new");
        let lock = File::create(&fresh).map_err(failed)?;
        lock.lock().map_err(failed)?;
        fs::rename(&fresh, directory.path().join("lock")).map_err(failed)?;
        Ok(Self { directory, _lock: lock })
    }

    /// A path in it.
    pub(super) fn join(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Removes it now.
    pub(super) fn remove(&self) {
        // Best effort: what stays is found and removed by the next run.
        let _ = fs::remove_dir_all(self.directory.path());
    }

    /// Ends the connections crashed runs left behind and removes their directories.
    pub(super) async fn sweep(&self) {
        let base = self.directory.path().parent().map(Path::to_path_buf);
        let owner = fs::metadata(self.directory.path()).map(|meta| meta.uid());
        if let (Some(base), Ok(owner)) = (base, owner) {
            sweep(&base, owner).await;
        }
    }
}

async fn sweep(base: &Path, owner: u32) {
    let Ok(entries) = fs::read_dir(base) else {
        return;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        let named = entry.file_name().to_string_lossy().starts_with(PREFIX);
        // Not following links, and nothing of somebody else's.
        let ours = fs::symlink_metadata(&path).is_ok_and(|meta| meta.is_dir() && meta.uid() == owner);
        if !named || !ours {
            continue;
        }
        let Ok(lock) = File::open(path.join("lock")) else {
            continue;
        };
        if lock.try_lock().is_err() {
            continue;
        }
        for socket in sockets(&path) {
            let exit = program("ssh")
                .args(["-O", "exit", "-S"])
                .arg(&socket)
                .arg("none")
                .stdout(std::process::Stdio::null())
                .stderr(std::process::Stdio::null())
                .status();
            // A master that does not answer within the time is none; its directory goes all the same.
            let _ = tokio::time::timeout(Duration::from_secs(2), exit).await;
        }
        let _ = fs::remove_dir_all(&path);
    }
}

/// The control sockets in a directory: `m0`, `m1`, …
fn sockets(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.extension().is_none() && !path.ends_with("lock")).collect()
}

/// The runtime directory when there is a usable one with a short name, otherwise a temporary one.
fn base() -> PathBuf {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    [runtime, Some(std::env::temp_dir())]
        .into_iter()
        .flatten()
        .find(|path| path.is_absolute() && path.as_os_str().len() <= LONGEST_BASE && writable(path))
        .unwrap_or_else(|| PathBuf::from("/tmp"))
}

fn writable(path: &Path) -> bool {
    tempfile::Builder::new().tempfile_in(path).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_a_crashed_run_left_is_removed_and_what_is_in_use_stays() {
        let base = tempfile::tempdir().unwrap();
        let used = PrivateDir::within(base.path()).unwrap();
        let stale = base.path().join("homeprov-gone");
        fs::create_dir(&stale).unwrap();
        fs::write(stale.join("lock"), "").unwrap();
        let being_made = base.path().join("homeprov-new");
        fs::create_dir(&being_made).unwrap();

        PrivateDir::within(base.path()).unwrap().sweep().await;

        assert!(!stale.exists());
        assert!(being_made.exists());
        assert!(used.join("lock").exists());
        let mode = fs::metadata(used.directory.path()).unwrap().mode();
        assert_eq!(mode & 0o777, 0o700);
    }
}

//! A file tree: what is in it, and what has changed since one last looked.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// How long after a change a file is looked at again: its time stamp is that of the beginning of a write, which may go on.
const HOT: Duration = Duration::from_millis(250);

/// What tells a changed file from an unchanged one.
#[derive(Debug, Clone, Copy)]
struct Stamp {
    kind: Kind,
    permissions: (u32, u32, u32),
    size: u64,
    inode: u64,
    changed: (i64, i64),
    /// Whether the change was so recent that more of it may follow unseen.
    hot: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Directory,
    File,
    Link,
}

impl Stamp {
    fn of(metadata: &Metadata) -> Option<Self> {
        let permissions = (metadata.mode() & 0o7777, metadata.uid(), metadata.gid());
        let kind = match metadata.file_type() {
            kind if kind.is_dir() => Kind::Directory,
            kind if kind.is_file() => Kind::File,
            kind if kind.is_symlink() => Kind::Link,
            _ => return None,
        };
        // A directory's time is that of its entries, which have their own.
        if kind == Kind::Directory {
            return Some(Self { kind, permissions, size: 0, inode: 0, changed: (0, 0), hot: false });
        }
        let since = Duration::from_secs(metadata.ctime().unsigned_abs())
            + Duration::from_nanos(metadata.ctime_nsec().unsigned_abs());
        let hot = SystemTime::UNIX_EPOCH + since + HOT > SystemTime::now();
        let changed = (metadata.ctime(), metadata.ctime_nsec());
        Some(Self { kind, permissions, size: metadata.size(), inode: metadata.ino(), changed, hot })
    }

    /// Whether nothing has happened since `before` was taken.
    fn rests_since(&self, before: &Self) -> bool {
        let all = |stamp: &Self| (stamp.kind, stamp.permissions, stamp.size, stamp.inode, stamp.changed);
        !before.hot && all(self) == all(before)
    }
}

/// What happened to one path of a tree, relative to its root; the root itself is the empty path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// It is there, or is there differently.
    Written(PathBuf),
    /// The file has another name now.
    Moved {
        /// Its former path.
        from: PathBuf,
        /// Its path now.
        to: PathBuf,
    },
    /// It is gone.
    Removed(PathBuf),
}

impl Change {
    /// The paths that are concerned.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        let (one, other) = match self {
            Self::Written(path) | Self::Removed(path) => (path, None),
            Self::Moved { from, to } => (from, Some(to)),
        };
        std::iter::once(one).chain(other).map(PathBuf::as_path)
    }
}

/// A tree and what was in it when one last looked.
#[derive(Debug)]
pub struct Tree {
    /// Its root directory.
    pub root: PathBuf,
    seen: BTreeMap<PathBuf, Stamp>,
}

impl Tree {
    /// A tree nobody has looked at: all that is in it is new.
    pub fn new(root: PathBuf) -> Self {
        Self { root, seen: BTreeMap::new() }
    }

    /// Looks, and tells what has happened since the last look in the order to do it again: directories before what is
    /// in them, removals last. What is neither a directory nor a regular file nor a link is passed over.
    pub fn look(&mut self) -> io::Result<Vec<Change>> {
        let mut now = BTreeMap::new();
        walk(&self.root, Path::new(""), &mut now)?;
        let mut gone: BTreeMap<&PathBuf, &Stamp> =
            self.seen.iter().filter(|(path, _)| !now.contains_key(*path)).collect();
        let mut changes = Vec::new();
        for (path, stamp) in &mut now {
            match self.seen.get(path) {
                Some(old) if stamp.rests_since(old) => {
                    stamp.hot = false;
                    continue;
                }
                None if stamp.kind == Kind::File => {
                    let same = gone.iter().find(|(_, old)| old.kind == Kind::File && old.inode == stamp.inode);
                    if let Some(from) = same.map(|(from, _)| (*from).clone()) {
                        gone.remove(&from);
                        changes.push(Change::Moved { from, to: path.clone() });
                    }
                }
                _ => {}
            }
            changes.push(Change::Written(path.clone()));
        }
        changes.extend(gone.keys().rev().map(|path| Change::Removed((*path).clone())));
        self.seen = now;
        Ok(changes)
    }

    /// Takes note that a path was changed by ourselves: that is no news at the next look.
    pub fn note(&mut self, path: &Path) {
        let stamp = fs::symlink_metadata(self.root.join(path)).ok().as_ref().and_then(Stamp::of);
        match stamp {
            Some(stamp) => drop(self.seen.insert(path.to_owned(), Stamp { hot: false, ..stamp })),
            None => drop(self.seen.remove(path)),
        }
    }

    /// Forgets what was seen of a path, so that it is news at the next look.
    pub fn forget(&mut self, path: &Path) {
        if let Some(stamp) = self.seen.get_mut(path) {
            stamp.inode = u64::MAX;
            stamp.hot = true;
        }
    }
}

fn walk(root: &Path, path: &Path, entries: &mut BTreeMap<PathBuf, Stamp>) -> io::Result<()> {
    let full = root.join(path);
    let metadata = match fs::symlink_metadata(&full) {
        Ok(metadata) => metadata,
        // It went while we looked.
        Err(error) if error.kind() == io::ErrorKind::NotFound && !path.as_os_str().is_empty() => return Ok(()),
        Err(error) => return Err(error),
    };
    let Some(stamp) = Stamp::of(&metadata) else { return Ok(()) };
    entries.insert(path.to_owned(), stamp);
    if stamp.kind == Kind::Directory {
        for entry in fs::read_dir(&full)?.flatten() {
            walk(root, &path.join(entry.file_name()), entries)?;
        }
    }
    Ok(())
}

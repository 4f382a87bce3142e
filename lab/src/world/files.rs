//! The part of a machine's file system that its programs share with the world.

use std::collections::BTreeMap;

/// A machine's files, by absolute path. The world writes what the real programs would write and reads it back where
/// they would. Failures are silent: a missing file reads as `None`.
pub trait Files: Send {
    /// The content of the regular file at `path`, following links.
    fn read(&self, path: &str) -> Option<Vec<u8>>;
    /// Creates or replaces the file at `path`, with the directories above it.
    fn write(&mut self, path: &str, bytes: &[u8], mode: u32);
    /// Removes a file, a link or a whole directory; a missing one is fine.
    fn remove(&mut self, path: &str);
    /// The names in directory `dir`, sorted; empty if it does not exist.
    fn list(&self, dir: &str) -> Vec<String>;
    /// Moves a file or a directory, replacing what was there.
    fn rename(&mut self, from: &str, to: &str);
    /// Makes `path` a symbolic link to `target`.
    fn symlink(&mut self, target: &str, path: &str);
    /// Creates a directory and those above it.
    fn make_dir(&mut self, path: &str, mode: u32);
    /// Whether anything is at `path`, following links.
    fn exists(&self, path: &str) -> bool;
    /// Empties the disk, as a new installation does. By itself this removes what the world knows of; a real tree is
    /// better reset by whoever owns it.
    fn wipe(&mut self) {
        for path in
            ["/var/snap", "/var/lib/kubelet", "/etc/sysctl.d", "/etc/modules-load.d", "/etc/hosts", "/etc/group"]
        {
            self.remove(path);
        }
    }
}

#[derive(Debug, Clone)]
enum Entry {
    File(Vec<u8>),
    Link(String),
    Dir,
}

/// A file tree in memory.
#[derive(Debug, Clone, Default)]
pub struct MemoryFiles(BTreeMap<String, Entry>);

impl MemoryFiles {
    /// An empty tree.
    pub fn new() -> Self {
        Self::default()
    }

    /// `path` with every link on the way replaced, at most a few levels deep.
    fn resolve(&self, path: &str) -> String {
        let mut path = path.trim_end_matches('/').to_owned();
        for _ in 0..8 {
            let Some((link, target)) = self.link_on(&path) else {
                break;
            };
            let rest = &path[link.len()..];
            let base = if target.starts_with('/') { target.clone() } else { format!("{}/{target}", parent(link)) };
            path = format!("{base}{rest}");
        }
        path
    }

    fn link_on<'a>(&self, path: &'a str) -> Option<(&'a str, &String)> {
        let ends = path.match_indices('/').map(|(at, _)| at).skip(1).chain([path.len()]);
        for end in ends {
            if let Some(Entry::Link(target)) = self.0.get(&path[..end]) {
                return Some((&path[..end], target));
            }
        }
        None
    }

    fn subtree(&self, path: &str) -> Vec<String> {
        let below = format!("{path}/");
        self.0.keys().filter(|key| *key == path || key.starts_with(&below)).cloned().collect()
    }
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(head, _)| head)
}

impl Files for MemoryFiles {
    fn read(&self, path: &str) -> Option<Vec<u8>> {
        match self.0.get(&self.resolve(path)) {
            Some(Entry::File(bytes)) => Some(bytes.clone()),
            _ => None,
        }
    }

    fn write(&mut self, path: &str, bytes: &[u8], _mode: u32) {
        let path = self.resolve(path);
        self.make_dir(parent(&path), 0o755);
        self.0.insert(path, Entry::File(bytes.to_vec()));
    }

    fn remove(&mut self, path: &str) {
        let path = format!("{}/{}", self.resolve(parent(path)), path.rsplit('/').next().unwrap_or(""));
        for key in self.subtree(&path) {
            self.0.remove(&key);
        }
    }

    fn list(&self, dir: &str) -> Vec<String> {
        let below = format!("{}/", self.resolve(dir));
        let mut names: Vec<String> = self
            .0
            .range(below.clone()..)
            .take_while(|(key, _)| key.starts_with(&below))
            .map(|(key, _)| key[below.len()..].split('/').next().unwrap_or("").to_owned())
            .collect();
        names.dedup();
        names.sort();
        names.dedup();
        names
    }

    fn rename(&mut self, from: &str, to: &str) {
        let (from, to) = (self.resolve(from), self.resolve(to));
        for key in self.subtree(&to) {
            self.0.remove(&key);
        }
        for key in self.subtree(&from) {
            if let Some(entry) = self.0.remove(&key) {
                self.0.insert(format!("{to}{}", &key[from.len()..]), entry);
            }
        }
    }

    fn symlink(&mut self, target: &str, path: &str) {
        self.make_dir(parent(path), 0o755);
        self.0.insert(path.to_owned(), Entry::Link(target.to_owned()));
    }

    fn make_dir(&mut self, path: &str, _mode: u32) {
        let path = self.resolve(path);
        let ends: Vec<usize> = path.match_indices('/').map(|(at, _)| at).skip(1).chain([path.len()]).collect();
        for end in ends {
            if end > 0 {
                self.0.entry(path[..end].to_owned()).or_insert(Entry::Dir);
            }
        }
    }

    fn exists(&self, path: &str) -> bool {
        matches!(self.0.get(&self.resolve(path)), Some(Entry::File(_) | Entry::Dir))
    }

    fn wipe(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::{Files, MemoryFiles};

    #[test]
    fn links_are_followed_for_reading_writing_and_listing() {
        let mut files = MemoryFiles::new();
        files.write("/var/snap/microk8s/8500/var/lock/lite.lock", b"", 0o644);
        files.symlink("8500", "/var/snap/microk8s/current");
        files.write("/var/snap/microk8s/current/args/ha-conf", b"failure-domain=1\n", 0o660);
        assert_eq!(files.list("/var/snap/microk8s/current/var/lock"), ["lite.lock"]);
        assert_eq!(files.read("/var/snap/microk8s/8500/args/ha-conf").unwrap(), b"failure-domain=1\n");
        files.remove("/var/snap/microk8s/current/args");
        assert!(!files.exists("/var/snap/microk8s/8500/args/ha-conf"));
        assert_eq!(files.list("/var/snap/microk8s"), ["8500", "current"]);
    }

    #[test]
    fn a_directory_moves_with_all_it_holds() {
        let mut files = MemoryFiles::new();
        files.write("/b/info.yaml", b"x", 0o660);
        files.write("/b.backup/old", b"y", 0o660);
        files.rename("/b", "/b.backup");
        assert_eq!(files.list("/b.backup"), ["info.yaml"]);
        assert!(!files.exists("/b"));
    }
}

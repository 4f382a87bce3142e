//! The world's view of a node's files: the real ones.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Component, Path, PathBuf};

use crate::world::Files;

/// Where programs write on a node: what a new installation does not have.
const WRITTEN: [&str; 20] = [
    "/var/snap",
    "/snap",
    "/var/lib/snapd",
    "/var/lib/homeprov",
    "/var/lib/kubelet",
    "/var/lib/dpkg/updates",
    "/etc/hosts",
    "/etc/group",
    "/etc/sysctl.d",
    "/etc/modules-load.d",
    "/etc/profile.d",
    "/etc/cloud",
    "/usr/lib/snapd",
    "/etc/iscsi",
    "/etc/multipath.conf",
    "/etc/multipath",
    "/sbin/mount.nfs",
    "/sbin/mount.nfs4",
    "/root/.config/helm",
    "/root/.cache/helm",
];

/// Files below a root directory; links in there never lead out of it.
#[derive(Debug, Clone)]
pub struct DiskFiles(pub PathBuf);

impl DiskFiles {
    /// Where a path of the node lies for us. Links are followed as the node would follow them; the last one only when
    /// asked to.
    fn resolve(&self, path: &str, last: bool) -> PathBuf {
        let mut rest: Vec<String> = parts(Path::new(path));
        let mut done = PathBuf::new();
        let mut links = 0;
        while !rest.is_empty() {
            let part = rest.remove(0);
            if part == ".." {
                done.pop();
                continue;
            }
            let here = self.0.join(&done).join(&part);
            let target = fs::read_link(&here).ok().filter(|_| (last || !rest.is_empty()) && links < 20);
            match target {
                Some(target) => {
                    links += 1;
                    if target.is_absolute() {
                        done = PathBuf::new();
                    }
                    rest.splice(0..0, parts(&target));
                }
                None => done.push(part),
            }
        }
        self.0.join(done)
    }
}

fn parts(path: &Path) -> Vec<String> {
    path.components()
        .filter_map(|component| match component {
            Component::Normal(part) => Some(part.to_string_lossy().into_owned()),
            Component::ParentDir => Some("..".to_owned()),
            _ => None,
        })
        .collect()
}

impl Files for DiskFiles {
    fn read(&self, path: &str) -> Option<Vec<u8>> {
        fs::read(self.resolve(path, true)).ok()
    }

    fn write(&mut self, path: &str, bytes: &[u8], mode: u32) {
        let path = self.resolve(path, true);
        if fs::read(&path).is_ok_and(|old| old == bytes) {
            return;
        }
        if let Some(folder) = path.parent() {
            let _ = fs::create_dir_all(folder);
        }
        let _ = fs::write(&path, bytes);
        let _ = fs::set_permissions(&path, fs::Permissions::from_mode(mode));
    }

    fn remove(&mut self, path: &str) {
        let path = self.resolve(path, false);
        let _ = fs::remove_file(&path).or_else(|_| fs::remove_dir_all(&path));
    }

    fn list(&self, dir: &str) -> Vec<String> {
        let entries = fs::read_dir(self.resolve(dir, true)).into_iter().flatten().flatten();
        let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    fn rename(&mut self, from: &str, to: &str) {
        let to = self.resolve(to, false);
        if to.is_dir() {
            let _ = fs::remove_dir_all(&to);
        }
        let _ = fs::rename(self.resolve(from, false), to);
    }

    fn symlink(&mut self, target: &str, path: &str) {
        let path = self.resolve(path, false);
        if let Some(folder) = path.parent() {
            let _ = fs::create_dir_all(folder);
        }
        let _ = fs::remove_file(&path);
        let _ = symlink(target, path);
    }

    fn make_dir(&mut self, path: &str, mode: u32) {
        let path = self.resolve(path, true);
        let _ = fs::create_dir_all(&path);
        let _ = fs::set_permissions(&path, fs::Permissions::from_mode(mode));
    }

    fn exists(&self, path: &str) -> bool {
        self.resolve(path, true).exists()
    }

    fn wipe(&mut self) {
        for path in WRITTEN {
            self.remove(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_stay_inside() {
        let folder = tempfile::tempdir().unwrap();
        let mut files = DiskFiles(folder.path().to_owned());
        files.write("/snap/microk8s/8500/version", b"v1", 0o644);
        files.symlink("/snap/microk8s/8500", "/snap/microk8s/current");
        assert_eq!(files.read("/snap/microk8s/current/version"), Some(b"v1".to_vec()));
        files.symlink("/../../../../etc", "/out");
        assert!(files.read("/out/passwd").is_none());
        files.rename("/snap/microk8s/8500", "/snap/microk8s/9000");
        assert!(!files.exists("/snap/microk8s/current/version"));
    }
}

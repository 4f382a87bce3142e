//! The files in the containers: those on a volume outlive their pod.

use std::collections::BTreeMap;

use serde_json::Value;

use super::program::main_container;
use super::shell::absolute;
use crate::kubernetes::Kubernetes;
use crate::kubernetes::storage::quantity::bytes;
use crate::kubernetes::store::Key;
use crate::kubernetes::value::{list, text};

/// The bytes of a file by its path from the root of its file system; none for a folder.
pub(super) type Tree = BTreeMap<String, Option<Vec<u8>>>;

/// What a container sees: where each file system is mounted, the root first.
#[derive(Debug, Clone)]
pub(super) struct View {
    mounts: Vec<(String, String)>,
    /// What the volumes are on that are file systems of their own: the device and its size in bytes, by volume.
    devices: BTreeMap<String, (String, u64)>,
}

/// A file system as `df` shows it.
pub(super) struct FileSystem {
    pub(super) device: String,
    pub(super) kib: u64,
    pub(super) used_kib: u64,
    pub(super) mount: String,
}

/// A node's own disk, which folders of it show, too.
const DISK: (&str, u64, u64) = ("/dev/sda1", 51_200_000, 9_000_000);

/// The file systems, by volume, or by the pod they go with.
#[derive(Debug, Default)]
pub(super) struct Files(BTreeMap<String, Tree>);

impl Files {
    /// Forgets what went with pods that are gone.
    pub(super) fn keep(&mut self, alive: impl Fn(&str) -> bool) {
        self.0
            .retain(|name, _| name.strip_prefix("pod ").is_none_or(|uid| alive(uid.split(' ').next().unwrap_or(uid))));
    }

    fn tree(&mut self, name: &str) -> &mut Tree {
        self.0.entry(name.to_owned()).or_default()
    }
}

impl View {
    /// The file system a path is on, and the path in there, without a slash before it.
    fn place(&self, path: &str) -> (&str, String) {
        let fits =
            |(mount, _): &&(String, String)| path == mount || path.starts_with(&format!("{mount}/")) || mount == "/";
        let (mount, name) = self.mounts.iter().filter(fits).max_by_key(|(mount, _)| mount.len()).expect("the root");
        (name, path.strip_prefix(mount.as_str()).unwrap_or(path).trim_start_matches('/').to_owned())
    }

    /// The file system a path is on.
    pub(super) fn file_system(&self, files: &mut Files, path: &str) -> FileSystem {
        let name = self.place(path).0.to_owned();
        let mount = self.mounts.iter().find(|(_, known)| *known == name).map_or("/", |(mount, _)| mount).to_owned();
        let Some((device, bytes)) = self.devices.get(&name) else {
            let (device, kib, used_kib) = DISK;
            return FileSystem { device: device.to_owned(), kib, used_kib, mount };
        };
        let used: usize = files.tree(&name).values().flatten().map(Vec::len).sum();
        let used_kib = u64::try_from(used).unwrap_or(u64::MAX).div_ceil(1024);
        FileSystem { device: device.clone(), kib: bytes / 1024, used_kib, mount }
    }

    /// Whether something is mounted exactly there.
    pub(super) fn is_mount(&self, path: &str) -> bool {
        self.mounts.iter().any(|(mount, _)| mount == path)
    }

    pub(super) fn is_dir(&self, files: &mut Files, path: &str) -> bool {
        let (name, inner) = self.place(path);
        let below = format!("{inner}/");
        let above_mount = self.mounts.iter().any(|(mount, _)| mount.starts_with(&format!("{path}/")));
        inner.is_empty()
            || above_mount
            || matches!(path, "/tmp" | "/opt/mastodon" | "/bitnami" | "/dev")
            || files.tree(name).get(&inner).is_some_and(Option::is_none)
            || files.tree(name).range(below.clone()..).next().is_some_and(|(path, _)| path.starts_with(&below))
    }

    pub(super) fn read(&self, files: &mut Files, path: &str) -> Option<Vec<u8>> {
        let (name, inner) = self.place(path);
        files.tree(name).get(&inner).cloned().flatten()
    }

    pub(super) fn write(&self, files: &mut Files, path: &str, bytes: &[u8], append: bool) -> Result<(), String> {
        let folder = absolute(path, "..");
        if self.is_dir(files, path) {
            return Err("Is a directory".to_owned());
        }
        if !self.is_dir(files, &folder) {
            return Err("No such file or directory".to_owned());
        }
        let (name, inner) = self.place(path);
        let file = files.tree(name).entry(inner).or_insert_with(|| Some(Vec::new())).get_or_insert_default();
        if !append {
            file.clear();
        }
        file.extend(bytes);
        Ok(())
    }

    /// Makes a folder and those above it.
    pub(super) fn make_dir(&self, files: &mut Files, path: &str) {
        let (name, inner) = self.place(path);
        let tree = files.tree(name);
        let mut whole = String::new();
        for part in inner.split('/').filter(|part| !part.is_empty()) {
            whole = if whole.is_empty() { part.to_owned() } else { format!("{whole}/{part}") };
            tree.entry(whole.clone()).or_insert(None);
        }
    }

    /// Everything at and below a path: paths relative to it, the empty one for itself.
    pub(super) fn below(&self, files: &mut Files, path: &str) -> Vec<(String, Option<Vec<u8>>)> {
        let (name, inner) = self.place(path);
        let below = if inner.is_empty() { String::new() } else { format!("{inner}/") };
        let mut found = Vec::new();
        if let Some(own) = files.tree(name).get(&inner) {
            found.push((String::new(), own.clone()));
        } else if self.is_dir(files, path) {
            found.push((String::new(), None));
        }
        let tree = files.tree(name).range(below.clone()..).take_while(|(path, _)| path.starts_with(&below));
        found.extend(tree.map(|(path, file)| (path[below.len()..].to_owned(), file.clone())));
        found
    }

    /// Removes a path with everything below; whether there was anything.
    pub(super) fn remove(&self, files: &mut Files, path: &str) -> bool {
        let (name, inner) = self.place(path);
        let below = format!("{inner}/");
        let tree = files.tree(name);
        let before = tree.len();
        tree.retain(|path, _| *path != inner && !path.starts_with(&below));
        tree.len() < before
    }
}

impl Kubernetes {
    /// What the deciding container of a pod sees.
    pub(super) fn view_of(&self, pod: &Value) -> View {
        let (uid, namespace) = (text(pod, "/metadata/uid"), text(pod, "/metadata/namespace"));
        let mut mounts = vec![("/".to_owned(), format!("pod {uid}"))];
        let mut devices = BTreeMap::new();
        let Some((container, _)) = main_container(pod) else { return View { mounts, devices } };
        for mount in list(container, "/volumeMounts") {
            let volume = list(pod, "/spec/volumes").iter().find(|volume| volume["name"] == mount["name"]);
            let claim = volume.map_or("", |volume| text(volume, "/persistentVolumeClaim/claimName"));
            // A StatefulSet's claim is called after its template and its pod.
            let own = format!("{}-{}", text(mount, "/name"), text(pod, "/metadata/name"));
            let of = |claim: &str| self.store.get(&Key::core("persistentvolumeclaims", namespace, claim));
            let found = if claim.is_empty() { of(&own).filter(|_| volume.is_none()) } else { of(claim) };
            let name = match found.map(|claim| text(claim, "/spec/volumeName")) {
                Some(name) if !name.is_empty() => name.to_owned(),
                _ => format!("pod {uid} {}", text(mount, "/name")),
            };
            if let Some(volume) = self.store.get(&Key::core("persistentvolumes", "", &name))
                && let Some(device) = device(volume, devices.len())
            {
                devices.insert(name.clone(), (device, bytes(text(volume, "/spec/capacity/storage"))));
            }
            mounts.push((text(mount, "/mountPath").trim_end_matches('/').to_owned(), name));
        }
        View { mounts, devices }
    }
}

/// What a volume that is a file system of its own is mounted from; none for a folder of the node's disk. `others` is how many
/// the pod has already.
fn device(volume: &Value, others: usize) -> Option<String> {
    if volume.pointer("/spec/nfs").is_some() {
        return Some(format!("{}:{}", text(volume, "/spec/nfs/server"), text(volume, "/spec/nfs/path")));
    }
    volume.pointer("/spec/csi")?;
    let letter = char::from(b'b' + u8::try_from(others % 20).unwrap_or_default());
    Some(format!("/dev/sd{letter}"))
}

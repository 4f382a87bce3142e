//! The files in the containers: those on a volume outlive their pod.

use std::collections::BTreeMap;

use serde_json::Value;

use super::program::main_container;
use super::shell::absolute;
use crate::kubernetes::Kubernetes;
use crate::kubernetes::store::Key;
use crate::kubernetes::value::{list, text};

/// The bytes of a file by its path from the root of its file system; none for a folder.
pub(super) type Tree = BTreeMap<String, Option<Vec<u8>>>;

/// What a container sees: where each file system is mounted, the root first.
#[derive(Debug, Clone)]
pub(super) struct View {
    mounts: Vec<(String, String)>,
}

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
        let Some((container, _)) = main_container(pod) else { return View { mounts } };
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
            mounts.push((text(mount, "/mountPath").trim_end_matches('/').to_owned(), name));
        }
        View { mounts }
    }
}

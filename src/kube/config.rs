//! A kubeconfig: that of a cluster under its own name, and how it gets into the user's.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::net::Ipv4Addr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use secrecy::SecretString;
use serde_json::{Value, json};

use crate::gitops::yaml;

/// The port of the API server (canonical/microk8s `microk8s-resources/default-args/kube-apiserver`).
const PORT: u16 = 16443;

/// Why a file was not changed.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// It has a cluster, user or context of that name that belongs to another cluster.
    #[error("it has an entry of that name for another cluster")]
    Foreign,
    /// It is no kubeconfig.
    #[error("it is no kubeconfig: {0}")]
    Unreadable(String),
    /// Input or output.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// What an admin's kubeconfig on a node says, with cluster, user and context named after the cluster, and the node's address
/// in place of its own.
pub fn of_cluster(text: &str, name: &str, address: Ipv4Addr) -> Result<Value, String> {
    let read: Value = serde_saphyr::from_str(text).map_err(|_| "it is no YAML".to_owned())?;
    let mut cluster = read.pointer("/clusters/0/cluster").cloned().ok_or("it names no cluster")?;
    let user = read.pointer("/users/0/user").cloned().ok_or("it names no user")?;
    cluster["server"] = format!("https://{address}:{PORT}").into();
    Ok(json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": cluster}],
        "users": [{"name": name, "user": user}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": name,
    }))
}

/// As YAML.
pub fn text(config: &Value) -> SecretString {
    SecretString::from(yaml::document(config))
}

/// The user's kubeconfig with the cluster's entries; what else is in it stays, and so does the current context.
pub fn merged(mine: &Value, theirs: &Value, name: &str) -> Result<Value, MergeError> {
    let mut merged = mine.clone();
    if is_foreign(mine, theirs, name) {
        return Err(MergeError::Foreign);
    }
    let root = merged.as_object_mut().ok_or_else(|| MergeError::Unreadable("it holds no mapping".to_owned()))?;
    for key in ["clusters", "users", "contexts"] {
        let new = theirs[key][0].clone();
        let list = root.entry(key).or_insert_with(|| json!([]));
        if list.is_null() {
            *list = json!([]);
        }
        let list = list.as_array_mut().ok_or_else(|| MergeError::Unreadable(format!("its {key} are no list")))?;
        match list.iter_mut().find(|entry| entry["name"] == name) {
            // A namespace the user set for the context stays.
            Some(old) if key == "contexts" => {
                old["context"]["cluster"] = name.into();
                old["context"]["user"] = name.into();
            }
            Some(old) => *old = new,
            None => list.push(new),
        }
    }
    root.entry("apiVersion").or_insert_with(|| "v1".into());
    root.entry("kind").or_insert_with(|| "Config".into());
    let current = root.entry("current-context").or_insert_with(|| "".into());
    if current.as_str().is_none_or(str::is_empty) {
        *current = name.into();
    }
    Ok(merged)
}

/// Whether an entry of that name is another cluster's: its authority is another one; or a context of that name leads elsewhere, as
/// that of every stock `MicroK8s` does, which is `microk8s` with the cluster `microk8s-cluster` and the user `admin`; or there is a user
/// of that name and no cluster of ours it could be of.
fn is_foreign(mine: &Value, theirs: &Value, name: &str) -> bool {
    let entry = |key: &str| mine[key].as_array()?.iter().find(|entry| entry["name"] == name);
    let cluster = entry("clusters");
    let elsewhere = |context: &Value| context["context"]["cluster"] != name || context["context"]["user"] != name;
    cluster.is_some_and(|old| authority(old) != authority(&theirs["clusters"][0]))
        || entry("contexts").is_some_and(elsewhere)
        || (entry("users").is_some() && cluster.is_none())
}

fn authority(entry: &Value) -> &Value {
    &entry["cluster"]["certificate-authority-data"]
}

/// Merges the cluster's entries into a file, which is written whole or not at all, for its owner alone. The old file is kept
/// beside it; where nothing changes nothing is written. Returns where the old one is.
pub fn merge_into(path: &Path, theirs: &Value, name: &str) -> Result<Option<PathBuf>, MergeError> {
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let old = match fs::read_to_string(&path) {
        Ok(text) => Some(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error.into()),
    };
    let mine = match old.as_deref().filter(|text| !text.trim().is_empty()) {
        Some(text) => {
            serde_saphyr::from_str(text).map_err(|error| MergeError::Unreadable(first_line(&error.to_string())))?
        }
        None => json!({}),
    };
    let merged = merged(&mine, theirs, name)?;
    if merged == mine {
        return Ok(None);
    }
    let mut draft = tempfile::NamedTempFile::new_in(folder)?;
    draft.as_file().set_permissions(fs::Permissions::from_mode(0o600))?;
    draft.write_all(yaml::document(&merged).as_bytes())?;
    draft.as_file().sync_all()?;
    let backup = old.map(|text| keep(&path, &text)).transpose()?;
    draft.persist(&path).map_err(|error| error.error)?;
    fs::File::open(folder)?.sync_all()?;
    Ok(backup)
}

/// Keeps the old text beside the file, under a name that is free.
fn keep(path: &Path, text: &str) -> io::Result<PathBuf> {
    let stamp = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string();
    for number in 0_u32.. {
        let mut name = path.as_os_str().to_owned();
        name.push(if number == 0 { format!(".{stamp}") } else { format!(".{stamp}-{number}") });
        let backup = PathBuf::from(name);
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&backup) {
            Ok(mut file) => {
                file.write_all(text.as_bytes())?;
                file.sync_all()?;
                return Ok(backup);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other("no name is free for the old file"))
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    const OWN: &str = "apiVersion: v1\nclusters:\n- cluster:\n    certificate-authority-data: QQ==\n    server: https://127.0.0.1:16443\n  name: microk8s-cluster\ncontexts:\n- context:\n    cluster: microk8s-cluster\n    user: admin\n  name: microk8s\ncurrent-context: microk8s\nkind: Config\npreferences: {}\nusers:\n- name: admin\n  user:\n    client-certificate-data: QQ==\n    client-key-data: Qg==\n";

    fn theirs() -> Value {
        of_cluster(OWN, "home", Ipv4Addr::new(192, 168, 1, 11)).expect("it is one")
    }

    #[test]
    fn the_cluster_has_its_own_name_and_an_address_others_reach() {
        let text = text(&theirs());
        let text = text.expose_secret();
        assert!(text.contains("https://192.168.1.11:16443") && !text.contains("microk8s"), "{text}");
        assert!(of_cluster("rubbish", "home", Ipv4Addr::LOCALHOST).is_err());
    }

    #[test]
    fn what_else_is_in_the_file_stays_and_it_is_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("kube/config");
        assert_eq!(merge_into(&path, &theirs(), "home").expect("it is made"), None);
        let mode = |path: &Path| path.metadata().expect("it is there").permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().expect("a folder"))), (0o600, 0o700));
        let work = "current-context: work\nclusters:\n- name: work\n  cluster: {server: 'https://work'}\ncontexts:\nusers: []\n";
        fs::write(&path, work).expect("it is written");
        let backup = merge_into(&path, &theirs(), "home").expect("it is merged").expect("the old one is kept");
        assert_eq!((fs::read_to_string(&backup).expect("it is there").as_str(), mode(&backup)), (work, 0o600));
        let now: Value = serde_saphyr::from_str(&fs::read_to_string(&path).expect("it is there")).expect("it is YAML");
        assert_eq!(
            (&now["current-context"], &now["clusters"][0]["name"], &now["clusters"][1]["name"]),
            (&json!("work"), &json!("work"), &json!("home"))
        );
        assert_eq!(merge_into(&path, &theirs(), "home").expect("nothing to do"), None);
    }

    #[test]
    fn another_clusters_entry_is_not_overwritten() {
        let mut foreign = theirs();
        foreign["clusters"][0]["cluster"]["certificate-authority-data"] = "Wg==".into();
        assert!(matches!(merged(&foreign, &theirs(), "home"), Err(MergeError::Foreign)));
        assert!(matches!(merged(&json!([]), &theirs(), "home"), Err(MergeError::Unreadable(_))));
    }

    #[test]
    fn a_context_or_user_of_that_name_may_be_another_clusters() {
        let stock: Value = serde_saphyr::from_str(OWN).expect("it is YAML");
        let ours = of_cluster(OWN, "microk8s", Ipv4Addr::new(192, 168, 1, 11)).expect("it is one");
        assert!(matches!(merged(&stock, &ours, "microk8s"), Err(MergeError::Foreign)));
        assert!(merged(&stock, &theirs(), "home").is_ok());
        let admin = of_cluster(OWN, "admin", Ipv4Addr::new(192, 168, 1, 11)).expect("it is one");
        assert!(matches!(merged(&stock, &admin, "admin"), Err(MergeError::Foreign)), "the user of another cluster");
        // Another user on the cluster of that name: somebody made the context so.
        let mut guest = theirs();
        guest["contexts"][0]["context"]["user"] = "guest".into();
        assert!(matches!(merged(&guest, &theirs(), "home"), Err(MergeError::Foreign)));
        // What was merged before is merged again, with the namespace somebody set.
        let mut own = theirs();
        own["contexts"][0]["context"]["namespace"] = "mastodon".into();
        assert_eq!(merged(&own, &theirs(), "home").expect("it is ours"), own);
    }
}

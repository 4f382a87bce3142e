//! The cluster's data store, as it is saved.

/// What is said where `dbctl` did not do it.
pub(super) const AS_FILES: &str = "dbctl saved no keys; the files of the data store are saved as they are";

/// What such an archive is, and what it is good for.
pub(super) fn as_files(node: &str) -> String {
    format!(
        "`microk8s dbctl backup` saved no keys. This is an archive of the data store's own files on {node}, the folder backend, read while \
         they were in use: they may not be of one moment, and `microk8s dbctl restore` cannot take them. They are put back by hand, with \
         MicroK8s stopped everywhere, as after a lost majority: https://microk8s.io/docs/restore-quorum"
    )
}

/// Run on a control plane by root. `dbctl backup` ends with 0 also when it found nothing: an archive without keys is no backup,
/// and the files of the data store are taken instead.
pub(super) const SCRIPT: &str = r#"D=$(mktemp -d /var/snap/microk8s/common/homeprov-datastore.XXXXXX) || exit 1
trap 'rm -rf "$D"' EXIT
/snap/bin/microk8s dbctl backup -o "$D/datastore" >&2 || true
if ! tar -tzf "$D/datastore.tar.gz" 2>/dev/null | grep -q '\.key$'; then
  echo 'dbctl saved no keys; the files of the data store are saved as they are' >&2
  rm -f "$D/datastore.tar.gz"
  tar -czf "$D/datastore.tar.gz" --exclude='*.sock*' -C /var/snap/microk8s/current/var/kubernetes backend >&2 || [ $? -eq 1 ] || exit 1
  tar -tzf "$D/datastore.tar.gz" | grep -q '^backend/.*snapshot-\|^backend/open-' || exit 1
fi
{ { { cat "$D/datastore.tar.gz"; echo "homeprov-status $?" >&2; } | tee /dev/fd/5 >&3; } 5>&1 | sha256sum >&2; } 3>&1
"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_the_data_store_are_not_taken_for_its_keys() {
        let note = as_files("nuc1");
        for words in ["on nuc1", "`microk8s dbctl restore` cannot take them", "docs/restore-quorum"] {
            assert!(note.contains(words), "{words}: {note}");
        }
        // What the script says is what the note is written for.
        assert!(SCRIPT.contains(&format!("echo '{AS_FILES}'")));
    }
}

//! What source-controller's Git client does, done with the program `git` and the key from the object's Secret.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::kubernetes::flux::{Fetch, Tree};
use crate::world::ClusterId;

use super::super::BASE;
use super::super::homelab::Homelab;

/// The trees fetched so far, by URL and commit.
type Trees = BTreeMap<(String, String), Arc<Tree>>;

/// The fetches under way and what they brought.
#[derive(Debug, Default, Clone)]
pub struct Fetcher {
    running: Arc<Mutex<BTreeSet<(ClusterId, u64)>>>,
    trees: Arc<Mutex<Trees>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Fetcher {
    /// Begins the fetches that are wanted and not under way.
    pub fn keep(&self, lab: &Arc<Homelab>) {
        let wanted = lab.world().fetches();
        for (id, fetch) in wanted {
            if !locked(&self.running).insert((id, fetch.ticket)) {
                continue;
            }
            let (lab, own) = (Arc::clone(lab), self.clone());
            tokio::task::spawn_blocking(move || {
                let answer = own.fetch(&fetch);
                lab.world().fetched(id, fetch.ticket, answer);
                locked(&own.running).remove(&(id, fetch.ticket));
            });
        }
    }

    /// Whether a tree with such a file has been fetched.
    pub fn has_fetched(&self, part: &str) -> bool {
        locked(&self.trees).values().any(|tree| tree.files.keys().any(|path| path.contains(part)))
    }

    fn fetch(&self, fetch: &Fetch) -> Result<Arc<Tree>, String> {
        let client = Client::new(fetch).map_err(|error| error.to_string())?;
        let answer =
            client.work(&mut |commit| locked(&self.trees).get(&(fetch.url.clone(), commit.to_owned())).cloned());
        if let Ok(tree) = &answer {
            locked(&self.trees).insert((fetch.url.clone(), tree.commit.clone()), Arc::clone(tree));
        }
        answer
    }
}

/// A folder with the credentials of one fetch; it goes with the fetch.
struct Client<'a> {
    folder: tempfile::TempDir,
    fetch: &'a Fetch,
}

impl<'a> Client<'a> {
    fn new(fetch: &'a Fetch) -> std::io::Result<Self> {
        let place = Path::new(BASE).join("tmp");
        fs::create_dir_all(&place)?;
        let folder = tempfile::Builder::new().prefix("source-controller-").tempdir_in(place)?;
        for (file, key) in [("identity", "identity"), ("known_hosts", "known_hosts")] {
            let mut content = fetch.secret.get(key).cloned().unwrap_or_default();
            // OpenSSH wants a line end that other clients can do without.
            if content.last().is_some_and(|last| *last != b'\n') {
                content.push(b'\n');
            }
            fs::write(folder.path().join(file), content)?;
            fs::set_permissions(folder.path().join(file), fs::Permissions::from_mode(0o600))?;
        }
        Ok(Self { folder, fetch })
    }

    fn git(&self, words: &[&str]) -> Result<String, String> {
        let ssh = format!(
            "ssh -F none -i {0}/identity -o IdentitiesOnly=yes -o IdentityAgent=none -o UserKnownHostsFile={0}/known_hosts \
             -o GlobalKnownHostsFile=/dev/null -o StrictHostKeyChecking=yes -o BatchMode=yes -o ConnectTimeout=10",
            self.folder.path().display()
        );
        let output = Command::new("git")
            .args(words)
            .current_dir(self.folder.path())
            .env("GIT_SSH_COMMAND", ssh)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            .output()
            .map_err(|error| error.to_string())?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(words_of_go(&String::from_utf8_lossy(&output.stderr), &self.fetch.url))
    }

    fn work(&self, known: &mut dyn FnMut(&str) -> Option<Arc<Tree>>) -> Result<Arc<Tree>, String> {
        let url = self.fetch.url.as_str();
        let failed = |why: &str| format!("unable to clone '{url}': {why}");
        let listed = self.git(&["ls-remote", "--", url]).map_err(|why| failed(&why))?;
        if listed.trim().is_empty() {
            return Err("git repository is empty".to_owned());
        }
        let reference = &self.fetch.reference;
        if let Some(range) = &reference.semver {
            return Err(format!("no match found for semver: {range}"));
        }
        if let Some(commit) = &reference.commit {
            self.git(&["clone", "--quiet", "--no-checkout", "--", url, "tree"]).map_err(|why| failed(&why))?;
            let checkout = self.git(&["-C", "tree", "checkout", "--quiet", "--detach", commit]);
            checkout.map_err(|_| format!("unable to resolve commit object for '{commit}': object not found"))?;
            return self.read().map(Arc::new);
        }
        let full = match (&reference.name, &reference.tag) {
            (Some(name), _) => name.clone(),
            (None, Some(tag)) => format!("refs/tags/{tag}"),
            _ => format!("refs/heads/{}", reference.branch()),
        };
        let commit = listed.lines().find_map(|line| line.split_once('\t').filter(|(_, name)| *name == full));
        let (commit, _) = commit.ok_or_else(|| failed(&format!("couldn't find remote ref \"{full}\"")))?;
        if let Some(tree) = known(commit) {
            return Ok(tree);
        }
        self.git(&["init", "--quiet", "tree"])?;
        self.git(&["-C", "tree", "fetch", "--quiet", "--depth", "1", "--", url, &full]).map_err(|why| failed(&why))?;
        self.git(&["-C", "tree", "checkout", "--quiet", "--detach", "FETCH_HEAD"])?;
        self.read().map(Arc::new)
    }

    fn read(&self) -> Result<Tree, String> {
        let root = self.folder.path().join("tree");
        let commit = self.git(&["-C", "tree", "rev-parse", "HEAD"])?.trim().to_owned();
        let subject = self.git(&["-C", "tree", "log", "-1", "--format=%s"])?.trim().to_owned();
        let mut files = BTreeMap::new();
        collect(&root, &root, &mut files).map_err(|error| error.to_string())?;
        Ok(Tree { commit, subject, files })
    }
}

/// The files below a folder, without what source-controller leaves out of artifacts (fluxcd/pkg `sourceignore`).
fn collect(root: &Path, folder: &Path, files: &mut BTreeMap<String, Vec<u8>>) -> std::io::Result<()> {
    const FOLDERS: [&str; 3] = [".git", ".github", ".circleci"];
    const ENDINGS: [&str; 8] = [".jpg", ".jpeg", ".gif", ".png", ".wmv", ".flv", ".tar.gz", ".zip"];
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let kind = entry.file_type()?;
        if kind.is_dir() && !FOLDERS.contains(&name.as_str()) {
            collect(root, &entry.path(), files)?;
        } else if kind.is_file() && !name.starts_with(".git") && !ENDINGS.iter().any(|ending| name.ends_with(ending)) {
            let path = entry.path().strip_prefix(root).map(|path| path.display().to_string()).unwrap_or_default();
            files.insert(path, fs::read(entry.path())?);
        }
    }
    Ok(())
}

/// What go-git says where git says this.
fn words_of_go(said: &str, url: &str) -> String {
    let host = url.split("://").nth(1).and_then(|rest| rest.split('/').next()).unwrap_or_default();
    let host = host.rsplit('@').next().unwrap_or_default();
    let address = if host.contains(':') { host.to_owned() } else { format!("{host}:22") };
    let table = [
        ("REMOTE HOST IDENTIFICATION HAS CHANGED", "ssh: handshake failed: knownhosts: key mismatch".to_owned()),
        ("Host key verification failed", "ssh: handshake failed: knownhosts: key is unknown".to_owned()),
        ("error in libcrypto", "ssh: no key found".to_owned()),
        ("invalid format", "ssh: no key found".to_owned()),
        (
            "Permission denied",
            "ssh: handshake failed: ssh: unable to authenticate, attempted methods [none publickey], no supported methods remain"
                .to_owned(),
        ),
        ("Connection refused", format!("dial tcp {address}: connect: connection refused")),
        ("timed out", format!("dial tcp {address}: i/o timeout")),
        ("No route to host", format!("dial tcp {address}: connect: no route to host")),
        ("Could not resolve host", format!("dial tcp: lookup {host}: no such host")),
        ("Repository not found", "repository not found".to_owned()),
    ];
    let last = || said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("unknown error").to_owned();
    table.into_iter().find(|(words, _)| said.contains(words)).map_or_else(last, |(_, meant)| meant)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_told_in_the_words_of_go() {
        let url = "ssh://git@10.77.0.1/homelab/cluster.git";
        for (said, meant) in [
            (
                "ssh: connect to host 10.77.0.1 port 22: Connection refused\r\nfatal: Could not read",
                "dial tcp 10.77.0.1:22: connect: connection refused",
            ),
            (
                "No ED25519 host key is known\nHost key verification failed.\n",
                "ssh: handshake failed: knownhosts: key is unknown",
            ),
            ("ERROR: Repository not found.\nfatal: x", "repository not found"),
            ("fatal: something else\n", "fatal: something else"),
        ] {
            assert_eq!(words_of_go(said, url), meant);
        }
    }
}

//! homeprov's own copy of the user's repository, in the state folder: a bare repository with the newest commit of one
//! branch. It is a cache: whatever is wrong with it, it is made again.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::cause::{self, Kind};
use super::git::{ASK, Git, GitError, TRANSFER};
use super::remote::Remote;

/// Texts by their path in the repository.
pub type Files = BTreeMap<String, String>;

/// Where the newest commit is kept; no branch, so that nothing takes it for the user's work.
const HEAD: &str = "refs/homeprov/head";

/// The branches of a repository on a server: the commit of each.
pub async fn branches(remote: &Remote) -> Result<BTreeMap<String, String>, GitError> {
    let listed = Git::anywhere("ls-remote").with(remote, ASK).run(["--heads", "--", &remote.url]).await?;
    let listed = String::from_utf8_lossy(&listed).into_owned();
    let branch = |line: &str| {
        let (commit, reference) = line.split_once('\t')?;
        Some((reference.strip_prefix("refs/heads/")?.to_owned(), commit.to_owned()))
    };
    Ok(listed.lines().filter_map(branch).collect())
}

/// The copy, held: another run of homeprov waits.
#[derive(Debug)]
pub struct Repository {
    directory: PathBuf,
    _lock: File,
}

impl Repository {
    /// Takes hold of the copy in `folder`, and makes an empty one when there is none.
    pub async fn open(folder: &Path) -> Result<Self, GitError> {
        let local = |error: io::Error| GitError::Local(error.to_string());
        let lock = lock(folder).await.map_err(local)?;
        let opened = Self { directory: folder.join("repository.git"), _lock: lock };
        if !opened.directory.join("HEAD").exists() {
            opened.make().await?;
        }
        Ok(opened)
    }

    async fn make(&self) -> Result<(), GitError> {
        match fs::remove_dir_all(&self.directory) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(GitError::Local(error.to_string())),
            _ => {}
        }
        let path = self.directory.as_os_str();
        // Without a template: the user's own has hooks.
        Git::anywhere("init").run(["--quiet".as_ref(), "--bare".as_ref(), "--template=".as_ref(), path]).await.map(drop)
    }

    pub(super) fn git(&self, what: &str) -> Git {
        Git::on(&self.directory, what)
    }

    /// Reads files of the branch's newest commit, which `head` is believed to be; returns the commit it was in the end.
    /// What is wrong with the copy is mended.
    pub async fn read(
        &self,
        remote: &Remote,
        branch: &str,
        head: &str,
        paths: &[String],
    ) -> Result<(String, Files), GitError> {
        match self.try_read(remote, branch, head, paths).await {
            Err(error) if mendable(&error) => {
                self.make().await?;
                self.try_read(remote, branch, head, paths).await
            }
            other => other,
        }
    }

    async fn try_read(
        &self,
        remote: &Remote,
        branch: &str,
        head: &str,
        paths: &[String],
    ) -> Result<(String, Files), GitError> {
        let kept = self.git("rev-parse").line(["--verify", "--quiet", HEAD]).await.ok();
        let commit = if kept.as_deref() == Some(head) { head.to_owned() } else { self.fetch(remote, branch).await? };
        let files = self.files(&commit, paths).await?;
        Ok((commit, files))
    }

    /// Brings the branch's newest commit here, without its history.
    async fn fetch(&self, remote: &Remote, branch: &str) -> Result<String, GitError> {
        let refspec = format!("+refs/heads/{branch}:{HEAD}");
        let options = ["--quiet", "--depth=1", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules"];
        let arguments = options.into_iter().chain(["--", &remote.url, &refspec]);
        self.git("fetch").with(remote, TRANSFER).run(arguments).await?;
        self.git("rev-parse").line(["--verify", HEAD]).await
    }

    /// The files among `paths` that a commit has. An object that is missing is an error, not an absent file.
    async fn files(&self, commit: &str, paths: &[String]) -> Result<Files, GitError> {
        if paths.is_empty() {
            return Ok(Files::new());
        }
        let arguments = ["-z", "--full-tree", commit, "--"].into_iter().chain(paths.iter().map(String::as_str));
        let listed = self.git("ls-tree").run(arguments).await?;
        let listed = String::from_utf8_lossy(&listed).into_owned();
        let entry = |entry: &str| {
            let (about, path) = entry.split_once('\t')?;
            let mut about = about.split(' ').skip(1);
            (about.next()? == "blob").then_some(())?;
            Some((path.to_owned(), about.next()?.to_owned()))
        };
        let entries: Vec<(String, String)> = listed.split('\0').filter_map(entry).collect();
        let wanted: String = entries.iter().flat_map(|(_, object)| [object.as_str(), "\n"]).collect();
        let answer = self.git("cat-file").input(wanted).run(["--batch"]).await?;
        let mut rest = answer.as_slice();
        let mut files = Files::new();
        for (path, object) in entries {
            let text = next_object(&mut rest).ok_or_else(|| GitError::Failed {
                what: "cat-file".to_owned(),
                said: format!("the object {object} of {path} is missing"),
            })?;
            files.insert(path, text);
        }
        Ok(files)
    }
}

/// Takes the next object off an answer of `git cat-file --batch`: a line with its kind and size, its bytes, a line end.
fn next_object(rest: &mut &[u8]) -> Option<String> {
    let end = rest.iter().position(|byte| *byte == b'\n')?;
    let (about, tail) = rest.split_at(end);
    let size: usize = std::str::from_utf8(about).ok()?.split(' ').nth(2)?.parse().ok()?;
    let bytes = tail.get(1..=size)?;
    *rest = tail.get(size + 2..)?;
    Some(String::from_utf8_lossy(bytes).into_owned())
}

/// Whether another copy may help: whatever no server said.
fn mendable(error: &GitError) -> bool {
    matches!(error, GitError::Failed { .. }) && cause::kind_of(error) == Kind::Other
        || matches!(error, GitError::Failed { said, .. } if said.contains(".lock"))
}

/// Waits for the lock beside the copy; the kernel drops it with its holder, however that ends.
async fn lock(folder: &Path) -> io::Result<File> {
    fs::create_dir_all(folder)?;
    let file = File::options().create(true).truncate(false).write(true).open(folder.join("repository.lock"))?;
    let since = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::Error(error)) => return Err(error),
            Err(TryLockError::WouldBlock) if since.elapsed() < TRANSFER => sleep(Duration::from_millis(100)).await,
            Err(TryLockError::WouldBlock) => {
                return Err(io::Error::other("another run of homeprov works on its copy of the repository"));
            }
        }
    }
}

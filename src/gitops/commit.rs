//! One commit on top of the branch, made without a work tree, and brought to the server.

use std::env;
use std::ffi::OsString;

use super::cause::{self, Kind};
use super::git::{Git, GitError, TRANSFER};
use super::remote::Remote;
use super::repository::{Files, Repository};

/// Who commits where nobody has said who does.
const NAME: &str = "homeprov";

/// Who makes a commit, where the inventory says so; else Git's own configuration does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Author {
    /// The name.
    pub name: Option<String>,
    /// The e-mail address.
    pub email: Option<String>,
}

impl Author {
    /// The variables that tell Git: what neither the inventory nor Git's configuration says is said here.
    async fn variables(&self) -> Vec<(String, OsString)> {
        let mut variables = Vec::new();
        for (part, given, key) in [("NAME", &self.name, "user.name"), ("EMAIL", &self.email, "user.email")] {
            for role in ["AUTHOR", "COMMITTER"] {
                let name = format!("GIT_{role}_{part}");
                let value = match given {
                    Some(given) => given.clone().into(),
                    None if env::var_os(&name).is_some() => continue,
                    None if Git::anywhere("config").run(["--get", key]).await.is_ok() => continue,
                    None if part == "NAME" => NAME.into(),
                    None => "homeprov@localhost".into(),
                };
                variables.push((name, value));
            }
        }
        variables
    }
}

/// What a commit changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Commit {
    /// The files written, whole.
    pub files: Files,
    /// The commit message.
    pub message: String,
}

/// How a push went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pushed {
    /// The branch is this commit now.
    Done(String),
    /// Somebody else was faster.
    Overtaken(GitError),
}

impl Repository {
    /// Makes a commit on top of `parent`, or the first one; nothing but its files differs from the parent.
    pub async fn commit(&self, parent: Option<&str>, commit: &Commit, author: &Author) -> Result<String, GitError> {
        let local = |error: std::io::Error| GitError::Local(error.to_string());
        let folder = tempfile::tempdir().map_err(local)?;
        let index = folder.path().join("index");
        let git = |what: &str| self.git(what).env("GIT_INDEX_FILE", &index);
        git("read-tree").run([parent.unwrap_or("--empty")]).await?;
        let mut entries = Vec::new();
        for (path, text) in &commit.files {
            let object = self.git("hash-object").input(text.as_bytes()).line(["-w", "--no-filters", "--stdin"]).await?;
            entries.extend_from_slice(format!("100644 {object}\t{path}\0").as_bytes());
        }
        git("update-index").input(entries).run(["--add", "-z", "--index-info"]).await?;
        let tree = git("write-tree").line::<&str>([]).await?;
        let mut commit_tree = self.git("commit-tree").input(commit.message.as_bytes());
        for (name, value) in author.variables().await {
            commit_tree = commit_tree.env(&name, value);
        }
        let parents = parent.into_iter().flat_map(|parent| ["-p", parent]);
        commit_tree.line([tree.as_str()].into_iter().chain(parents).chain(["-F", "-"])).await
    }

    /// Brings a commit to the server as the branch's newest. Never by force: what somebody else has pushed stays.
    pub async fn push(&self, remote: &Remote, branch: &str, commit: &str) -> Result<Pushed, GitError> {
        let refspec = format!("{commit}:refs/heads/{branch}");
        let options = ["--porcelain", "--no-verify", "--no-signed", "--no-follow-tags", "--recurse-submodules=no"];
        let arguments = options.into_iter().chain(["--", &remote.url, &refspec]);
        match self.git("push").with(remote, TRANSFER).run(arguments).await {
            Ok(_) => Ok(Pushed::Done(commit.to_owned())),
            Err(error) if cause::kind_of(&error) == Kind::Overtaken => Ok(Pushed::Overtaken(error)),
            Err(error) => Err(error),
        }
    }

    /// Whether these credentials may push. Nothing is pushed: the server is asked as for a push, and told of no change.
    pub async fn may_push(&self, remote: &Remote) -> bool {
        let author = Author { name: Some(NAME.to_owned()), email: Some("homeprov@localhost".to_owned()) };
        let Ok(commit) = self.commit(None, &Commit::default(), &author).await else { return false };
        let refspec = format!("{commit}:refs/heads/homeprov-may-this-key-push");
        let arguments = ["--quiet", "--dry-run", "--no-verify", "--no-signed", "--", &remote.url, &refspec];
        self.git("push").with(remote, TRANSFER).run(arguments).await.is_ok()
    }
}

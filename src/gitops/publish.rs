//! From what should be in the repository to a commit that is on the server.

use super::cause::{self, Problem};
use super::commit::{Author, Commit, Pushed};
use super::git::GitError;
use super::remote::Remote;
use super::repository::{Files, Repository, branches};

/// How often a push that somebody else was faster than is tried: the second time on top of theirs.
const TRIES: usize = 2;

/// What was found on a server: the branch's newest commit and the files asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// The commit; none when the repository has none yet.
    pub head: Option<String>,
    /// The files by path.
    pub files: Files,
}

/// Looks at a branch on the server. A repository that has branches, but not this one, is a problem: homeprov would
/// begin a history that has nothing to do with the user's.
pub async fn look(repository: &Repository, remote: &Remote, branch: &str, paths: &[String]) -> Result<Found, Problem> {
    let explain = |error: &GitError| cause::explain(error, &remote.url, branch);
    let known = branches(remote).await.map_err(|error| explain(&error))?;
    match known.get(branch) {
        Some(head) => {
            let (head, files) = repository.read(remote, branch, head, paths).await.map_err(|error| explain(&error))?;
            Ok(Found { head: Some(head), files })
        }
        None if known.is_empty() => Ok(Found::default()),
        None => {
            let names: Vec<&str> = known.keys().map(String::as_str).take(8).collect();
            let reason = format!(
                "the repository has no branch {branch}; it has {}\nName one of them under [flux] in the inventory, or make \
                 the branch on the server.",
                names.join(", ")
            );
            Err(Problem::lasting(reason))
        }
    }
}

/// Writes to the branch what `change` makes of what is there, as one commit; none is made when it changes nothing.
/// When somebody else was faster, once more on top of theirs. Returns the branch's newest commit.
pub async fn publish(
    repository: &Repository,
    remote: &Remote,
    branch: &str,
    paths: &[String],
    author: &Author,
    change: impl Fn(&Found) -> Option<Commit>,
) -> Result<Option<String>, Problem> {
    let explain = |error: &GitError| cause::explain(error, &remote.url, branch);
    let mut overtaken = None;
    for _ in 0..TRIES {
        let found = look(repository, remote, branch, paths).await?;
        let Some(commit) = change(&found) else { return Ok(found.head) };
        let made = repository.commit(found.head.as_deref(), &commit, author).await;
        let made = made.map_err(|error| explain(&error))?;
        match repository.push(remote, branch, &made).await.map_err(|error| explain(&error))? {
            Pushed::Done(commit) => return Ok(Some(commit)),
            Pushed::Overtaken(error) => overtaken = Some(error),
        }
    }
    Err(overtaken.map_or_else(|| Problem::lasting("nothing was pushed"), |error| explain(&error)))
}

//! Why Git could not do as asked, in words that say what to do. What is recognised are the texts of Git, OpenSSH and
//! of the large Git servers; what is not is shown as it was said.

use super::git::GitError;

/// What keeps homeprov from the repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The cause with Git's own words, and what to do.
    pub reason: String,
    /// Whether it may be over by itself: a server that does not answer just now.
    pub passing: bool,
    /// What a server refused, where one did.
    pub kind: Kind,
}

impl Problem {
    /// One that stays until somebody does something about it.
    pub fn lasting(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), passing: false, kind: Kind::Other }
    }
}

/// What kind of refusal Git's text tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The server's host key is not known.
    HostKeyUnknown,
    /// The server has another host key than the known one.
    HostKeyChanged,
    /// The key or the password was not accepted.
    Denied,
    /// It may read and not write.
    ReadOnly,
    /// There is no such repository, or it is not shown to this login.
    Absent,
    /// The branch, or the repository, takes no direct pushes.
    Protected,
    /// Somebody else has pushed meanwhile.
    Overtaken,
    /// The server's TLS certificate is not trusted.
    Certificate,
    /// The server does not answer.
    Network,
    /// Something else.
    Other,
}

/// In this order: a text that fits an earlier kind often fits a later one, too.
const TEXTS: [(Kind, &[&str]); 9] = [
    (
        Kind::Protected,
        &["protected branch", "GH006", "GH013", "pre-receive hook declined", "hook declined", "TF402455"],
    ),
    (
        Kind::Overtaken,
        &[
            "non-fast-forward",
            "fetch first",
            "cannot lock ref",
            "incorrect old value",
            "failed to update ref",
            "stale info",
        ],
    ),
    (
        Kind::ReadOnly,
        &[
            "marked as read only",
            "does not have write access",
            "Write access to repository not granted",
            "requested URL returned error: 403",
            "read-only",
            "deploy key does not",
            "not allowed to push",
            "User permission denied",
            "You do not have permission to push",
        ],
    ),
    (Kind::HostKeyChanged, &["IDENTIFICATION HAS CHANGED"]),
    (Kind::HostKeyUnknown, &["Host key verification failed", "host key is known for"]),
    (
        Kind::Absent,
        &[
            "epository not found",
            "does not appear to be a git repository",
            "Could not find repository",
            "project you were looking for could not be found",
            "returned error: 404",
            "' not found",
        ],
    ),
    (
        Kind::Denied,
        &[
            "Permission denied",
            "Authentication failed",
            "could not read Username",
            "could not read Password",
            "unable to read askpass",
            "returned error: 401",
            "Too many authentication failures",
        ],
    ),
    (Kind::Certificate, &["certificate problem", "certificate verification failed"]),
    (
        Kind::Network,
        &[
            "Could not resolve",
            "ould not connect",
            "Failed to connect",
            "Couldn't connect",
            "Connection refused",
            "Connection timed out",
            "timed out",
            "Connection reset",
            "Connection closed",
            "kex_exchange_identification",
            "No route to host",
            "etwork is unreachable",
            "returned error: 5",
            "early EOF",
            "hung up unexpectedly",
            "unexpected disconnect",
        ],
    ),
];

/// The kind of refusal a text of Git tells of.
pub fn kind(said: &str) -> Kind {
    let told = |texts: &[&str]| texts.iter().any(|text| said.contains(text));
    TEXTS.iter().find(|(_, texts)| told(texts)).map_or(Kind::Other, |(kind, _)| *kind)
}

/// The kind of an error of any sort.
pub fn kind_of(error: &GitError) -> Kind {
    match error {
        GitError::Failed { said, .. } => kind(said),
        GitError::TimedOut { .. } => Kind::Network,
        GitError::Missing | GitError::Local(_) => Kind::Other,
    }
}

/// What a user is told of an error at this URL.
pub fn explain(error: &GitError, url: &str, branch: &str) -> Problem {
    let kind = kind_of(error);
    let host = super::remote::host(url);
    let remedy = match (kind, error) {
        (_, GitError::Missing) => "Install it: `sudo apt-get install git`.".to_owned(),
        (Kind::HostKeyUnknown, _) => {
            let known = super::remote::known_as(url);
            format!(
                "The SSH host key of {host} is not known. Compare it with what the server's owner publishes \
                 (`ssh-keyscan{} {}`), then add it to the known hosts (`ssh-keygen -F '{known}'` shows what is known); \
                 `known_hosts` under [flux] in the inventory names another file.",
                super::remote::port(url).map_or_else(String::new, |port| format!(" -p {port}")),
                super::remote::bare_host(url)
            )
        }
        (Kind::HostKeyChanged, _) => format!(
            "{host} has another SSH host key than the one known. When that is right, forget the old one \
             (`ssh-keygen -R '{}'`) and add the new one.",
            super::remote::known_as(url)
        ),
        (Kind::Denied, _) => format!(
            "The Git server does not accept the login. Try `git ls-remote {url}`; a key with a passphrase has to be in an \
             agent (`ssh-add`), a password in a credential helper: homeprov asks for neither."
        ),
        (Kind::ReadOnly, _) => format!("This login may read {url} and not push to it: give it write access."),
        (Kind::Absent, _) => format!(
            "There is no repository at {url}, or this login does not see it. Make an empty one on the server, or mend \
             `repository` under [flux] in the inventory."
        ),
        (Kind::Protected, _) => format!(
            "The branch {branch} takes no direct pushes. Let this login push to it (a bypass in the branch's protection), or \
             name another branch under [flux] in the inventory."
        ),
        (Kind::Overtaken, _) => {
            format!("Somebody pushes to {branch} at the same time: run the same command again.")
        }
        (Kind::Certificate, _) => {
            format!(
                "The TLS certificate of {host} is not trusted here; `http.sslCAInfo` in git's configuration names a CA."
            )
        }
        (Kind::Network, _) => {
            format!("{host} does not answer: look at the network and at the server. Try `git ls-remote {url}`.")
        }
        (Kind::Other, _) => format!("Try `git ls-remote {url}`."),
    };
    Problem { reason: format!("{}\n{remedy}", said(error)), passing: kind == Kind::Network, kind }
}

/// Git's own words without what every failure has in common.
fn said(error: &GitError) -> String {
    const USUAL: [&str; 6] = [
        "Please make sure you have the correct access rights",
        "and the repository exists.",
        "fatal: Could not read from remote repository.",
        "hint:",
        "To ",
        "Done",
    ];
    let GitError::Failed { what, said } = error else { return error.to_string() };
    let telling = |line: &&str| !line.trim().is_empty() && !USUAL.iter().any(|usual| line.starts_with(usual));
    let lines: Vec<&str> = said.lines().map(str::trim).filter(telling).take(12).collect();
    if lines.is_empty() { format!("`git {what}` failed: {said}") } else { format!("git says: {}", lines.join("\n")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(said: &str) -> GitError {
        GitError::Failed { what: "push".into(), said: said.into() }
    }

    #[test]
    fn the_servers_texts_are_told_apart() {
        let texts = [
            ("remote: error: GH006: Protected branch update failed for refs/heads/main.", Kind::Protected),
            (" ! [remote rejected] main -> main (pre-receive hook declined)", Kind::Protected),
            (" ! [rejected]        main -> main (fetch first)", Kind::Overtaken),
            ("ERROR: The key you are authenticating with has been marked as read only.", Kind::ReadOnly),
            (
                "No ED25519 host key is known for git.example.org and you have requested strict checking.\nHost key verification failed.",
                Kind::HostKeyUnknown,
            ),
            (
                "@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\nHost key verification failed.",
                Kind::HostKeyChanged,
            ),
            ("ERROR: Repository not found.\nfatal: Could not read from remote repository.", Kind::Absent),
            (
                "git@git.example.org: Permission denied (publickey).\nfatal: Could not read from remote repository.",
                Kind::Denied,
            ),
            ("fatal: could not read Username for 'https://github.com': terminal prompts disabled", Kind::Denied),
            ("ssh: Could not resolve hostname git.example.org: Name or service not known", Kind::Network),
            ("ssh: connect to host 10.0.0.9 port 22: Connection refused", Kind::Network),
            ("fatal: bad object HEAD", Kind::Other),
        ];
        for (text, wanted) in texts {
            assert_eq!(kind(text), wanted, "{text}");
        }
    }

    #[test]
    fn a_user_is_told_what_to_do() {
        let url = "ssh://git@git.example.org:2222/home.git";
        let texts = [
            failed(
                "Host key verification failed.\nfatal: Could not read from remote repository.\n\nPlease make sure you have the correct access rights\nand the repository exists.",
            ),
            failed(
                "git@git.example.org: Permission denied (publickey).\nfatal: Could not read from remote repository.",
            ),
            failed("ERROR: Repository not found."),
            failed("ssh: connect to host git.example.org port 2222: Connection refused"),
            failed(
                "To ssh://git@git.example.org:2222/home.git\n ! [remote rejected] main -> main (protected branch hook declined)",
            ),
            GitError::Missing,
        ];
        let told: Vec<String> = texts.iter().map(|error| explain(error, url, "main").reason).collect();
        insta::assert_snapshot!(told.join("\n\n"));
    }
}

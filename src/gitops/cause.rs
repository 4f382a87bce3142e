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
        (Kind::HostKeyUnknown, _) => host_key(url),
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

/// How a host key becomes known. Large services publish theirs over HTTPS, where nobody in between can put in another;
/// what `ssh-keyscan` shows is to be compared by a person.
fn host_key(url: &str) -> String {
    let known = super::remote::known_as(url);
    let file = "~/.ssh/known_hosts";
    let published = match (super::remote::bare_host(url), super::remote::port(url).unwrap_or(22)) {
        ("github.com", 22) => Some((
            format!("curl -fsS https://api.github.com/meta | jq -r '.ssh_keys[] | \"github.com \" + .' >>{file}"),
            "https://docs.github.com/en/authentication/keeping-your-account-and-data-secure/githubs-ssh-key-fingerprints",
        )),
        ("gitlab.com", 22) => Some((
            format!("ssh-keyscan gitlab.com >>{file}"),
            "https://docs.gitlab.com/user/gitlab_com/#ssh-known_hosts-entries",
        )),
        ("codeberg.org", 22) => {
            Some((format!("ssh-keyscan codeberg.org >>{file}"), "https://docs.codeberg.org/security/ssh-fingerprint/"))
        }
        _ => None,
    };
    let get = match published {
        // What comes over HTTPS from the owner needs no comparison.
        Some((command, page)) if command.starts_with("curl") => {
            format!("Add what its owner publishes: `{command}` (the same keys are at {page})")
        }
        Some((command, page)) => {
            format!("Add it with `{command}` and compare `ssh-keygen -lF '{known}'` with the fingerprints at {page}")
        }
        None => {
            let port = super::remote::port(url).map_or_else(String::new, |port| format!(" -p {port}"));
            let host = super::remote::bare_host(url);
            format!(
                "Add it with `ssh-keyscan{port} {host} >>{file}` and compare `ssh-keygen -lF '{known}'` with the fingerprint that \
                 the server's owner publishes, or that the server itself shows: `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub`"
            )
        }
    };
    format!(
        "The SSH host key of {known} is not known, and homeprov takes none unseen. {get}. Where the inventory \
         names a file by `known_hosts` under [flux] or [ssh], add it there instead."
    )
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
    fn the_host_key_of_a_large_service_has_a_page_of_its_own() {
        let unknown = failed(
            "No ED25519 host key is known for github.com and you have requested strict checking.\nHost key verification failed.",
        );
        for url in ["ssh://git@github.com/alice/home", "git@github.com:alice/home.git"] {
            let told = explain(&unknown, url, "main");
            assert_eq!((told.kind, told.passing), (Kind::HostKeyUnknown, false));
            assert!(
                told.reason.contains("https://api.github.com/meta") && told.reason.contains(">>~/.ssh/known_hosts"),
                "{}",
                told.reason
            );
        }
        let other = explain(&unknown, "ssh://git@git.lan:2222/home", "main").reason;
        assert!(
            other.contains("`ssh-keyscan -p 2222 git.lan >>~/.ssh/known_hosts`")
                && other.contains("-lF '[git.lan]:2222'"),
            "{other}"
        );
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

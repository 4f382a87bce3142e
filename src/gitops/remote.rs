//! A Git repository on a server, and the credentials a call of `git` has there: the user's own, or the cluster's alone.

use std::env;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};
use tempfile::NamedTempFile;
use tokio::process::Command;

use super::git::Git;

/// How long ssh tries to connect, in seconds.
const CONNECT: u32 = 10;

/// A URL with the credentials for it.
#[derive(Debug)]
pub struct Remote {
    /// The URL, as Git takes it.
    pub url: String,
    ssh: Option<OsString>,
    /// Whether nothing but the credentials named here may be used.
    alone: bool,
    /// A file for `git-credential-store`, gone with this value.
    store: Option<NamedTempFile>,
}

impl Remote {
    /// With the user's own credentials: agent, keys and credential helpers, as `git` would use them. Nothing is asked
    /// for, because a question in the middle of a run would be asked again at each look.
    /// Host keys are looked for in these files, or where ssh always does when there are none.
    pub async fn of_user(url: &str, known_hosts: &[PathBuf]) -> Self {
        let chosen = env::var_os("GIT_SSH_COMMAND").is_some() || env::var_os("GIT_SSH").is_some();
        let configured = chosen || Git::anywhere("config").run(["--get", "core.sshCommand"]).await.is_ok();
        let mut words = vec!["ssh".to_owned(), "-oBatchMode=yes".to_owned(), format!("-oConnectTimeout={CONNECT}")];
        if !known_hosts.is_empty() {
            words.push(file_option("UserKnownHostsFile", known_hosts));
        }
        let ssh = (!configured && is_ssh(url)).then(|| quoted(&words).into());
        Self { url: url.to_owned(), ssh, alone: false, store: None }
    }

    /// With one private key and these known hosts and nothing else: as the cluster will come.
    pub fn of_key(url: &str, key: &Path, known_hosts: &Path) -> Self {
        let mut words: Vec<String> = ["ssh", "-F", "/dev/null"].map(str::to_owned).into();
        words.extend(
            ["IdentitiesOnly=yes", "IdentityAgent=none", "BatchMode=yes", "StrictHostKeyChecking=yes"]
                .map(|option| format!("-o{option}")),
        );
        words.push("-oPreferredAuthentications=publickey".to_owned());
        words.push("-oGlobalKnownHostsFile=/dev/null".to_owned());
        words.push(format!("-oConnectTimeout={CONNECT}"));
        words.push(file_option("UserKnownHostsFile", &[known_hosts]));
        words.push(file_option("IdentityFile", &[key]));
        Self { url: url.to_owned(), ssh: Some(quoted(&words).into()), alone: true, store: None }
    }

    /// With a user name and a password, or without any, over HTTPS and nothing else.
    pub fn of_password(url: &str, login: Option<(&str, &SecretString)>) -> std::io::Result<Self> {
        let store = login.map(|(user, password)| store(url, user, password)).transpose()?;
        Ok(Self { url: url.to_owned(), ssh: None, alone: true, store })
    }

    /// Gives a call of `git` these credentials.
    pub(super) fn prepare(&self, command: &mut Command) {
        if let Some(ssh) = &self.ssh {
            command.env("GIT_SSH_COMMAND", ssh).env_remove("GIT_SSH").env("GIT_SSH_VARIANT", "ssh");
        }
        let mut settings: Vec<(&str, String)> = Vec::new();
        if self.alone {
            // An empty helper takes back those of the configuration.
            settings.push(("credential.helper", String::new()));
            command.env("GIT_ASKPASS", "false").env("SSH_ASKPASS", "false");
        }
        if let Some(store) = &self.store {
            let path = quoted(&[store.path().to_string_lossy().into_owned()]);
            settings.push(("credential.helper", format!("store --file={path}")));
        }
        // Beside what the user has set the same way.
        let first: usize = env::var("GIT_CONFIG_COUNT").ok().and_then(|count| count.parse().ok()).unwrap_or(0);
        if !settings.is_empty() {
            command.env("GIT_CONFIG_COUNT", (first + settings.len()).to_string());
        }
        for (number, (name, value)) in settings.into_iter().enumerate() {
            command.env(format!("GIT_CONFIG_KEY_{}", first + number), name);
            command.env(format!("GIT_CONFIG_VALUE_{}", first + number), value);
        }
    }
}

/// The file `git-credential-store` reads: readable by its owner alone.
fn store(url: &str, user: &str, password: &SecretString) -> std::io::Result<NamedTempFile> {
    let mut file = NamedTempFile::new()?;
    let scheme = url.split("://").next().unwrap_or_default();
    let line = format!("{scheme}://{}:{}@{}\n", encoded(user), encoded(password.expose_secret()), host(url));
    file.write_all(line.as_bytes())?;
    file.flush()?;
    Ok(file)
}

/// Percent-encoded but for what needs no encoding anywhere.
fn encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

fn quoted(words: &[String]) -> String {
    shlex::Quoter::new().allow_nul(true).join(words.iter().map(String::as_str)).unwrap_or_default()
}

/// An option that names files: OpenSSH splits its value at blanks outside of quotes, and expands `%`.
fn file_option(name: &str, files: &[impl AsRef<Path>]) -> String {
    let files = files.iter().map(|file| format!("\"{}\"", file.as_ref().display().to_string().replace('%', "%%")));
    format!("-o{name}={}", files.collect::<Vec<_>>().join(" "))
}

/// Whether a URL is one of SSH.
pub fn is_ssh(url: &str) -> bool {
    url.starts_with("ssh://") || (!url.contains("://") && !url.starts_with('/') && url.contains(':'))
}

/// The authority of a URL without the user's name: `git.example.org:2222`.
pub fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split('/').next().unwrap_or_default();
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    // Of `git@host:path` what follows the colon is the path.
    if url.contains("://") { host } else { host.split(':').next().unwrap_or_default() }
}

/// The port a URL names.
pub fn port(url: &str) -> Option<u16> {
    host(url).rsplit_once(':').filter(|(name, _)| !name.contains(':') || name.ends_with(']'))?.1.parse().ok()
}

/// The host's name or address alone, an IPv6 address without its brackets.
pub fn bare_host(url: &str) -> &str {
    let host = host(url);
    let name = match port(url) {
        Some(_) => host.rsplit_once(':').map_or(host, |(name, _)| name),
        None => host,
    };
    name.trim_start_matches('[').trim_end_matches(']')
}

/// What follows the host, without a slash before it: `alice/home.git`.
pub fn path(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let path = if url.contains("://") { rest.split_once('/') } else { rest.split_once(':') };
    path.map_or("", |(_, path)| path.trim_start_matches('/'))
}

/// What a known-hosts file calls the host: `[git.example.org]:2222` for another port than 22.
pub fn known_as(url: &str) -> String {
    match port(url) {
        Some(port) if port != 22 => format!("[{}]:{port}", bare_host(url)),
        _ => bare_host(url).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_of_a_url() {
        let urls = [
            ("ssh://git@github.com/me/home.git", "github.com", None),
            ("ssh://git@git.example.org:2222/home.git", "git.example.org", Some(2222)),
            ("ssh://git@[fd00::1]:2222/home.git", "fd00::1", Some(2222)),
            ("https://user@git.example.org/home.git", "git.example.org", None),
            ("git@github.com:me/home.git", "github.com", None),
        ];
        for (url, name, number) in urls {
            assert_eq!((bare_host(url), port(url)), (name, number), "{url}");
            assert!(path(url).ends_with("home.git") && !path(url).starts_with('/'), "{url}");
        }
        assert_eq!(known_as("ssh://git@git.example.org:2222/x"), "[git.example.org]:2222");
        assert_eq!(known_as("ssh://git@git.example.org:22/x"), "git.example.org");
    }

    #[test]
    fn a_password_stands_in_a_file_and_nowhere_else() {
        use std::os::unix::fs::PermissionsExt;
        let password = SecretString::from("p@ss w%rd");
        let remote = Remote::of_password("https://git.example.org:8443/a", Some(("me", &password))).unwrap();
        let file = remote.store.as_ref().unwrap();
        assert_eq!(std::fs::read_to_string(file.path()).unwrap(), "https://me:p%40ss%20w%25rd@git.example.org:8443\n");
        assert_eq!(file.path().metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let mut command = Command::new("git");
        remote.prepare(&mut command);
        let told = format!("{:?}", command.as_std());
        assert!(!told.contains("p@ss") && !told.contains("p%40ss"), "{told}");
    }
}

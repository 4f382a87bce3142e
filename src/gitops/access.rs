//! How the cluster reaches the repository: a deploy key, a user name with a password, or nothing for a public one. What
//! is tried here is tried with that alone, as the cluster will.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};
use tempfile::NamedTempFile;

use super::cause::{self, Kind, Problem};
use super::remote::{self, Remote};
use super::repository::{Repository, branches};
use super::{key, known_hosts};
use crate::facts::flux::fingerprint;
use crate::inventory::model::{Flux, Inventory};
use crate::redact;

/// The files that say which host keys are known: the one for the repository alone when there is one.
pub fn known_hosts_files(inventory: &Inventory, flux: &Flux) -> Vec<PathBuf> {
    match (&flux.known_hosts, &inventory.ssh.known_hosts) {
        (Some(own), _) => vec![own.clone()],
        (None, shared) => shared.iter().cloned().chain(known_hosts::of_user()).collect(),
    }
}

/// The repository with the user's own credentials, at the URL that homeprov pushes to.
pub async fn of_user(inventory: &Inventory, flux: &Flux) -> Remote {
    let named = flux.known_hosts.is_some() || inventory.ssh.known_hosts.is_some();
    let files = if named { known_hosts_files(inventory, flux) } else { Vec::new() };
    Remote::of_user(flux.push_url(), &files).await
}

/// What the cluster is given.
#[derive(Debug)]
pub struct Material {
    /// The keys of the Secret `flux-system` (fluxcd/source-controller `docs/spec/v1/gitrepositories.md`); none for a
    /// public repository.
    pub data: BTreeMap<String, SecretString>,
    /// The public half of the deploy key.
    pub public: Option<String>,
    remote: Remote,
    _known_hosts: Option<NamedTempFile>,
}

impl Material {
    /// A fingerprint of what the Secret should have.
    pub fn fingerprint(&self) -> String {
        fingerprint(self.data.iter().map(|(key, value)| (key.as_str(), value.expose_secret().as_bytes())))
    }
}

/// Reads it; none while homeprov has still to make the key. `folder` is the cluster's in the state folder.
pub async fn material(inventory: &Inventory, flux: &Flux, folder: &Path) -> Result<Option<Material>, Problem> {
    if flux.over_ssh() { of_key(inventory, flux, folder).await } else { of_password(flux).map(Some) }
}

async fn of_key(inventory: &Inventory, flux: &Flux, folder: &Path) -> Result<Option<Material>, Problem> {
    let own = key::place(folder);
    let private = flux.deploy_key.as_ref().unwrap_or(&own);
    if flux.deploy_key.is_none() && !private.exists() {
        return Ok(None);
    }
    let identity = fs::read_to_string(private)
        .map(SecretString::from)
        .map_err(|error| Problem::lasting(format!("cannot read the deploy key {}: {error}", private.display())))?;
    redact::learn(&identity);
    let public = key::public(private).await.map_err(Problem::lasting)?;
    let lines = known_hosts::lines(&known_hosts_files(inventory, flux), &remote::known_as(&flux.repository)).await;
    let known = lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect::<String>();
    let file = NamedTempFile::new().and_then(|mut file| file.write_all(known.as_bytes()).map(|()| file));
    let file = file.map_err(|error| Problem::lasting(format!("cannot write a file for ssh: {error}")))?;
    let data = [("identity", identity), ("identity.pub", format!("{public}\n").into()), ("known_hosts", known.into())];
    Ok(Some(Material {
        data: data.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
        remote: Remote::of_key(&flux.repository, private, file.path()),
        public: Some(public),
        _known_hosts: Some(file),
    }))
}

fn of_password(flux: &Flux) -> Result<Material, Problem> {
    let password = flux.password_file.as_deref().map(password).transpose()?;
    let user = flux.username.as_deref().unwrap_or("git");
    let login = password.as_ref().map(|password| (user, password));
    let remote = Remote::of_password(&flux.repository, login)
        .map_err(|error| Problem::lasting(format!("cannot write a file for git: {error}")))?;
    let data =
        password.map(|password| [("password".to_owned(), password), ("username".to_owned(), user.into())].into());
    Ok(Material { data: data.unwrap_or_default(), public: None, remote, _known_hosts: None })
}

/// Makes what the cluster is given known to the redactor, as far as it is there.
pub fn learn(flux: &Flux, folder: &Path) {
    let own = key::place(folder);
    if let Ok(text) = fs::read_to_string(flux.deploy_key.as_ref().unwrap_or(&own)) {
        redact::learn(&text.into());
    }
    if let Some(path) = &flux.password_file {
        // Reading it is learning it.
        let _ = password(path);
    }
}

fn password(path: &Path) -> Result<SecretString, Problem> {
    let shown = path.display();
    let text = fs::read_to_string(path).map(SecretString::from).map_err(|error| {
        Problem::lasting(format!("cannot read the password of the repository from {shown}: {error}"))
    })?;
    match text.expose_secret().lines().next() {
        Some(line) if !line.is_empty() => {
            let password = SecretString::from(line);
            redact::learn(&password);
            Ok(password)
        }
        _ => Err(Problem::lasting(format!(
            "the first line of {shown} is empty; it should be the password of the repository"
        ))),
    }
}

/// How far the cluster gets with what it is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// The public half of the deploy key; none over HTTPS.
    pub public: Option<String>,
    /// Whether it reads the repository.
    pub reads: Result<(), Problem>,
    /// Whether it may push, too, which nobody needs.
    pub may_write: bool,
    /// A fingerprint of what the Secret should have; none when no Secret is needed.
    pub secret: Option<String>,
}

/// The cluster's own login is not the user's: what helps is another one, and not what the user's `git` knows.
fn without_login(flux: &Flux, problem: &Problem) -> Problem {
    let said = problem.reason.lines().next().unwrap_or_default();
    let remedy = match &flux.password_file {
        Some(file) => format!(
            "The Git server does not accept the cluster's login at {}: check `username` under [flux], and whether {} \
             (`password_file` under [flux]) has a token that may read the repository",
            flux.repository,
            file.display()
        ),
        None => format!(
            "{} is not open to everybody: name a login for the cluster by `username` and `password_file` under [flux], such as a \
             token that only reads; or the repository's ssh:// URL, for a deploy key",
            flux.repository
        ),
    };
    Problem { reason: format!("{said}\n{remedy}."), passing: problem.passing, kind: problem.kind }
}

/// Tries it. What was found to read before is not tried again: `before` is of the same run.
pub async fn access(
    flux: &Flux,
    material: &Material,
    repository: Option<&Repository>,
    before: Option<&Access>,
) -> Access {
    let secret = (!material.data.is_empty()).then(|| material.fingerprint());
    if let Some(before) = before.filter(|before| before.secret == secret && before.reads.is_ok()) {
        return before.clone();
    }
    let reads = branches(&material.remote).await.map(drop);
    let reads = reads.map_err(|error| {
        let problem = cause::explain(&error, &flux.repository, &flux.branch);
        if problem.kind == Kind::Denied && !flux.over_ssh() { without_login(flux, &problem) } else { problem }
    });
    let may_write = match repository {
        Some(repository) if reads.is_ok() && secret.is_some() => repository.may_push(&material.remote).await,
        _ => false,
    };
    Access { public: material.public.clone(), reads, may_write, secret }
}

//! Making a backup.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use age::x25519::Recipient;
use k8s_openapi::api::core::v1::ConfigMap;
use secrecy::ExposeSecret;
use secrecy::zeroize::Zeroizing;
use serde_json::json;

use super::data_store::{AS_FILES, SCRIPT, as_files};
use super::folder::{self, Begun};
use super::manifest::{Cluster, Database, Kind, Manifest, Part, SCHEMA, Site, elsewhere};
use super::pod::{self, Container};
use super::stream::{Hashing, Streamed, pull, push};
use crate::facts::Identity;
use crate::inventory::model::{Mastodon, Postgresql};
use crate::kube::mastodon::secrets as in_cluster;
use crate::kube::request;
use crate::mastodon::secrets::{SecretSet, fingerprints};
use crate::mastodon::{NAMESPACE, RELEASE, seal};
use crate::steps::{Context, Failure};

/// What a backup is to be.
#[derive(Debug, Clone)]
pub struct Options {
    /// The folder the dated folders are in.
    pub place: PathBuf,
    /// Whether the copies of other servers' media are saved, too.
    pub cache: bool,
    /// Whom the Secrets are encrypted for; for the key in homeprov's state folder when there is none.
    pub recipients: Vec<Recipient>,
    /// How many complete backups are kept, this one among them; all of them when absent.
    pub keep: Option<usize>,
}

/// A backup that was made.
#[derive(Debug, Clone)]
pub struct Saved {
    /// Its folder.
    pub folder: PathBuf,
    /// What is in it.
    pub manifest: Manifest,
    /// Older ones that were removed.
    pub removed: Vec<PathBuf>,
}

/// The copies of other servers' files.
const CACHE: &str = "cache";
/// GNU tar: some files changed or went away while they were read.
const CHANGED: i32 = 1;

/// What is saved of which site, and where to.
struct Work<'a> {
    context: &'a Context,
    wanted: &'a Mastodon,
    options: &'a Options,
    node: String,
    web: Container,
    begun: &'a Begun,
    parts: Vec<Part>,
    notes: Vec<String>,
}

/// Makes a backup. When anything goes wrong nothing of it stays, and earlier ones do.
pub async fn save(context: &Context, options: &Options) -> Result<Saved, Failure> {
    let refused = |reason: String| Failure::Refused { reason };
    let Some(wanted) = &context.inventory.mastodon else {
        return Err(refused("the inventory has no [mastodon]: there is no site to back up".to_owned()));
    };
    if let Postgresql::External { host, port, database, .. } = &wanted.postgresql {
        return Err(refused(format!(
            "the database is outside of the cluster ({host}:{port}), and no pod has a pg_dump of its version. Back it up where it runs: \
             `pg_dump -Fc -h {host} -p {port} -f {database}.dump {database}`"
        )));
    }
    let seen = context.facts.cluster.as_ref().and_then(|cluster| cluster.mastodon.as_ref());
    let pod = seen.and_then(|seen| seen.web_pod.clone()).ok_or_else(|| {
        let doing = context.facts.cluster.as_ref().is_some_and(|cluster| cluster.records.contains_key("restore"));
        let why = if doing { " (a restore may be under way: run `homeprov restore` again to finish it)" } else { "" };
        refused(format!(
            "no web pod of the site is ready, and its files are seen from there{why}; `homeprov up` brings it up"
        ))
    })?;
    let Identity::Known(identity) = context.facts.identity() else {
        return Err(refused("the cluster's identity is not known".to_owned()));
    };
    let recipients = recipients(context, options)?;
    let at = jiff::Timestamp::now();
    let begun = Begun::new(&options.place, at).map_err(|error| local(&options.place, &error))?;
    let node = context.node()?.name.clone();
    let mut work =
        Work { context, wanted, options, node, web: Container::web(&pod), begun: &begun, parts: vec![], notes: vec![] };
    let database = work.database().await?;
    work.files().await?;
    work.environment().await?;
    let set = in_cluster::read(&context.api().await?).await?;
    work.secrets(&set, &recipients)?;
    work.data_store(&recipients).await?;
    let Work { mut parts, notes, .. } = work;
    parts.sort_by(|one, other| one.name.cmp(&other.name));
    let media_elsewhere = wanted.s3.as_ref().map(elsewhere);
    let manifest = Manifest {
        schema: SCHEMA,
        homeprov: env!("CARGO_PKG_VERSION").to_owned(),
        name: begun.name().to_owned(),
        at,
        cluster: Cluster { name: context.inventory.cluster.name.clone(), identity },
        site: Site {
            local_domain: wanted.local_domain.clone(),
            image: wanted.image.clone(),
            chart: wanted.chart.version.clone(),
            commit: wanted.chart.commit.clone(),
        },
        database,
        cache: options.cache,
        media_elsewhere,
        secrets: fingerprints(wanted, &set),
        sealed_for: recipients.iter().map(ToString::to_string).collect(),
        files: parts,
        notes,
    };
    let folder = begun.finish(&manifest).map_err(|error| local(&options.place, &error))?;
    let removed = match options.keep {
        Some(keep) => folder::retain(&options.place, &manifest.cluster.name, keep).map_err(|error| {
            Failure::failed(format!(
                "the backup is complete in {}, but older ones could not be removed: {error}",
                folder.display()
            ))
        })?,
        None => Vec::new(),
    };
    Ok(Saved { folder, manifest, removed })
}

/// Whom the Secrets are encrypted for. A key is never made here: one that nobody has yet is in nobody's copies, and is lost with
/// this machine.
fn recipients(context: &Context, options: &Options) -> Result<Vec<Recipient>, Failure> {
    if !options.recipients.is_empty() {
        return Ok(options.recipients.clone());
    }
    let cluster = &context.inventory.cluster.name;
    let own = seal::identity(&context.state, cluster).map_err(|error| Failure::failed(error.to_string()))?;
    let own = own.ok_or_else(|| Failure::Refused {
        reason: format!(
            "nothing was saved: the backup's Secrets are to be encrypted for the key of {cluster}, and this machine has none: {} is not \
             there. Bring age.key there from the machine that set the site up; or name keys of your own with --age-recipient age1…",
            seal::key_file(&context.state, cluster).display()
        ),
    })?;
    Ok(vec![own.to_public()])
}

fn local(path: &Path, error: &io::Error) -> Failure {
    Failure::failed(format!("cannot write to {}: {error}", path.display()))
}

impl Work<'_> {
    fn create(&self, name: &str) -> Result<File, Failure> {
        self.begun.create(name).map_err(|error| local(&self.begun.path().join(name), &error))
    }

    /// A file that is written completely.
    fn done(
        &mut self,
        file: &File,
        name: &str,
        kind: Kind,
        sum: (u64, String),
        entries: Option<u64>,
    ) -> Result<(), Failure> {
        file.sync_all().map_err(|error| local(&self.begun.path().join(name), &error))?;
        let (bytes, sha256) = sum;
        self.context.say(format!("{name}: {bytes} bytes"));
        self.parts.push(Part { name: name.to_owned(), kind, bytes, sha256, entries });
        Ok(())
    }

    async fn database(&mut self) -> Result<Database, Failure> {
        const NAME: &str = "database.dump";
        const WHAT: &str = "the dump of the database";
        let container = Container::database(NAMESPACE);
        let file = self.create(NAME)?;
        let script = pod::dump_script();
        let (file, streamed) =
            pull(self.context, &self.node, WHAT, &container.dump(pod::DATABASE), &script, file, &[0]).await?;
        let database = counted(&streamed)?;
        let path = self.begun.path().join(NAME);
        let mut input = tokio::fs::File::open(&path).await.map_err(|error| local(&path, &error))?;
        // Read back by the program that is to read it one day.
        let list = push(self.context, &self.node, "reading the dump back", &container.list_dump(), &mut input).await?;
        let entries = list.lines().filter(|line| !line.starts_with(';') && !line.trim().is_empty()).count() as u64;
        if entries == 0 {
            return Err(Failure::failed("the dump of the database has nothing in it"));
        }
        self.done(&file, NAME, Kind::Dump, (streamed.bytes, streamed.sha256), Some(entries))?;
        Ok(database)
    }

    async fn files(&mut self) -> Result<(), Failure> {
        if let Some(s3) = &self.wanted.s3 {
            self.notes.push(format!(
                "the users' files are not in it: they are in the bucket {} at {}, which needs a backup of its own",
                s3.bucket, s3.endpoint
            ));
            return Ok(());
        }
        let mut folders: Vec<String> = self.list(pod::FILES).await?;
        folders.retain(|name| !name.starts_with('.') && name != "lost+found" && name != CACHE);
        let cached = self.list(&format!("{}/{CACHE}", pod::FILES)).await?;
        if self.options.cache && !cached.is_empty() {
            folders.push(CACHE.to_owned());
        } else if cached.iter().any(|name| name == "custom_emojis") {
            folders.push(pod::CUSTOM_EMOJIS.to_owned());
        }
        for folder in folders {
            self.archive(&folder).await?;
        }
        Ok(())
    }

    /// What is in a folder of the web pod; nothing when it is not there.
    async fn list(&self, path: &str) -> Result<Vec<String>, Failure> {
        let argv = self.web.script("if [ -d \"$1\" ]; then ls -A \"$1\"; fi", &[path]);
        let text = push(self.context, &self.node, "listing the users' files", &argv, &mut tokio::io::empty()).await?;
        Ok(text.lines().map(str::to_owned).collect())
    }

    async fn archive(&mut self, folder: &str) -> Result<(), Failure> {
        let name = format!("files-{}.tar", folder.replace('/', "-"));
        let what = format!("the archive of {folder}");
        let argv = self.web.hashed(&["tar", "-C", pod::FILES, "-cf", "-", folder]);
        let file = self.create(&name)?;
        let (file, streamed) = pull(self.context, &self.node, &what, &argv, "", file, &[0, CHANGED]).await?;
        if streamed.statuses.contains(&CHANGED) {
            self.notes.push(format!("{folder}: some files changed or went away while they were read"));
        }
        let path = self.begun.path().join(&name);
        let entries = read_back(&path, &what).await?;
        let kind = Kind::Files { folder: folder.to_owned() };
        self.done(&file, &name, kind, (streamed.bytes, streamed.sha256), Some(entries))
    }

    /// The `ConfigMap` the pods have their variables from. The passwords are not in it, but in Secrets.
    async fn environment(&mut self) -> Result<(), Failure> {
        const NAME: &str = "environment.json";
        let path = format!("/api/v1/namespaces/{NAMESPACE}/configmaps/{RELEASE}-env");
        let found: Option<ConfigMap> = request::get(&self.context.api().await?, &path).await?;
        let data = found.and_then(|map| map.data);
        let data =
            data.ok_or_else(|| Failure::failed(format!("there is no ConfigMap {RELEASE}-env in {NAMESPACE}")))?;
        let mut file = Hashing::new(self.create(NAME)?);
        serde_json::to_writer_pretty(&mut file, &data).map_err(|error| Failure::failed(error.to_string()))?;
        let (file, bytes, sum) = file.end();
        self.done(&file, NAME, Kind::Environment, (bytes, sum), None)
    }

    fn secrets(&mut self, set: &SecretSet, recipients: &[Recipient]) -> Result<(), Failure> {
        const NAME: &str = "secrets.json.age";
        let mut plain: BTreeMap<&str, BTreeMap<&str, &str>> = BTreeMap::new();
        for (secret, key, value) in set.iter() {
            plain.entry(secret).or_default().insert(key, value.expose_secret());
        }
        // What is encrypted for others can hold the key of the sealed Secrets in Git, which is on this machine alone.
        let key = if self.options.recipients.is_empty() { None } else { self.key()? };
        if !self.options.recipients.is_empty() && key.is_none() {
            let path = seal::key_file(&self.context.state, &self.context.inventory.cluster.name);
            let note = format!(
                "age.key, which opens the Secrets in the Git repository, is not in it, since this machine has no {}: see to it that \
                 there is a copy of it elsewhere",
                path.display()
            );
            self.notes.push(note);
        }
        let plain = json!({ "secrets": plain, "age_key": key.as_ref().map(|key| key.as_str()) });
        let plain = Zeroizing::new(plain.to_string());
        let file = Hashing::new(self.create(NAME)?);
        let failed = |error: io::Error| Failure::failed(format!("the Secrets could not be encrypted: {error}"));
        let mut sealed = sealing(recipients, file)?;
        sealed.write_all(plain.as_bytes()).map_err(failed)?;
        let (file, bytes, sum) = sealed.finish().map_err(failed)?.end();
        self.done(&file, NAME, Kind::Secrets, (bytes, sum), None)
    }

    fn key(&self) -> Result<Option<Zeroizing<String>>, Failure> {
        let path = seal::key_file(&self.context.state, &self.context.inventory.cluster.name);
        match std::fs::read_to_string(&path) {
            Ok(text) => Ok(Some(Zeroizing::new(text))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Failure::failed(format!("cannot read {}: {error}", path.display()))),
        }
    }

    /// The data store as `MicroK8s` backs it up (canonical/microk8s `scripts/wrappers/dbctl.py`), through a folder on the node
    /// that is gone afterwards.
    async fn data_store(&mut self, recipients: &[Recipient]) -> Result<(), Failure> {
        const NAME: &str = "datastore.tar.gz.age";
        const WHAT: &str = "the backup of the cluster's data store";
        let file = sealing(recipients, Hashing::new(self.create(NAME)?))?;
        let argv = ["sh", "-c", SCRIPT].map(str::to_owned);
        let (file, streamed) = pull(self.context, &self.node, WHAT, &argv, "", file, &[0]).await?;
        if streamed.said.iter().any(|line| line == AS_FILES) {
            self.notes.push(format!("{NAME}: {}", as_files(&self.node)));
        }
        let (file, bytes, sum) = file.finish().map_err(|error| Failure::failed(format!("{WHAT}: {error}")))?.end();
        self.done(&file, NAME, Kind::DataStore, (bytes, sum), None)
    }
}

fn sealing<W: Write>(recipients: &[Recipient], to: W) -> Result<age::stream::StreamWriter<W>, Failure> {
    let problem = |reason: String| {
        Failure::failed(format!(
            "age cannot encrypt for {recipients:?}: {reason}",
            recipients = recipients.iter().map(ToString::to_string).collect::<Vec<_>>()
        ))
    };
    let all = recipients.iter().map(|recipient| recipient as &dyn age::Recipient);
    let encryptor = age::Encryptor::with_recipients(all).map_err(|error| problem(error.to_string()))?;
    encryptor.wrap_output(to).map_err(|error| problem(error.to_string()))
}

/// What the dump's transaction told of the database.
fn counted(streamed: &Streamed) -> Result<Database, Failure> {
    let mut database = Database::default();
    for line in &streamed.said {
        match line.split('|').collect::<Vec<_>>().as_slice() {
            ["rows", table, count] => {
                database.rows.extend(count.parse().ok().map(|count| ((*table).to_owned(), count)));
            }
            ["server", version] => database.server = version.parse().unwrap_or_default(),
            ["schema", version] => (*version).clone_into(&mut database.schema),
            ["bytes", size] => database.bytes = size.parse().ok(),
            _ => {}
        }
    }
    if database.rows.len() == pod::TABLES.len() && database.server > 0 && !database.schema.is_empty() {
        return Ok(database);
    }
    let output = streamed.said.clone();
    Err(Failure::Failed { reason: "the database was dumped, but its rows could not be counted".to_owned(), output })
}

/// The number of files in an archive that was just written. It takes minutes where there are many, and other tasks, which keep
/// the lock, go on meanwhile.
async fn read_back(path: &Path, what: &str) -> Result<u64, Failure> {
    let own = path.to_owned();
    let read = tokio::task::spawn_blocking(move || entries(BufReader::new(File::open(own)?))).await;
    let problem = |error: &dyn std::fmt::Display| Failure::failed(format!("{what} cannot be read back: {error}"));
    read.map_err(|error| problem(&error))?.map_err(|error| problem(&error))
}

/// The number of files in an archive, all of it read.
pub(super) fn entries(archive: impl Read) -> io::Result<u64> {
    let mut archive = tar::Archive::new(archive);
    let mut count = 0;
    for entry in archive.entries()? {
        let mut entry = entry?;
        count += u64::from(entry.header().entry_type().is_file());
        io::copy(&mut entry, &mut io::sink())?;
    }
    Ok(count)
}

//! The beginning: the backup is whole, it fits, and its Secrets are those of the cluster.

use std::io::Read as _;

use secrecy::zeroize::Zeroizing;

use super::{Scene, data, space, write};
use crate::backup::manifest::elsewhere;
use crate::backup::{Kind, Manifest};
use crate::engine::event::Event;
use crate::facts::restore::Journal;
use crate::inventory::model::{Postgresql, Redis, S3};
use crate::kube::mastodon::secrets as in_cluster;
use crate::mastodon::seal;
use crate::mastodon::secrets::{KEYS, MASTODON, SecretSet, fingerprints};
use crate::plan::Verdict;
use crate::steps::{Context, Failure};

impl Scene<'_> {
    pub(super) fn begun(&self) -> Verdict {
        if self.journal.is_some() {
            return Verdict::Holds;
        }
        if self.seen.workload("mastodon-web").is_none() {
            return Verdict::blocked(
                "there is no site in the cluster yet; `homeprov up` makes one, and then this puts the backup into it",
            );
        }
        let name = &self.restore.manifest.name;
        Verdict::differs(if self.restore.rehearsal {
            format!("the backup {name} is to be tried")
        } else {
            format!("the backup {name} is to be put back")
        })
    }
}

fn refused(reason: impl Into<String>) -> Failure {
    Failure::Refused { reason: reason.into() }
}

/// Looks whether the backup can be put back here, and begins the journal. That each of its files is whole was seen before the run
/// began: reading all of it may take longer than any step should.
pub(super) async fn begin(context: &Context) -> Result<(), Failure> {
    let scene = Scene::at_hand(context)?;
    let (restore, wanted) = (scene.restore, scene.wanted);
    if let Postgresql::External { host, .. } = &wanted.postgresql {
        return Err(refused(format!(
            "the database is outside of the cluster ({host}): put its dump back where it runs, with pg_restore"
        )));
    }
    let manifest = &restore.manifest;
    if manifest.site.local_domain != wanted.local_domain {
        return Err(refused(format!(
            "the backup is of {}, and the site here is {}: accounts, and what other servers know of them, are bound to their domain",
            manifest.site.local_domain, wanted.local_domain
        )));
    }
    if version(&manifest.site.image) > version(&wanted.image) {
        return Err(refused(format!(
            "the backup is of Mastodon {}, and {} here is older: it cannot read a newer schema. Write image = \"{}\" under [mastodon] \
             in the inventory and run `homeprov up` first",
            manifest.site.image, wanted.image, manifest.site.image
        )));
    }
    match media(manifest, wanted.s3.as_ref()) {
        Media::Fit => {}
        Media::Other(message) => _ = context.events.send(Event::Warning { node: None, message }),
        Media::Unfit(reason) => return Err(refused(reason)),
    }
    data::refuse_newer(context).await?;
    if restore.rehearsal {
        room_to_rehearse(&scene)?;
    }
    space::refuse_without(context).await?;
    secrets(context, &scene).await?;
    // The replicas that another restore, which did not end, found before it are those of the site.
    let before = context.facts.journal_of(restore.record()).filter(|journal| !journal.ended);
    let journal = Journal {
        id: restore.id.clone(),
        backup: manifest.name.clone(),
        replicas: before.map(|before| before.replicas).unwrap_or_default(),
        ..Journal::default()
    };
    write(context, &journal).await
}

/// How the users' files of a backup fit the site's.
#[derive(Debug, PartialEq, Eq)]
enum Media {
    /// They are in the backup and on the site's volume, or in the bucket of both.
    Fit,
    /// They are in another bucket: why that may be well or not.
    Other(String),
    /// They would be lost, or not be put back: why.
    Unfit(String),
}

fn media(manifest: &Manifest, s3: Option<&S3>) -> Media {
    match (&manifest.media_elsewhere, s3.map(elsewhere)) {
        (Some(there), Some(here)) if *there != here => Media::Other(format!(
            "the users' files were in the {there} when the backup was made, and the inventory has the {here}: what is not in there is missing"
        )),
        (Some(there), None) => Media::Unfit(format!(
            "the users' files of the backup are in the {there} and not in it, and the site here keeps them on a volume, as the inventory has \
             no [mastodon.s3]: those on the volume would be put away for nothing. Write that bucket under [mastodon.s3] and run \
             `homeprov up` first"
        )),
        (None, Some(here)) if manifest.archives().next().is_some() => Media::Unfit(format!(
            "the users' files are in the backup, and the site here keeps them in the {here} of [mastodon.s3], where homeprov puts none. Take \
             [mastodon.s3] out of the inventory, run `homeprov up`, restore, and move to the bucket after that"
        )),
        _ => Media::Fit,
    }
}

/// The numbers of a version: `v4.6.3`.
fn version(image: &str) -> Vec<u32> {
    let numbers = image.trim_start_matches('v').split(['.', '-', '+', '@']);
    numbers.map_while(|number| number.parse().ok()).collect()
}

/// Mastodon's own keys have to be those the rows were encrypted with; the databases' passwords are those of the databases
/// that are there, and stay.
async fn secrets(context: &Context, scene: &Scene<'_>) -> Result<(), Failure> {
    let client = context.api().await?;
    let present = in_cluster::read(&client).await?;
    let Some(set) = with_keys(context, scene, &present)? else { return Ok(()) };
    if scene.restore.rehearsal {
        context.say(
            "Mastodon's keys in the cluster are not those of the backup, which has them; a restore would put them back",
        );
        return Ok(());
    }
    context.say("Mastodon's keys in the cluster are not those of the backup; they are put back from it");
    in_cluster::write(&client, &set, &present).await?;
    Ok(())
}

/// The Secrets with the keys of the backup; none when they are these already.
pub(super) fn with_keys(
    context: &Context,
    scene: &Scene<'_>,
    present: &SecretSet,
) -> Result<Option<SecretSet>, Failure> {
    let wanted = scene.restore.manifest.secrets.get(MASTODON);
    if fingerprints(scene.wanted, present).get(MASTODON) == wanted {
        return Ok(None);
    }
    let saved = unsealed(context, scene)?;
    let mut set = present.clone();
    for key in KEYS {
        let value =
            saved.get(MASTODON, key).ok_or_else(|| refused(format!("the backup's Secrets lack {MASTODON}/{key}")))?;
        set.insert(MASTODON, key, value.clone());
    }
    if fingerprints(scene.wanted, &set).get(MASTODON) != wanted {
        return Err(refused("the backup's Secrets are not those its manifest tells of"));
    }
    Ok(Some(set))
}

/// What a rehearsal would reach that is not its own.
fn room_to_rehearse(scene: &Scene<'_>) -> Result<(), Failure> {
    match &scene.wanted.redis {
        Redis::External { host, port, .. } => Err(refused(format!(
            "Redis is outside of the cluster ({host}:{port}), and a rehearsal would work in the one the site uses: rehearse with a copy of \
             the inventory in a cluster of its own"
        ))),
        Redis::Bundled { .. } => Ok(()),
    }
}

fn unsealed(context: &Context, scene: &Scene<'_>) -> Result<SecretSet, Failure> {
    let restore = scene.restore;
    let Some(part) = restore.manifest.part(&Kind::Secrets) else {
        return Err(refused("the backup has no Secrets, and the cluster has others than those it was made with"));
    };
    let known = seal::key_file(&context.state, &context.inventory.cluster.name);
    let file = restore.identity.clone().unwrap_or(known);
    let way_out = |why: &str| {
        refused(format!(
            "the backup's Secrets are encrypted for {}, and {}: {why}. Name the file with the right key with --age-identity FILE",
            restore.manifest.sealed_for.join(", "),
            file.display()
        ))
    };
    let text = Zeroizing::new(std::fs::read_to_string(&file).map_err(|error| way_out(&error.to_string()))?);
    let key = text.lines().find(|line| !line.is_empty() && !line.starts_with('#')).unwrap_or_default();
    let identity: age::x25519::Identity = key.parse().map_err(|why: &str| way_out(why))?;
    let sealed = std::fs::File::open(restore.folder.join(&part.name)).map_err(|error| refused(error.to_string()))?;
    let decryptor = age::Decryptor::new(sealed).map_err(|error| way_out(&error.to_string()))?;
    let mut reader = decryptor
        .decrypt(std::iter::once(&identity as &dyn age::Identity))
        .map_err(|error| way_out(&error.to_string()))?;
    let mut plain = Zeroizing::new(String::new());
    reader.read_to_string(&mut plain).map_err(|error| way_out(&error.to_string()))?;
    let read: Saved = serde_json::from_str(&plain).map_err(|_| refused("the backup's Secrets cannot be read"))?;
    let mut set = SecretSet::default();
    for (secret, keys) in read.secrets {
        for (key, value) in keys {
            set.insert(&secret, key, value.into());
        }
    }
    Ok(set)
}

/// What the encrypted file holds, as [`crate::backup::save`] writes it.
#[derive(serde::Deserialize)]
struct Saved {
    secrets: std::collections::BTreeMap<String, std::collections::BTreeMap<String, String>>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backup::Part;
    use crate::backup::manifest::fixture;

    #[test]
    fn files_in_a_bucket_and_files_on_a_volume_do_not_fit() {
        let bucket = |name: &str| S3 {
            bucket: name.into(),
            endpoint: "https://s3.example".into(),
            hostname: "s3.example".into(),
            region: None,
            access_key_file: "id".into(),
            secret_key_file: "key".into(),
            alias_host: None,
            permission: None,
            multipart_threshold: None,
            override_path_style: None,
            signature: None,
            single_request: false,
        };
        let plain = fixture("2026-11-21T0300Z", jiff::Timestamp::UNIX_EPOCH);
        let elsewhere = Manifest { media_elsewhere: Some("bucket old at https://s3.example".into()), ..plain.clone() };
        let kind = Kind::Files { folder: "accounts".into() };
        let part = Part { name: "files-accounts.tar".into(), kind, bytes: 1, sha256: "00".into(), entries: Some(1) };
        let inside = Manifest { files: vec![part], ..plain.clone() };
        assert_eq!(media(&inside, None), Media::Fit);
        assert_eq!(media(&elsewhere, Some(&bucket("old"))), Media::Fit);
        // A site that nobody had put a file into.
        assert_eq!(media(&plain, Some(&bucket("old"))), Media::Fit);
        let Media::Unfit(why) = media(&elsewhere, None) else { panic!("they would be put away") };
        assert!(why.contains("bucket old at https://s3.example") && why.contains("no [mastodon.s3]"), "{why}");
        let Media::Unfit(why) = media(&inside, Some(&bucket("old"))) else { panic!("they would be left out") };
        assert!(why.contains("bucket old at https://s3.example of [mastodon.s3]"), "{why}");
        assert!(matches!(media(&elsewhere, Some(&bucket("new"))), Media::Other(_)));
    }

    #[test]
    fn versions_are_compared_by_their_numbers() {
        assert!(version("v4.10.0") > version("v4.6.3"));
        assert!(version("v4.6.3") == version("4.6.3"));
        assert!(version("v4.6.3-rc.1") <= version("v4.6.3"));
    }
}

//! Mastodon's Secrets are there: made once, put back from Git where they got lost, and never changed.

use std::collections::BTreeMap;

use async_trait::async_trait;
use secrecy::ExposeSecret;

use super::{at_hand, both};
use crate::facts::Facts;
use crate::gitops::render::sealed_path;
use crate::inventory::model::{Inventory, Mastodon};
use crate::kube::mastodon::secrets;
use crate::mastodon::seal::{self, SealError};
use crate::mastodon::secrets::{SecretSet, SecretsError, from_files, generate, generated};
use crate::plan::{Place, Verdict};
use crate::steps::{Context, Failure, RustStep};

/// All keys are there, and the user's own passwords are those of the user's files.
pub struct MastodonSecrets;

#[async_trait]
impl RustStep for MastodonSecrets {
    fn check(&self, inventory: &Inventory, facts: &Facts, _: &Place) -> Verdict {
        let seen = match both(inventory, facts) {
            Ok((_, _, seen)) => seen,
            Err(verdict) => return verdict,
        };
        if !seen.namespace {
            return Verdict::unknown("mastodon-namespace");
        }
        let secrets = &seen.secrets;
        match (&secrets.problem, secrets.missing.is_empty(), secrets.outdated.is_empty()) {
            // Whether Git has what is lost is for applying to find out: it takes the key on this machine.
            (Some(problem), ..) => Verdict::differs(problem.clone()),
            (None, false, _) => Verdict::differs(format!("not there yet: {}", listed(&secrets.missing))),
            (None, true, false) => {
                Verdict::differs(format!("not as the user's own files say: {}", secrets.outdated.join(", ")))
            }
            (None, true, true) => Verdict::Holds,
        }
    }

    async fn apply(&self, context: &Context) -> Result<(), Failure> {
        let (wanted, _, seen) = at_hand(context)?;
        let client = context.api().await?;
        let present = secrets::read(&client).await?;
        let given = from_files(wanted).map_err(|error| refused(&error))?;
        let kept = if lacking(wanted, &present).is_empty() {
            present.clone()
        } else {
            match from_git(context, wanted)? {
                Some(sealed) => put_back(context, wanted, &present, &sealed)?,
                None if seen.database.is_some() && present.is_empty() => return Err(orphaned()),
                None => present.clone(),
            }
        };
        let set = generate(wanted, &kept, &given).map_err(|error| refused(&error))?;
        for name in secrets::write(&client, &set, &present).await? {
            context.say(format!("Secret {name} was written"));
        }
        Ok(())
    }
}

/// The keys by name; of many each Secret with their number.
fn listed(missing: &[String]) -> String {
    if missing.len() <= 3 {
        return missing.join(", ");
    }
    let mut secrets: BTreeMap<&str, u32> = BTreeMap::new();
    for key in missing {
        *secrets.entry(key.split('/').next().unwrap_or(key)).or_default() += 1;
    }
    let told = secrets.into_iter().map(|(secret, keys)| match keys {
        1 => format!("{secret} (1 key)"),
        keys => format!("{secret} ({keys} keys)"),
    });
    told.collect::<Vec<_>>().join(", ")
}

fn refused(error: &SecretsError) -> Failure {
    Failure::Refused { reason: error.to_string() }
}

fn orphaned() -> Failure {
    Failure::Refused {
        reason: "the database's volume is there, but neither the cluster nor Git has the Secrets it was made with: new ones \
                 would not open it. Put them back from a backup; or, if nothing of it is needed, remove the claim \
                 data-mastodon-postgresql-0 from the namespace mastodon"
            .to_owned(),
    }
}

/// What homeprov makes that is not there.
fn lacking(wanted: &Mastodon, present: &SecretSet) -> Vec<String> {
    let lacking = |(secret, keys): (&str, Vec<&str>)| {
        present.missing(secret, &keys).into_iter().map(move |key| format!("{secret}/{key}")).collect::<Vec<_>>()
    };
    generated(wanted).into_iter().flat_map(lacking).collect()
}

/// The Secrets as Git has them, sealed; none when Git has none.
fn from_git(context: &Context, wanted: &Mastodon) -> Result<Option<SecretSet>, Failure> {
    let Some(repository) = &context.facts.repository else {
        return Err(Failure::Busy { reason: "the repository was not read yet, and may have the Secrets".to_owned() });
    };
    if let Some(problem) = &repository.problem {
        // Made anew now, they would be others than those in Git.
        let reason = format!("the repository, which may have the Secrets, cannot be read: {}", problem.reason);
        return Err(if problem.passing { Failure::Busy { reason } } else { Failure::failed(reason) });
    }
    let path = sealed_path(&wanted.path);
    let Some(text) = repository.files.get(&path) else { return Ok(None) };
    let cluster = &context.inventory.cluster.name;
    let key = seal::key_file(&context.state, cluster);
    let way_out = |why: String| Failure::Refused {
        reason: format!(
            "the cluster lacks Secrets that Git has in {path}, and {why}. Put the key back from a backup as {}; or, if nothing of \
             that site is needed any more, remove the file from the repository",
            key.display()
        ),
    };
    match seal::identity(&context.state, cluster) {
        Ok(Some(identity)) => seal::unseal(text, &identity).map(Some).map_err(|error| way_out(error.to_string())),
        Ok(None) => Err(way_out("the key they are sealed for is not on this machine".to_owned())),
        Err(error @ SealError::Key { .. }) => Err(way_out(error.to_string())),
        Err(error) => Err(Failure::failed(error.to_string())),
    }
}

/// What is there, and from Git what is not. Where both have a key they must have the same value: else Git's are those of
/// another site, or older, and do not belong to the rest.
fn put_back(
    context: &Context,
    wanted: &Mastodon,
    present: &SecretSet,
    sealed: &SecretSet,
) -> Result<SecretSet, Failure> {
    let mut set = present.clone();
    for (secret, keys) in generated(wanted) {
        for key in keys {
            match (present.get(secret, key).map(ExposeSecret::expose_secret), sealed.get(secret, key)) {
                (Some(is), Some(was)) if !is.is_empty() && is != was.expose_secret() => {
                    return Err(Failure::Refused {
                        reason: format!(
                            "the cluster lacks {}, and Git's sealed Secrets are not those of this cluster: {secret}/{key} differs. \
                             Put the right ones back from a backup",
                            lacking(wanted, present).join(", ")
                        ),
                    });
                }
                (None | Some(""), Some(was)) => {
                    context.say(format!("{secret}/{key} is put back from Git"));
                    set.insert(secret, key, was.clone());
                }
                _ => {}
            }
        }
    }
    Ok(set)
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{facts, inventory, with};
    use super::*;

    fn check(facts: &Facts) -> Verdict {
        MastodonSecrets.check(&inventory(), facts, &Place::Cluster)
    }

    #[test]
    fn holds_when_nothing_is_missing_or_other() {
        assert_eq!(check(&facts()), Verdict::Holds);
        assert_eq!(check(&with(|seen| seen.namespace = false)), Verdict::unknown("mastodon-namespace"));
        let missing = check(&with(|seen| seen.secrets.missing = vec!["mastodon-redis/redis-password".into()]));
        assert_eq!(missing, Verdict::differs("not there yet: mastodon-redis/redis-password"));
        let keys = ["mastodon-redis/redis-password", "mastodon-secrets/A", "mastodon-secrets/B", "mastodon-secrets/C"];
        let many = check(&with(|seen| seen.secrets.missing = keys.map(str::to_owned).into()));
        assert_eq!(many, Verdict::differs("not there yet: mastodon-redis (1 key), mastodon-secrets (3 keys)"));
        let other = check(&with(|seen| seen.secrets.outdated = vec!["mastodon-smtp/password".into()]));
        assert_eq!(other, Verdict::differs("not as the user's own files say: mastodon-smtp/password"));
    }
}

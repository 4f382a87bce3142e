//! The cluster can read the repository, and only that.

use async_trait::async_trait;

use super::super::{Context, Failure, RustStep};
use super::{flux, held_up, repository};
use crate::facts::flux::FLUX;
use crate::facts::{Facts, repository::folder};
use crate::gitops::cause::Kind;
use crate::gitops::{access, key, remote};
use crate::inventory::model::{Flux, Inventory};
use crate::plan::{Place, Verdict};

/// What the cluster is given reads the repository: a deploy key, a password, or nothing for a public one.
pub struct DeployKey;

/// Whether the cluster has a key of its own that the inventory does not replace: in the Secret `flux-system`, or in another
/// one that whoever installed Flux has named (`flux bootstrap git --secret-name`).
pub(super) fn kept(wanted: &Flux, facts: &Facts) -> bool {
    let Some(flux) = flux(facts) else { return false };
    let elsewhere = flux.source().and_then(|source| source.secret.as_deref()).is_some_and(|name| name != FLUX);
    let own = wanted.over_ssh() && wanted.deploy_key.is_none();
    elsewhere || own && flux.secret.as_ref().is_some_and(|secret| secret.key)
}

/// What to do with a key that does not read yet; none when it does, when nothing was tried, or when no key would help.
pub(super) fn to_add(inventory: &Inventory, facts: &Facts) -> Option<String> {
    let (wanted, seen) = repository(inventory, facts)?;
    let access = seen.access.as_ref().filter(|_| !kept(wanted, facts))?;
    let public = access.public.as_ref()?;
    let problem = access.reads.as_ref().err()?;
    // Where not even the user sees the repository, it is not for the want of a key.
    let own = seen.problem.as_ref().is_some_and(|own| !own.passing);
    (matches!(problem.kind, Kind::Denied | Kind::Absent) && !own).then(|| {
        format!(
            "the cluster's key may not read {} yet. Add this public key {}:\n{public}\n`up` looks again every few seconds and \
             goes on by itself; after the step's limit it ends, and the same command goes on from there",
            wanted.repository,
            place(&wanted.repository)
        )
    })
}

/// Where the servers take deploy keys.
fn place(repository: &str) -> String {
    let path = remote::path(repository);
    let path = path.strip_suffix(".git").unwrap_or(path);
    match remote::bare_host(repository) {
        "github.com" | "ssh.github.com" => {
            format!("at https://github.com/{path}/settings/keys/new, with \"Allow write access\" off")
        }
        "gitlab.com" | "altssh.gitlab.com" => {
            format!("at https://gitlab.com/{path}/-/settings/repository, under Deploy keys, without write permissions")
        }
        "codeberg.org" => format!("at https://codeberg.org/{path}/settings/keys, without write access"),
        host if host.contains("gitlab") => {
            "in the project's Settings → Repository → Deploy keys, without write permissions".to_owned()
        }
        _ => {
            "as a deploy key that only reads: Settings → Deploy keys of the repository on Gitea and Forgejo, a line in \
              `~/.ssh/authorized_keys` of the login on a plain SSH server"
                .to_owned()
        }
    }
}

#[async_trait]
impl RustStep for DeployKey {
    fn check(&self, inventory: &Inventory, facts: &Facts, _: &Place) -> Verdict {
        let Some((wanted, seen)) = repository(inventory, facts) else { return Verdict::Holds };
        if kept(wanted, facts) {
            return Verdict::Holds;
        }
        if let Some(problem) = &seen.access_problem {
            return held_up(problem);
        }
        let Some(access) = &seen.access else {
            return Verdict::differs("a key pair is made for the cluster, and its public half shown");
        };
        let Err(problem) = &access.reads else { return Verdict::Holds };
        // A key is waited for: whoever adds it goes on without another command.
        let own = seen.problem.as_ref().filter(|own| !own.passing);
        to_add(inventory, facts).map_or_else(|| held_up(own.unwrap_or(problem)), Verdict::settling)
    }

    async fn apply(&self, context: &Context) -> Result<(), Failure> {
        let inventory = &context.inventory;
        let Some(wanted) = &inventory.flux else { return Ok(()) };
        let folder = folder(&context.state, inventory);
        key::make(&folder, &inventory.cluster.name)
            .await
            .map_err(|error| Failure::failed(format!("cannot make a key for the cluster: {error}")))?;
        if let Ok(Some(material)) = access::material(inventory, wanted, &folder).await {
            material.public.iter().for_each(|public| context.say(public.as_str()));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{facts, inventory, with_repository};
    use super::*;
    use crate::facts::Facts;
    use crate::gitops::cause::Problem;

    fn check(facts: &Facts) -> Verdict {
        DeployKey.check(&inventory(), facts, &Place::Cluster)
    }

    fn fresh(change: impl FnOnce(&mut crate::facts::RepositoryFacts)) -> Facts {
        let mut facts = with_repository(change);
        facts.cluster.as_mut().unwrap().flux = None;
        facts
    }

    #[test]
    fn a_key_is_made_then_shown_until_it_reads() {
        assert!(matches!(check(&fresh(|seen| seen.access = None)), Verdict::Differs { .. }));
        let denied = fresh(|seen| {
            let denied = Problem::lasting("git says: git@x: Permission denied (publickey).");
            let problem = Problem { kind: Kind::Denied, ..denied };
            seen.access.as_mut().unwrap().reads = Err(problem);
        });
        let Verdict::Settling { why } = check(&denied) else { panic!("{:?}", check(&denied)) };
        assert!(why.contains("\nssh-ed25519 AAAA flux of home\n") && why.contains("that only reads"), "{why}");
        assert_eq!(check(&fresh(|_| ())), Verdict::Holds);
        let absent = fresh(|seen| {
            let absent = Problem { kind: Kind::Absent, ..Problem::lasting("git says: Repository not found") };
            seen.access.as_mut().unwrap().reads = Err(absent.clone());
            seen.problem = Some(absent);
        });
        assert_eq!(check(&absent), Verdict::blocked("git says: Repository not found"));
    }

    #[test]
    fn the_page_for_keys_is_named_where_it_is_known() {
        for (repository, wanted) in [
            ("ssh://git@github.com/alice/home.git", "https://github.com/alice/home/settings/keys/new"),
            ("ssh://git@gitlab.com/alice/sub/home", "https://gitlab.com/alice/sub/home/-/settings/repository"),
            ("ssh://git@git.example.org:2222/home", "authorized_keys"),
        ] {
            assert!(place(repository).contains(wanted), "{}", place(repository));
        }
    }

    #[test]
    fn a_server_that_is_down_is_waited_for() {
        let down = fresh(|seen| {
            let problem = Problem { passing: true, ..Problem::lasting("git says: Connection refused") };
            seen.access.as_mut().unwrap().reads = Err(problem);
        });
        assert!(matches!(check(&down), Verdict::Settling { .. }));
    }

    #[test]
    fn the_clusters_own_key_is_kept() {
        let mut facts = facts();
        facts.repository.as_mut().unwrap().access = None;
        assert_eq!(check(&facts), Verdict::Holds);
        let flux = facts.cluster.as_mut().unwrap().flux.as_mut().unwrap();
        flux.secret = None;
        assert!(matches!(check(&facts), Verdict::Differs { .. }));
        // Bootstrapped with a Secret of another name.
        let flux = facts.cluster.as_mut().unwrap().flux.as_mut().unwrap();
        flux.sources.get_mut("flux-system/flux-system").unwrap().secret = Some("git-key".into());
        assert_eq!(check(&facts), Verdict::Holds);
    }
}

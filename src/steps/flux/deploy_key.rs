//! The cluster can read the repository, and only that.

use async_trait::async_trait;

use super::super::{Context, Failure, RustStep};
use super::{flux, held_up, repository};
use crate::facts::{Facts, repository::folder};
use crate::gitops::cause::Kind;
use crate::gitops::{access, key, remote};
use crate::inventory::model::{Flux, Inventory};
use crate::plan::{Place, Verdict};

/// What the cluster is given reads the repository: a deploy key, a password, or nothing for a public one.
pub struct DeployKey;

/// Whether the cluster has a key of its own that the inventory does not replace.
pub(super) fn kept(wanted: &Flux, facts: &Facts) -> bool {
    let secret = flux(facts).and_then(|flux| flux.secret.as_ref());
    wanted.over_ssh() && wanted.deploy_key.is_none() && secret.is_some_and(|secret| secret.key)
}

/// What to do with a key that does not read yet.
fn add(wanted: &Flux, public: &str, said: &str) -> Verdict {
    let host = remote::bare_host(&wanted.repository);
    let place = match host {
        "github.com" => "the repository's Settings → Deploy keys; leave \"Allow write access\" off",
        host if host.contains("gitlab") => {
            "the repository's Settings → Repository → Deploy keys; without write permissions"
        }
        _ => "the repository's settings as a deploy key (Gitea, Forgejo: Settings → Deploy keys), read-only",
    };
    Verdict::blocked(format!(
        "the cluster's key may not read the repository yet. Add it in {place}, then run the same command again:\n{public}\n{said}"
    ))
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
        match (&access.reads, &access.public) {
            (Ok(()), _) => Verdict::Holds,
            (Err(problem), Some(public)) if matches!(problem.kind, Kind::Denied | Kind::Absent) => {
                add(wanted, public, problem.reason.lines().next().unwrap_or_default())
            }
            (Err(problem), _) => held_up(problem),
        }
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
        let Verdict::Blocked { reason } = check(&denied) else { panic!("{:?}", check(&denied)) };
        assert!(reason.contains("ssh-ed25519 AAAA flux of home") && reason.contains("read-only"), "{reason}");
        assert_eq!(check(&fresh(|_| ())), Verdict::Holds);
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
    }
}

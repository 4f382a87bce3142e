//! What homeprov wants in the repository is in the repository, on the branch, on the server.

use async_trait::async_trait;

use super::super::{Context, Failure, RustStep};
use super::{differences, held_up, newer_release, repository, sealed, sync, would_downgrade};
use crate::facts::{Facts, repository::folder};
use crate::gitops::cause::{self, Kind, Problem};
use crate::gitops::commit::Author;
use crate::gitops::publish::{Found, publish};
use crate::gitops::repository::Repository;
use crate::gitops::{access, wanted};
use crate::inventory::model::Inventory;
use crate::plan::{Place, Verdict};
use crate::steps::mastodon::claims;

/// One commit of all that differs; its text is the diff.
pub struct RepositoryPushed;

#[async_trait]
impl RustStep for RepositoryPushed {
    fn check(&self, inventory: &Inventory, facts: &Facts, _: &Place) -> Verdict {
        let Some((flux, seen)) = repository(inventory, facts) else { return Verdict::Holds };
        if let Some(problem) = seen.problem.as_ref().or(seen.components_problem.as_ref()) {
            return held_up(problem);
        }
        // Flux would try for ever to apply what can never be.
        if let Some(refusal) = claims::refusal(inventory, facts) {
            return refusal;
        }
        let Some(changes) = differences(inventory, facts) else { return Verdict::Holds };
        if !changes.iter().any(wanted::Change::written) {
            return Verdict::Holds;
        }
        // Flux would apply at once what is pushed where it looks.
        if let Some(version) = newer_release(flux, facts) {
            return would_downgrade(flux, version);
        }
        sync::elsewhere(inventory, facts).unwrap_or_else(|| Verdict::differs(wanted::text(&changes)))
    }

    async fn apply(&self, context: &Context) -> Result<(), Failure> {
        let inventory = &*context.inventory;
        let Some((flux, seen)) = repository(inventory, &context.facts) else { return Ok(()) };
        let Some(components) = &seen.components else { return Ok(()) };
        let files = wanted::wanted(inventory, &context.facts);
        let differ = differences(inventory, &context.facts).unwrap_or_default();
        let secrets_differ = differ.iter().any(|change| change.written() && change.text.is_none());
        let sealed = if secrets_differ { sealed::sealed(context).await? } else { None };
        let remote = access::of_user(inventory, flux).await;
        let opened = Repository::open(&folder(&context.state, inventory)).await;
        let copy = opened.map_err(|error| failure(cause::explain(&error, &remote.url, &flux.branch)))?;
        let author = Author { name: flux.author_name.clone(), email: flux.author_email.clone() };
        // Decided anew on top of what is there by now: somebody may have pushed since it was looked at.
        let change = |found: &Found| {
            let changes = wanted::changes(inventory, &files, &found.files, components, seen.overwrite);
            wanted::commit(inventory, &changes, sealed.as_deref())
        };
        let pushed = publish(&copy, &remote, &flux.branch, &wanted::paths(inventory), &author, change).await;
        let head = pushed.map_err(failure)?.unwrap_or_default();
        context.say(format!("{} is at {head}", flux.branch));
        Ok(())
    }
}

/// A server that is down is waited for; what it refuses, it will refuse again.
fn failure(problem: Problem) -> Failure {
    let reason = problem.reason;
    match problem.kind {
        _ if problem.passing => Failure::Busy { reason },
        Kind::Overtaken | Kind::Other => Failure::failed(reason),
        _ => Failure::Refused { reason },
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{facts, inventory, with_repository};
    use super::super::warnings;
    use super::*;

    fn check(facts: &Facts) -> Verdict {
        RepositoryPushed.check(&inventory(), facts, &Place::Cluster)
    }

    fn text(facts: &Facts) -> String {
        match check(facts) {
            Verdict::Differs { why } => why,
            other => panic!("{other:?}"),
        }
    }

    const SYNC: &str = "clusters/home/flux-system/gotk-sync.yaml";

    #[test]
    fn a_new_repository_is_shown_whole() {
        let empty = with_repository(|seen| {
            seen.files.clear();
            seen.head = None;
        });
        insta::assert_snapshot!(text(&empty));
    }

    #[test]
    fn a_change_is_shown_as_a_diff() {
        let mut changed = inventory();
        changed.flux.as_mut().unwrap().branch = "trunk".into();
        let mut facts = facts();
        facts.cluster.as_mut().unwrap().flux = None;
        let Verdict::Differs { why } = RepositoryPushed.check(&changed, &facts, &Place::Cluster) else { panic!() };
        assert!(why.starts_with("1 file to change\n--- a/clusters/home/flux-system/gotk-sync.yaml\n+++ b/"), "{why}");
        assert!(why.contains("\n-    branch: main\n+    branch: trunk\n"), "{why}");
    }

    #[test]
    fn what_a_person_edited_is_left_alone_and_told() {
        let edited = |overwrite| {
            with_repository(|seen| {
                let text = seen.files[SYNC].replace("interval: 1m", "interval: 5m");
                seen.files.insert(SYNC.into(), text);
                seen.overwrite = overwrite;
            })
        };
        assert_eq!(check(&edited(false)), Verdict::Holds);
        let told = warnings(&inventory(), &edited(false));
        assert_eq!(told.len(), 1);
        assert!(
            told[0].contains("edited by hand") && told[0].contains("-  interval: 5m\n+  interval: 1m"),
            "{}",
            told[0]
        );
        assert!(text(&edited(true)).contains("-  interval: 5m\n+  interval: 1m"));
        assert!(warnings(&inventory(), &edited(true)).is_empty());
    }

    #[test]
    fn what_flux_bootstrap_has_written_is_left_alone() {
        let theirs = with_repository(|seen| {
            let text = "# This manifest was generated by flux. DO NOT EDIT.\n---\nkind: GitRepository\n";
            seen.files.insert(SYNC.into(), text.into());
        });
        assert_eq!(check(&theirs), Verdict::Holds);
        let told = warnings(&inventory(), &theirs);
        assert!(told[0].contains("gotk-sync.yaml in the repository was there before homeprov"), "{told:?}");
        assert_eq!(told[0].lines().count(), 1, "no diff of what nobody edited");
    }

    #[test]
    fn what_another_cluster_has_there_is_left_alone() {
        let foreign = with_repository(|seen| {
            let text = seen.files[SYNC].replace("# cluster: home", "# cluster: office");
            seen.files.insert(SYNC.into(), text);
            seen.overwrite = true;
        });
        assert_eq!(check(&foreign), Verdict::Holds);
        assert!(warnings(&inventory(), &foreign)[0].contains("belongs to another cluster"));
    }

    #[test]
    fn flux_is_told_nothing_that_takes_its_release_back() {
        let mut facts = with_repository(|seen| seen.files.clear());
        facts.cluster.as_mut().unwrap().flux.as_mut().unwrap().version = Some("2.10.0".into());
        assert!(matches!(check(&facts), Verdict::Blocked { .. }));
    }

    #[test]
    fn a_repository_that_cannot_be_read_is_no_empty_one() {
        let broken = |passing| {
            with_repository(|seen| {
                seen.files.clear();
                seen.problem = Some(Problem { passing, ..Problem::lasting("git says: no") });
            })
        };
        assert_eq!(check(&broken(true)), Verdict::settling("git says: no"));
        assert_eq!(check(&broken(false)), Verdict::blocked("git says: no"));
    }

    #[test]
    fn a_server_that_is_away_is_told_before_it_is_needed() {
        let problem =
            Problem { passing: true, ..Problem::lasting("git says: Connection refused\nLook at the server.") };
        let away = with_repository(|seen| seen.problem = Some(problem));
        let told = warnings(&inventory(), &away);
        assert_eq!(told.len(), 1);
        assert!(told[0].starts_with("the Git repository cannot be read at the moment"), "{}", told[0]);
        assert!(told[0].contains("git says: Connection refused"), "{}", told[0]);
    }

    #[test]
    fn a_key_that_may_write_is_told() {
        let writes = with_repository(|seen| seen.access.as_mut().unwrap().may_write = true);
        assert!(warnings(&inventory(), &writes)[0].starts_with("the cluster's deploy key may push"));
        assert!(warnings(&inventory(), &facts()).is_empty());
    }
}

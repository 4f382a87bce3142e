//! The owner's account is there.
//!
//! Asking Mastodon takes a Rails process of its own, far too long for every look. So there is a record, keyed by the name and
//! by the database it was seen in: the claim's UID, or the external server's place. Another database, as after a restore onto
//! a new volume, is asked again; `homeprov verify app` asks in any case, and takes a record away that is no longer true.

use async_trait::async_trait;

use super::{at_hand, both};
use crate::facts::Facts;
use crate::facts::mastodon::MastodonFacts;
use crate::facts::record::{Record, fingerprint};
use crate::inventory::model::{Inventory, Mastodon, Postgresql};
use crate::kube::records;
use crate::mastodon::owner::{self, Said};
use crate::plan::{Place, Verdict};
use crate::ssh::{Program, Purpose};
use crate::steps::{Context, Failure, RustStep};

/// The record `owner` vouches for this account in this database.
pub struct MastodonOwner;

const RECORD: &str = "owner";
/// In front of the fingerprint while the account is being made: if that is cut off, nobody has seen its password.
const BEGUN: &str = "begun:";

fn vouches_for(wanted: &Mastodon, seen: &MastodonFacts) -> Option<String> {
    let database = match &wanted.postgresql {
        Postgresql::Bundled { .. } => seen.database.clone()?,
        Postgresql::External { host, port, database, .. } => format!("{host}:{port}/{database}"),
    };
    Some(fingerprint([wanted.admin.username.as_str(), &database]))
}

/// The record of the account, when it is of this database.
pub fn valid_record<'a>(inventory: &'a Inventory, facts: &'a Facts) -> Option<&'a Record> {
    let (wanted, cluster, seen) = both(inventory, facts).ok()?;
    let record = cluster.records.get(RECORD)?;
    (Some(&record.fingerprint) == vouches_for(wanted, seen).as_ref()).then_some(record)
}

#[async_trait]
impl RustStep for MastodonOwner {
    fn check(&self, inventory: &Inventory, facts: &Facts, _: &Place) -> Verdict {
        let (wanted, cluster, seen) = match both(inventory, facts) {
            Ok(both) => both,
            Err(verdict) => return verdict,
        };
        if valid_record(inventory, facts).is_some() {
            return Verdict::Holds;
        }
        if vouches_for(wanted, seen).is_none() || seen.web_pod.is_none() {
            return Verdict::unknown("mastodon-running");
        }
        let name = &wanted.admin.username;
        Verdict::differs(match cluster.records.get(RECORD) {
            Some(record) if record.fingerprint.starts_with(BEGUN) => {
                format!("making the account {name} was cut off, and nobody saw its password")
            }
            Some(_) => format!("the account {name} was not looked for in this database"),
            None => format!("the account {name} was not made yet"),
        })
    }

    async fn apply(&self, context: &Context) -> Result<(), Failure> {
        let (wanted, cluster, seen) = at_hand(context)?;
        let pod = seen.web_pod.as_deref().ok_or_else(|| Failure::failed("no web pod is ready"))?;
        let admin = &wanted.admin;
        let vouches_for = vouches_for(wanted, seen).ok_or_else(|| Failure::failed("there is no database yet"))?;
        let begun = format!("{BEGUN}{vouches_for}");
        let cut_off = cluster.records.get(RECORD).is_some_and(|record| record.fingerprint == begun);
        let mut what = "it was there";
        match tootctl(context, owner::promote(pod, admin)).await? {
            Said::Done(_) if !cut_off => {}
            Said::Done(_) => {
                set_password(context, owner::reset(pod, admin)).await?;
                what = "it was made";
            }
            Said::Absent => {
                write(context, begun, &format!("the account {} is being made", admin.username)).await?;
                set_password(context, owner::create(pod, admin)).await?;
                what = "it was made";
            }
            Said::Other(text) => return Err(refused(&text)),
        }
        let evidence = format!("the account {} is an owner; {what}", admin.username);
        context.say(&evidence);
        write(context, vouches_for, &evidence).await
    }
}

async fn write(context: &Context, fingerprint: String, evidence: &str) -> Result<(), Failure> {
    let at = jiff::Timestamp::now();
    let record = Record { fingerprint, at, evidence: vec![evidence.to_owned()], not_tried: vec![] };
    Ok(records::write(&context.api().await?, RECORD, &record).await?)
}

/// Runs what prints a password, and keeps it for the end of the run.
async fn set_password(context: &Context, argv: Vec<String>) -> Result<(), Failure> {
    let name = context.inventory.mastodon.as_ref().map_or("", |wanted| wanted.admin.username.as_str());
    match tootctl(context, argv).await? {
        Said::Done(Some(password)) => {
            context.parting.password(name, password);
            Ok(())
        }
        Said::Done(None) => Err(Failure::failed("tootctl made the account and printed no password")),
        Said::Absent => Err(Failure::failed(format!("the account {name} is gone again"))),
        Said::Other(text) => Err(refused(&text)),
    }
}

fn refused(text: &str) -> Failure {
    let output = text.lines().map(str::to_owned).collect();
    Failure::Failed { reason: "tootctl refused".to_owned(), output }
}

/// What it prints goes nowhere but into [`owner::read`]: it may hold a password.
async fn tootctl(context: &Context, argv: Vec<String>) -> Result<Said, Failure> {
    let seed = context.node()?.name.clone();
    let answer = context.run(&seed, Purpose::Apply, Program::command(argv)).await?;
    if answer.timed_out {
        return Err(Failure::failed(format!("tootctl did not end within {} s", context.step.limit.as_secs())));
    }
    let stdout = secrecy::zeroize::Zeroizing::new(answer.stdout);
    Ok(owner::read(answer.status, &stdout, &answer.stderr))
}

/// Whether Mastodon has the account now, whatever the record says. Changes nothing but the record, when it is refuted.
pub async fn look(context: &Context) -> Result<Result<bool, String>, Failure> {
    let (wanted, _, seen) = at_hand(context)?;
    let Some(pod) = seen.web_pod.as_deref() else { return Ok(Err("no web pod is ready".to_owned())) };
    match tootctl(context, owner::look(pod, &wanted.admin)).await? {
        Said::Done(_) => Ok(Ok(true)),
        Said::Absent => {
            records::remove(&context.api().await?, RECORD).await?;
            Ok(Ok(false))
        }
        Said::Other(text) => Ok(Err(text)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{facts, inventory, with};
    use super::*;

    fn check(facts: &Facts) -> Verdict {
        MastodonOwner.check(&inventory(), facts, &Place::Cluster)
    }

    fn recorded(mut facts: Facts, fingerprint: impl FnOnce(String) -> String) -> Facts {
        let cluster = facts.cluster.as_mut().unwrap();
        let vouches_for =
            vouches_for(inventory().mastodon.as_ref().unwrap(), cluster.mastodon.as_ref().unwrap()).unwrap();
        let fingerprint = fingerprint(vouches_for);
        let record = Record { fingerprint, at: jiff::Timestamp::UNIX_EPOCH, evidence: vec![], not_tried: vec![] };
        cluster.records.insert(RECORD.into(), record);
        facts
    }

    #[test]
    fn the_record_is_of_one_database() {
        assert_eq!(check(&facts()), Verdict::differs("the account alice was not made yet"));
        let mut facts = recorded(facts(), |fingerprint| fingerprint);
        assert_eq!(check(&facts), Verdict::Holds);
        facts.cluster.as_mut().unwrap().mastodon.as_mut().unwrap().database = Some("another".into());
        assert_eq!(check(&facts), Verdict::differs("the account alice was not looked for in this database"));
    }

    #[test]
    fn an_account_whose_password_nobody_saw_is_not_done() {
        let facts = recorded(facts(), |fingerprint| format!("{BEGUN}{fingerprint}"));
        assert!(check(&facts).text().contains("was cut off"));
    }

    #[test]
    fn it_takes_a_web_pod() {
        assert_eq!(check(&with(|seen| seen.web_pod = None)), Verdict::unknown("mastodon-running"));
    }
}

//! What Mastodon needs from outside was asked for: mail, object storage, the site's name, an external PostgreSQL.
//!
//! The answers are a record in the cluster for as long as the same is asked. What does not answer is a warning, since it can
//! be mended at any time; a database that Mastodon cannot work with is not, since the site would never come up.

use async_trait::async_trait;

use super::{asking_node, at_hand, both};
use crate::engine::event::Event;
use crate::facts::Facts;
use crate::facts::mastodon::MastodonFacts;
use crate::facts::record::{Record, fingerprint};
use crate::inventory::model::{Inventory, Mastodon};
use crate::kube::records;
use crate::mastodon::services::{self, Outside};
use crate::mastodon::{Finding, Way};
use crate::plan::{Place, Verdict};
use crate::steps::{Context, Failure, RustStep};

/// The record `outside` vouches for these questions.
pub struct OutsideServices;

const RECORD: &str = "outside";

fn vouches_for(inventory: &Inventory, wanted: &Mastodon, seen: &MastodonFacts) -> String {
    fingerprint(services::question(inventory, wanted, &seen.secrets).iter().map(String::as_str))
}

/// The record of the last time, when the same was asked.
pub fn valid_record<'a>(inventory: &Inventory, facts: &'a Facts) -> Option<&'a Record> {
    let wanted = inventory.mastodon.as_ref()?;
    let cluster = facts.cluster.as_ref()?;
    let record = cluster.records.get(RECORD)?;
    (record.fingerprint == vouches_for(inventory, wanted, cluster.mastodon.as_ref()?)).then_some(record)
}

#[async_trait]
impl RustStep for OutsideServices {
    fn check(&self, inventory: &Inventory, facts: &Facts, _: &Place) -> Verdict {
        match both(inventory, facts) {
            Ok(_) if valid_record(inventory, facts).is_some() => Verdict::Holds,
            Ok((_, cluster, _)) if cluster.records.contains_key(RECORD) => {
                Verdict::differs("the inventory names others than were asked, or a password has changed")
            }
            Ok(_) => Verdict::differs("not asked yet"),
            Err(verdict) => verdict,
        }
    }

    async fn apply(&self, context: &Context) -> Result<(), Failure> {
        let found = ask(context).await?;
        for finding in &found.findings {
            if finding.wrong() {
                let _ = context.events.send(Event::Warning { node: None, message: finding.line() });
            } else {
                context.say(finding.line());
            }
        }
        match &found.fatal {
            Some(why) => Err(Failure::Refused { reason: why.clone() }),
            None => record(context, &found).await,
        }
    }
}

/// Asks from the seed.
pub async fn ask(context: &Context) -> Result<Outside, Failure> {
    let (wanted, _, _) = at_hand(context)?;
    let node = asking_node(context)?;
    Ok(services::ask(Way::Node(&*context.transport, &node), &context.inventory, wanted).await)
}

/// Writes down what was found.
pub async fn record(context: &Context, found: &Outside) -> Result<(), Failure> {
    let (wanted, _, seen) = at_hand(context)?;
    let record = describe(vouches_for(&context.inventory, wanted, seen), &found.findings);
    Ok(records::write(&context.api().await?, RECORD, &record).await?)
}

fn describe(fingerprint: String, findings: &[Finding]) -> Record {
    let (troubles, good): (Vec<&Finding>, Vec<&Finding>) = findings.iter().partition(|finding| finding.wrong());
    let lines = |findings: Vec<&Finding>| findings.into_iter().map(Finding::line).collect();
    Record { fingerprint, at: jiff::Timestamp::now(), evidence: lines(good), not_tried: lines(troubles) }
}

/// Facts with a record of the last time, in which this one service did not answer.
#[cfg(test)]
pub(crate) fn write_down(inventory: &Inventory, facts: &mut Facts, silent: &str) {
    let cluster = facts.cluster.as_mut().expect("a cluster");
    let (wanted, seen) =
        (inventory.mastodon.as_ref().expect("a site"), cluster.mastodon.as_ref().expect("it was read"));
    let fingerprint = vouches_for(inventory, wanted, seen);
    let at = jiff::Timestamp::UNIX_EPOCH;
    let record = Record { fingerprint, at, evidence: Vec::new(), not_tried: vec![silent.to_owned()] };
    cluster.records.insert(RECORD.into(), record);
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{facts, inventory};
    use super::*;

    #[test]
    fn it_is_asked_again_when_something_else_is_asked() {
        let mut inventory = inventory();
        let mut facts = facts();
        let check = |inventory: &Inventory, facts: &Facts| OutsideServices.check(inventory, facts, &Place::Cluster);
        assert_eq!(check(&inventory, &facts), Verdict::differs("not asked yet"));
        let seen = facts.cluster.as_ref().unwrap().mastodon.clone().unwrap();
        let fingerprint = vouches_for(&inventory, inventory.mastodon.as_ref().unwrap(), &seen);
        let record = Record { fingerprint, at: jiff::Timestamp::UNIX_EPOCH, evidence: vec![], not_tried: vec![] };
        facts.cluster.as_mut().unwrap().records.insert(RECORD.into(), record);
        assert_eq!(check(&inventory, &facts), Verdict::Holds);
        let other = Verdict::differs("the inventory names others than were asked, or a password has changed");
        let version = |facts: &mut Facts, version: &str| {
            let seen = facts.cluster.as_mut().unwrap().mastodon.as_mut().unwrap();
            seen.secrets.versions.insert("mastodon-smtp".into(), version.into());
        };
        version(&mut facts, "7");
        assert_eq!(check(&inventory, &facts), other);
        facts.cluster.as_mut().unwrap().mastodon.as_mut().unwrap().secrets.versions.clear();
        assert_eq!(check(&inventory, &facts), Verdict::Holds);
        inventory.mastodon.as_mut().unwrap().web_domain = Some("other.example.org".into());
        assert_eq!(check(&inventory, &facts), other);
    }
}

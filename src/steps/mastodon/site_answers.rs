//! The site answers through its address, by its name: web, streaming, and the assets of its page.

use std::net::IpAddr;

use async_trait::async_trait;

use super::{asking_node, at_hand, both};
use crate::engine::event::Event;
use crate::facts::Facts;
use crate::facts::mastodon::MastodonFacts;
use crate::facts::record::{Record, fingerprint};
use crate::inventory::model::{Inventory, Mastodon};
use crate::kube::records;
use crate::mastodon::{Finding, Way, site};
use crate::plan::{Place, Verdict};
use crate::status::Conclusion;
use crate::steps::pool_probed::on_network;
use crate::steps::{Context, Failure, RustStep};

/// The record `site` vouches for this name at this address, answered by these pods.
pub struct SiteAnswers;

const RECORD: &str = "site";

fn vouches_for(wanted: &Mastodon, seen: &MastodonFacts, address: IpAddr) -> String {
    let address = address.to_string();
    let parts = [wanted.web(), &wanted.local_domain, &wanted.image, &address];
    fingerprint(parts.into_iter().chain(seen.serving.iter().map(String::as_str)))
}

/// Where the site is to be found, when that is known.
pub fn address(facts: &Facts) -> Option<IpAddr> {
    facts.cluster.as_ref()?.mastodon.as_ref()?.ingress.address()
}

/// The record of the last answer, when it vouches for what is there.
pub fn valid_record<'a>(inventory: &'a Inventory, facts: &'a Facts) -> Option<&'a Record> {
    let (wanted, cluster, seen) = both(inventory, facts).ok()?;
    let record = cluster.records.get(RECORD)?;
    (record.fingerprint == vouches_for(wanted, seen, seen.ingress.address()?)).then_some(record)
}

#[async_trait]
impl RustStep for SiteAnswers {
    fn check(&self, inventory: &Inventory, facts: &Facts, _: &Place) -> Verdict {
        let (wanted, cluster, seen) = match both(inventory, facts) {
            Ok(both) => both,
            Err(verdict) => return verdict,
        };
        // A restore has no steps that bring about what is missing.
        let restoring = facts.restore.is_some();
        if seen.ingress.address().is_none() {
            return if restoring {
                Verdict::blocked(format!(
                    "{} has no address: `homeprov up` gives it one, and then the same restore goes on",
                    wanted.web()
                ))
            } else {
                Verdict::unknown("ingress-address")
            };
        }
        if seen.serving.is_empty() {
            return if restoring {
                Verdict::settling("no pod of web or streaming is ready")
            } else {
                Verdict::unknown("mastodon-running")
            };
        }
        if valid_record(inventory, facts).is_some() {
            return Verdict::Holds;
        }
        Verdict::differs(if cluster.records.contains_key(RECORD) {
            format!("{} was not asked since its address or its pods have changed", wanted.web())
        } else {
            format!("{} was not asked yet", wanted.web())
        })
    }

    async fn apply(&self, context: &Context) -> Result<(), Failure> {
        let findings = ask(context).await?;
        for finding in findings.iter().filter(|finding| !finding.wrong()) {
            if finding.verdict == Conclusion::Unknown {
                let _ = context.events.send(Event::Warning { node: None, message: finding.line() });
            } else {
                context.say(finding.line());
            }
        }
        let wrong: Vec<String> = findings.iter().filter(|finding| finding.wrong()).map(Finding::line).collect();
        if wrong.is_empty() {
            return record(context, &findings).await;
        }
        Err(Failure::NotVerified { reason: wrong.join("\n") })
    }
}

/// Asks the site: from this machine when it is on the nodes' network, else from the seed.
pub async fn ask(context: &Context) -> Result<Vec<Finding>, Failure> {
    let (wanted, _, seen) = at_hand(context)?;
    let address = seen.ingress.address().ok_or_else(|| Failure::failed("the site has no address yet"))?;
    if on_network(context, address) {
        return Ok(site::ask(Way::Here, address, wanted).await);
    }
    let node = asking_node(context)?;
    let mut findings = site::ask(Way::Node(&*context.transport, &node), address, wanted).await;
    findings.push(Finding::open(
        "way",
        format!(
            "asked from {node}, since this machine is not on the nodes' network; that shows kube-proxy, not that the address is \
             announced"
        ),
    ));
    Ok(findings)
}

/// Writes down that it answered.
pub async fn record(context: &Context, findings: &[Finding]) -> Result<(), Failure> {
    let (wanted, _, seen) = at_hand(context)?;
    let Some(address) = seen.ingress.address() else { return Ok(()) };
    let lines = |verdict| findings.iter().filter(move |finding| finding.verdict == verdict).map(Finding::line);
    let record = Record {
        fingerprint: vouches_for(wanted, seen, address),
        at: jiff::Timestamp::now(),
        evidence: lines(Conclusion::Yes).collect(),
        not_tried: lines(Conclusion::Unknown).collect(),
    };
    Ok(records::write(&context.api().await?, RECORD, &record).await?)
}

/// Takes the record away: the site was asked and does not answer as it should.
pub async fn forget(context: &Context) -> Result<(), Failure> {
    Ok(records::remove(&context.api().await?, RECORD).await?)
}

/// The last line of an `up` that brought the site up, or found it up.
pub fn last_line(inventory: &Inventory, facts: &Facts) -> Option<String> {
    let wanted = inventory.mastodon.as_ref()?;
    let address = address(facts)?;
    Some(format!(
        "Mastodon {} answers at https://{} ({address})   owner: {}",
        wanted.image,
        wanted.web(),
        wanted.admin.username
    ))
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{facts, inventory, with};
    use super::*;
    use crate::facts::restore::Restore;

    fn check(facts: &Facts) -> Verdict {
        SiteAnswers.check(&inventory(), facts, &Place::Cluster)
    }

    #[test]
    fn it_is_asked_again_by_other_pods_or_at_another_address() {
        assert_eq!(check(&facts()), Verdict::differs("social.example.org was not asked yet"));
        let mut facts = facts();
        let cluster = facts.cluster.as_mut().unwrap();
        let seen = cluster.mastodon.as_ref().unwrap();
        let fingerprint = vouches_for(inventory().mastodon.as_ref().unwrap(), seen, seen.ingress.address().unwrap());
        let record = Record { fingerprint, at: jiff::Timestamp::UNIX_EPOCH, evidence: vec![], not_tried: vec![] };
        cluster.records.insert(RECORD.into(), record);
        assert_eq!(check(&facts), Verdict::Holds);
        let changes: [fn(&mut MastodonFacts); 2] = [
            |seen| seen.serving.extend(["new".to_owned()]),
            |seen| seen.ingress.services[0].address = Some("192.168.1.250".parse().unwrap()),
        ];
        for change in changes {
            let mut facts = facts.clone();
            change(facts.cluster.as_mut().unwrap().mastodon.as_mut().unwrap());
            assert!(matches!(check(&facts), Verdict::Differs { .. }));
        }
    }

    #[test]
    fn it_comes_after_address_and_pods() {
        assert_eq!(check(&with(|seen| seen.ingress.services.clear())), Verdict::unknown("ingress-address"));
        assert_eq!(check(&with(|seen| seen.serving.clear())), Verdict::unknown("mastodon-running"));
    }

    #[test]
    fn a_restore_has_nothing_that_brings_them_about() {
        let mut facts = facts();
        facts.restore = Some(std::sync::Arc::new(Restore {
            id: "01J".into(),
            folder: "2026-11-21T0300Z".into(),
            manifest: crate::backup::manifest::fixture("2026-11-21T0300Z", jiff::Timestamp::UNIX_EPOCH),
            identity: None,
            rehearsal: false,
        }));
        let seen = |facts: &Facts, change: fn(&mut MastodonFacts)| {
            let mut facts = facts.clone();
            change(facts.cluster.as_mut().unwrap().mastodon.as_mut().unwrap());
            check(&facts)
        };
        assert!(
            matches!(seen(&facts, |seen| seen.ingress.services.clear()), Verdict::Blocked { reason } if reason.contains("`homeprov up`"))
        );
        assert!(matches!(seen(&facts, |seen| seen.serving.clear()), Verdict::Settling { .. }));
    }

    #[test]
    fn the_last_line_of_a_run() {
        insta::assert_snapshot!(last_line(&inventory(), &facts()).unwrap(), @"Mastodon v4.6.3 answers at https://social.example.org (192.168.1.240)   owner: alice");
    }
}

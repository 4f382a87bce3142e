//! How the site stands, from one observation.

use crate::facts::{Facts, Record};
use crate::inventory::model::Inventory;
use crate::plan::{Place, Verdict};
use crate::status::site::SiteStatus;
use crate::status::{Conclusion, Probe};
use crate::steps;
use crate::steps::mastodon::{outside_services, site_answers};

/// The steps that have to hold for the site to run, in the order in which one needs the other.
const PARTS: [&str; 6] = [
    "mastodon-secrets",
    "flux-reconciled",
    "ingress-enabled",
    "ingress-address",
    "mastodon-released",
    "mastodon-running",
];

/// The site; none where the inventory has none or the API gave nothing.
pub(super) fn describe(inventory: &Inventory, facts: &Facts) -> Option<SiteStatus> {
    let wanted = inventory.mastodon.as_ref()?;
    facts.cluster.as_ref()?.mastodon.as_ref()?;
    let verdicts = PARTS.iter().filter_map(|name| Some(steps::builtin(name)?.check(inventory, facts, &Place::Cluster)));
    let waiting = { verdicts }.find(|verdict| *verdict != Verdict::Holds).map(|verdict| verdict.text());
    Some(SiteStatus {
        url: format!("https://{}", wanted.web()),
        version: wanted.image.clone(),
        address: site_answers::address(facts),
        running: if waiting.is_none() { Conclusion::Yes } else { Conclusion::No },
        waiting,
        answered: site_answers::valid_record(inventory, facts).map(|record| probe(record, Conclusion::Yes)),
        outside: outside_services::valid_record(inventory, facts).map(|record| {
            let good = record.not_tried.is_empty();
            probe(record, if good { Conclusion::Yes } else { Conclusion::No })
        }),
    })
}

fn probe(record: &Record, verdict: Conclusion) -> Probe {
    let evidence = record.not_tried.iter().chain(&record.evidence).cloned().collect();
    Probe { verdict, at: record.at, evidence }
}

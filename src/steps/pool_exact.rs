//! The pool object has exactly the inventory's ranges, and is announced.
//!
//! Enabling the addon again with other ranges changes nothing (canonical/microk8s `scripts/wrappers/common/utils.py`),
//! so the objects are applied to the API.

use async_trait::async_trait;
use serde_json::json;

use super::{Context, Failure, RustStep};
use crate::facts::{Facts, MetallbFacts};
use crate::inventory::model::{Inventory, Metallb};
use crate::kube::{read::METALLB, request};
use crate::plan::{Place, Verdict};

/// `IPAddressPool/default-addresspool` and an `L2Advertisement` for it, the names the addon gives them.
pub struct PoolExact;

/// The addon's pool, which is the one homeprov keeps (canonical/microk8s-core-addons `addons/metallb`).
pub const POOL: &str = "default-addresspool";
const ADVERTISEMENT: &str = "default-advertise-all-pools";

fn wanted(metallb: &Metallb) -> Vec<String> {
    metallb.pool.iter().map(|range| range.text.replace(' ', "")).collect()
}

/// Whether the pool has these ranges, in any order.
pub fn exact(metallb: &Metallb, seen: &MetallbFacts) -> bool {
    let sorted = |mut ranges: Vec<String>| {
        ranges.sort();
        ranges
    };
    seen.pools.get(POOL).is_some_and(|ranges| sorted(ranges.clone()) == sorted(wanted(metallb)))
}

fn announced(seen: &MetallbFacts) -> bool {
    seen.advertisements.values().any(|pools| pools.is_empty() || pools.iter().any(|pool| pool == POOL))
}

#[async_trait]
impl RustStep for PoolExact {
    fn check(&self, inventory: &Inventory, facts: &Facts, _: &Place) -> Verdict {
        let Some(metallb) = &inventory.metallb else { return Verdict::Holds };
        let Some(seen) = facts.cluster.as_ref().and_then(|cluster| cluster.metallb.as_ref()) else {
            return Verdict::unknown("metallb-enabled");
        };
        if !exact(metallb, seen) {
            let is = seen.pools.get(POOL).map_or("no pool".to_owned(), |ranges| ranges.join(", "));
            return Verdict::differs(format!("- {is}\n+ {}", wanted(metallb).join(", ")));
        }
        if announced(seen) { Verdict::Holds } else { Verdict::differs("no L2Advertisement announces the pool") }
    }

    async fn apply(&self, context: &Context) -> Result<(), Failure> {
        let Some(metallb) = &context.inventory.metallb else { return Ok(()) };
        let seen = context.facts.cluster.as_ref().and_then(|cluster| cluster.metallb.as_ref());
        if !seen.is_some_and(|seen| exact(metallb, seen)) {
            super::pool_quiet::refuse_taken(context, metallb).await?;
        }
        let client = context.api().await?;
        let group = format!("/apis/metallb.io/v1beta1/namespaces/{METALLB}");
        let object = |kind: &str, name: &str, spec: serde_json::Value| json!({ "apiVersion": "metallb.io/v1beta1", "kind": kind, "metadata": { "name": name, "namespace": METALLB }, "spec": spec });
        let pool = object("IPAddressPool", POOL, json!({ "addresses": wanted(metallb) }));
        request::apply(&client, &format!("{group}/ipaddresspools/{POOL}"), &pool).await?;
        if !seen.is_some_and(announced) {
            let advertisement = object("L2Advertisement", ADVERTISEMENT, json!({ "ipAddressPools": [POOL] }));
            request::apply(&client, &format!("{group}/l2advertisements/{ADVERTISEMENT}"), &advertisement).await?;
        }
        Ok(())
    }
}

//! snapd does not refresh `MicroK8s` by itself: it would restart all nodes in the same window of the night
//! (canonical/microk8s#1022, #3735).

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

use super::{Context, Failure, RustStep};
use crate::facts::{Facts, NodeFacts};
use crate::inventory::model::Inventory;
use crate::microk8s::snap_list::can_hold;
use crate::plan::{Place, Verdict};
use crate::ssh::Program;

/// Refreshes are held: of this snap where snapd can (2.58 and later), of all snaps for up to 90 days elsewhere.
pub struct RefreshesHeld;

/// snapd accepts at most 90 days; the step renews a hold when less than half of that is left.
const LONGEST: SignedDuration = SignedDuration::from_hours(90 * 24 - 1);
const RENEW: SignedDuration = SignedDuration::from_hours(45 * 24);

#[async_trait]
impl RustStep for RefreshesHeld {
    fn check(&self, _: &Inventory, facts: &Facts, place: &Place) -> Verdict {
        let Place::Node(name) = place else { return Verdict::Holds };
        let Some(seen) = facts.node(name) else { return Verdict::unknown("the node answers") };
        let Some(snap) = &seen.snap else { return Verdict::unknown("snap-installed") };
        if let Some(change) = seen.snap_change.as_ref().filter(|_| !snap.held()) {
            return Verdict::settling(format!("snapd is at work on it: {change}; refreshes are held after that"));
        }
        if can_hold_here(seen) {
            return if snap.held() { Verdict::Holds } else { Verdict::differs("snapd would refresh it at any time") };
        }
        match seen.refresh_hold.as_ref().and_then(|hold| hold.parse::<Timestamp>().ok()) {
            Some(until) if until.duration_since(facts.observed_at) > RENEW => Verdict::Holds,
            Some(until) => Verdict::differs(format!("held only until {until}")),
            None => Verdict::differs("snapd would refresh it at any time"),
        }
    }

    async fn apply(&self, context: &Context) -> Result<(), Failure> {
        let node = context.node()?.name.clone();
        if can_hold_here(context.node_facts()?) {
            context.command(&node, ["/usr/bin/snap", "refresh", "--hold=forever", "microk8s"]).await?;
            return begun_before(context, &node).await;
        }
        let until = (Timestamp::now() + LONGEST).strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        context.say(format!(
            "this snapd cannot hold a single snap: all refreshes are held until {until}; run `up` again before then"
        ));
        context.command(&node, ["/usr/bin/snap", "set", "system", &format!("refresh.hold={until}")]).await?;
        begun_before(context, &node).await
    }
}

/// Waits for a refresh that began just before it was held: that one goes on, and stops the services in the middle. How it
/// ended, and that there was none, is for the next look to say.
async fn begun_before(context: &Context, node: &str) -> Result<(), Failure> {
    let argv = ["/usr/bin/snap", "watch", "--last=auto-refresh?"];
    context.job(node, &argv.join(" "), Program::command(argv)).await.map(drop)
}

fn can_hold_here(seen: &NodeFacts) -> bool {
    seen.snapd.as_deref().is_some_and(can_hold)
}

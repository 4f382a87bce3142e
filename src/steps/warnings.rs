//! What the user should know, and nothing waits for.

use jiff::SignedDuration;

use super::preflight::CLOCK;
use crate::facts::{Facts, NodeFacts};
use crate::inventory::model::Inventory;

/// From this much used the kubelet deletes images it could still need (`imageGCHighThresholdPercent`, kubernetes
/// `pkg/kubelet/apis/config/v1beta1/defaults.go`; canonical/microk8s sets no other).
const IMAGE_GARBAGE: u8 = 85;
/// Where images are.
const IMAGES: &str = "/var/snap/microk8s/common";

/// Each is told once in a run.
pub fn warnings(inventory: &Inventory, facts: &Facts) -> Vec<String> {
    let mut warnings = super::repair::strangers(inventory, facts);
    warnings.extend(super::flux::warnings(inventory, facts));
    warnings.extend(facts.answering(inventory).filter_map(|(node, seen)| images(&node.name, seen)));
    warnings.extend(own_clock(inventory, facts));
    warnings
}

fn images(name: &str, seen: &NodeFacts) -> Option<String> {
    let mount = seen.mount_of(IMAGES)?;
    let used = *seen.used_percent.get(mount)?;
    (used >= IMAGE_GARBAGE).then(|| {
        format!(
            "{name}: {mount}, where images are, is {used} % full; from {IMAGE_GARBAGE} % on the kubelet deletes images, and pulls them again. \
             Make room there, or mount a larger disk at {IMAGES}"
        )
    })
}

/// The nodes agree, and this machine is off: nothing of theirs depends on it, but what it writes down does.
fn own_clock(inventory: &Inventory, facts: &Facts) -> Option<String> {
    let mut offsets: Vec<SignedDuration> =
        facts.answering(inventory).filter_map(|(_, seen)| seen.clock_offset).collect();
    offsets.sort();
    let median = *offsets.get(offsets.len() / 2).filter(|_| offsets.len() > 2)?;
    (median.abs() > CLOCK).then(|| {
        let way = if median.is_positive() { "behind" } else { "ahead of" };
        format!(
            "the clock of this machine is more than {} s {way} those of the nodes; set it here: `timedatectl set-ntp true`",
            CLOCK.as_secs()
        )
    })
}

//! The values of Mastodon's own pods.

use serde_json::{Value, json};

use super::table;
use crate::inventory::model::{Access, Mastodon, Quantities};

pub(super) fn web(mastodon: &Mastodon) -> Value {
    table([("affinity", together(mastodon)), ("resources", resources(&mastodon.resources.web))])
}

pub(super) fn sidekiq(mastodon: &Mastodon) -> Value {
    table([("affinity", together(mastodon)), ("resources", resources(&mastodon.resources.sidekiq))])
}

pub(super) fn streaming(mastodon: &Mastodon) -> Value {
    table([("image", Some(json!({ "tag": mastodon.image }))), ("resources", resources(&mastodon.resources.streaming))])
}

/// Keeps the pods that mount the volumes on one node, where these can be mounted on one only. The chart does so for its
/// jobs and not for these Deployments (mastodon/chart pull request 13). The first of them may run anywhere: a pod that
/// matches its own affinity is let in when there is no other.
fn together(mastodon: &Mastodon) -> Option<Value> {
    (mastodon.access == Access::Rwo && mastodon.s3.is_none()).then(|| {
        json!({ "podAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": [{
            "labelSelector": { "matchLabels": {
                "app.kubernetes.io/instance": super::super::RELEASE,
                "app.kubernetes.io/part-of": "rails",
            } },
            "topologyKey": "kubernetes.io/hostname",
        }] } })
    })
}

/// Requests and limits as Kubernetes has them; none when nothing is given.
pub(super) fn resources(quantities: &Quantities) -> Option<Value> {
    let Quantities { cpu, memory, cpu_limit, memory_limit } = quantities;
    let set = |cpu: &Option<String>, memory: Option<u64>| {
        let set =
            table([("cpu", cpu.as_deref().map(Into::into)), ("memory", memory.map(|bytes| quantity(bytes).into()))]);
        set.as_object().is_some_and(|set| !set.is_empty()).then_some(set)
    };
    let both = table([("requests", set(cpu, *memory)), ("limits", set(cpu_limit, *memory_limit))]);
    both.as_object().is_some_and(|both| !both.is_empty()).then_some(both)
}

/// Bytes as Kubernetes writes them, in the largest unit that fits without a rest: `100Gi`.
pub fn quantity(bytes: u64) -> String {
    let units = [("Ti", 40), ("Gi", 30), ("Mi", 20), ("Ki", 10)];
    let unit = units.into_iter().find(|(_, shift)| bytes > 0 && bytes.trailing_zeros() >= *shift);
    unit.map_or_else(|| bytes.to_string(), |(name, shift)| format!("{}{name}", bytes >> shift))
}

#[cfg(test)]
mod tests {
    use super::quantity;

    #[test]
    fn quantities_in_their_largest_unit() {
        let written = [100 << 30, 1536 << 20, 1 << 40, 5000].map(quantity);
        assert_eq!(written, ["100Gi", "1536Mi", "1Ti", "5000"]);
    }
}

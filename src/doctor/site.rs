//! Traps of pods that do not run, and of the site.

use super::{Sight, Sighting, Trap};
use crate::facts::MastodonFacts;
use crate::facts::mastodon::{INGRESS, TroubleKind};
use crate::facts::pods::Pod;
use crate::mastodon::NAMESPACE;
use crate::steps::mastodon::outside_services;

pub(super) const TRAPS: &[Trap] = &[
    Trap {
        name: "image-not-pulled",
        symptom: "a pod stays in ErrImagePull or ImagePullBackOff",
        cause: "the image is gone from its registry, as Bitnami's versioned ones are, or the registry limits how much one may pull",
        link: "https://github.com/bitnami/containers/issues/83267",
        look: image,
    },
    Trap {
        name: "pod-crashes",
        symptom: "a pod is in CrashLoopBackOff, or starts again and again",
        cause: "its program ends; a database that is killed while it recovers is damaged by that",
        link: "https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/",
        look: crash,
    },
    Trap {
        name: "volume-not-mounted",
        symptom: "a pod stays in ContainerCreating",
        cause: "its volume cannot be attached or mounted on that node",
        link: "https://github.com/openebs-archive/dynamic-nfs-provisioner/issues/153",
        look: volume,
    },
    Trap {
        name: "pod-unscheduled",
        symptom: "a pod stays Pending, and is started nowhere",
        cause: "no node takes it: taints, memory, or a volume that is bound to another node",
        link: "https://kubernetes.io/docs/tasks/debug/debug-application/debug-pods/",
        look: unscheduled,
    },
    Trap {
        name: "secret-key-missing",
        symptom: "pods stay in CreateContainerConfigError, or a restored site takes no second factor and sends no push messages",
        cause: "a Secret of the site lacks a key, or was made anew with other keys",
        link: "https://github.com/mastodon/mastodon/blob/main/config/initializers/active_record_encryption.rb",
        look: secrets,
    },
    Trap {
        name: "database-not-ready",
        symptom: "the site answers with errors, and the database starts again and again",
        cause: "PostgreSQL recovers, which takes minutes on slow disks; killed by a probe before it is done, it begins anew",
        link: "https://kubernetes.io/docs/tasks/configure-pod-container/configure-liveness-readiness-startup-probes/",
        look: database,
    },
    Trap {
        name: "no-ingress-address",
        symptom: "the site's name leads nowhere, `kubectl get service` says <pending>",
        cause: "MetalLB has given the ingress controller's Service no address: the pool is used up, or does not cover the one asked for",
        link: "https://metallb.io/usage/",
        look: ingress,
    },
    Trap {
        name: "outside-service-silent",
        symptom: "no mail of the site arrives, uploads fail, or its name does not resolve",
        cause: "a server that the site needs did not answer as it should when it was last asked from a node",
        link: "https://docs.joinmastodon.org/admin/config/",
        look: outside,
    },
];

fn site<'a>(sight: &Sight<'a>) -> Option<&'a MastodonFacts> {
    sight.cluster()?.mastodon.as_ref()
}

/// The pods with trouble of these kinds, with the container's name, what was said, and the newest event.
fn troubled<'a>(sight: &Sight<'a>, kinds: &'static [TroubleKind]) -> impl Iterator<Item = (&'a Pod, String)> {
    sight.extra.pods.iter().filter_map(move |pod| {
        let trouble = pod.trouble.as_ref().filter(|trouble| kinds.contains(&trouble.kind))?;
        let container = trouble.container.as_ref().map(|name| format!(", container {name}")).unwrap_or_default();
        let event = trouble.events.first().map(|event| format!("; {event}")).unwrap_or_default();
        Some((pod, format!("{}/{}{container}: {}{event}", pod.namespace, pod.name, trouble.message)))
    })
}

fn sightings(found: impl Iterator<Item = (impl AsRef<str>, String, String)>) -> Vec<Sighting> {
    found
        .map(|(node, evidence, remedy)| match node.as_ref() {
            "" => Sighting::of_cluster(evidence, remedy),
            node => Sighting::on(node, evidence, remedy),
        })
        .collect()
}

fn on(pod: &Pod) -> &str {
    pod.node.as_deref().unwrap_or_default()
}

fn image(sight: &Sight<'_>) -> Vec<Sighting> {
    sightings(troubled(sight, &[TroubleKind::Image]).map(|(pod, evidence)| {
        let remedy = format!(
            "`microk8s kubectl -n {} describe pod {}` shows the registry's own words; name an image that is there, or wait an hour where a \
             limit was met. `microk8s ctr image pull IMAGE` on the node tries it",
            pod.namespace, pod.name
        );
        (on(pod), evidence, remedy)
    }))
}

fn crash(sight: &Sight<'_>) -> Vec<Sighting> {
    let found = troubled(sight, &[TroubleKind::Crash, TroubleKind::Memory, TroubleKind::Configuration]);
    sightings(found.map(|(pod, evidence)| {
        let (namespace, name) = (&pod.namespace, &pod.name);
        let remedy = format!("`microk8s kubectl -n {namespace} logs {name} --previous` and `microk8s kubectl -n {namespace} describe pod {name}`");
        (on(pod), evidence, remedy)
    }))
}

fn volume(sight: &Sight<'_>) -> Vec<Sighting> {
    sightings(troubled(sight, &[TroubleKind::Volume]).map(|(pod, evidence)| {
        let (namespace, name) = (&pod.namespace, &pod.name);
        let remedy = format!(
            "`microk8s kubectl -n {namespace} describe pod {name}`; {} tries the whole way a volume goes",
            sight.homeprov(&["verify", "storage"])
        );
        (on(pod), evidence, remedy)
    }))
}

fn unscheduled(sight: &Sight<'_>) -> Vec<Sighting> {
    sightings(troubled(sight, &[TroubleKind::Unscheduled]).map(|(pod, evidence)| {
        let remedy = format!(
            "`microk8s kubectl -n {} describe pod {}` and `microk8s kubectl describe nodes`",
            pod.namespace, pod.name
        );
        (on(pod), evidence, remedy)
    }))
}

fn secrets(sight: &Sight<'_>) -> Vec<Sighting> {
    let Some(seen) = site(sight).map(|site| &site.secrets) else { return Vec::new() };
    // Before the first one is made they are all missing, and nothing is wrong.
    let lacking: Vec<&String> = seen.missing.iter().filter(|_| !seen.present.is_empty()).collect();
    let mut evidence: Vec<String> = lacking.iter().map(|key| format!("{NAMESPACE}/{key} is missing")).collect();
    evidence.extend(seen.problem.clone());
    if evidence.is_empty() {
        return Vec::new();
    }
    let remedy = format!(
        "make no new keys: what is encrypted with the old ones would be lost. {} takes them from the repository, where homeprov keeps them \
         encrypted; or restore the Secret from a backup",
        sight.homeprov(&["up"])
    );
    vec![Sighting::of_cluster(evidence.join("; "), remedy)]
}

fn database(sight: &Sight<'_>) -> Vec<Sighting> {
    let workloads = site(sight).into_iter().flat_map(|site| &site.workloads);
    let waiting = workloads.filter(|workload| workload.name.contains("postgresql") && !workload.whole());
    waiting
        .map(|workload| {
            let name = &workload.name;
            Sighting::of_cluster(
                format!("{} {NAMESPACE}/{name}: {} of {} pods are ready", workload.kind, workload.ready, workload.wanted),
                format!(
                    "let it recover, do not delete the pod: `microk8s kubectl -n {NAMESPACE} logs {name}-0 -f`. `startup_seconds` under \
                     [mastodon] in the inventory is how long it may take"
                ),
            )
        })
        .collect()
}

fn ingress(sight: &Sight<'_>) -> Vec<Sighting> {
    let Some(seen) = site(sight).map(|site| &site.ingress) else { return Vec::new() };
    let waiting = seen.entrance().filter(|entrance| entrance.address.is_none());
    waiting
        .map(|entrance| {
            let events = seen.events.first().map(|event| format!(": {event}")).unwrap_or_default();
            Sighting::of_cluster(
                format!("Service {INGRESS}/{} has no address{events}", entrance.name),
                format!(
                    "`microk8s kubectl get services -A` shows who has the pool's addresses; widen `[metallb] pool` in the inventory, then {}",
                    sight.homeprov(&["up"])
                ),
            )
        })
        .into_iter()
        .collect()
}

fn outside(sight: &Sight<'_>) -> Vec<Sighting> {
    let record = outside_services::valid_record(sight.inventory, sight.facts);
    let lines = record.into_iter().flat_map(|record| record.not_tried.iter().map(move |line| (record.at, line)));
    lines
        .map(|(at, line)| {
            let remedy = format!(
                "see that it can be reached from the nodes, and what the inventory says of it; {} asks again",
                sight.homeprov(&["verify", "app"])
            );
            Sighting::of_cluster(format!("{line} (asked {})", at.strftime("%Y-%m-%d %H:%M UTC")), remedy)
        })
        .collect()
}

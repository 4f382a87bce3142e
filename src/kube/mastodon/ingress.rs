//! The ingress controller of the `ingress` addon, and the Services in front of it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::{Pod, Service};
use k8s_openapi::api::networking::v1::{Ingress, IngressClass};
use kube::Client;
use kube::core::ObjectList;

use super::{INSTANCE, events, warnings};
use crate::facts::mastodon::{INGRESS, IngressController, IngressFacts, IngressKind, LoadBalancer};
use crate::kube::read::pod_ready;
use crate::kube::request::get;
use crate::mastodon::RELEASE;

/// The addon's `DaemonSets` and what each runs: nginx up to MicroK8s 1.35, Traefik from 1.36 on
/// (canonical/microk8s-core-addons `addons/ingress`, before and since ce8e8d1).
const CONTROLLERS: [(&str, IngressKind); 2] =
    [("nginx-ingress-microk8s-controller", IngressKind::Nginx), ("traefik", IngressKind::Traefik)];
/// The annotations by which `MetalLB` takes an address; which one depends on its version.
const REQUESTS: [&str; 2] = ["metallb.io/loadBalancerIPs", "metallb.universe.tf/loadBalancerIPs"];

pub(super) async fn read(client: &Client) -> kube::Result<IngressFacts> {
    let base = format!("/api/v1/namespaces/{INGRESS}");
    let (set_path, pod_path, service_path) =
        (format!("/apis/apps/v1/namespaces/{INGRESS}/daemonsets"), format!("{base}/pods"), format!("{base}/services"));
    let (classes, sets, pods, services) = futures::try_join!(
        get::<ObjectList<IngressClass>>(client, "/apis/networking.k8s.io/v1/ingressclasses"),
        get::<ObjectList<DaemonSet>>(client, &set_path),
        get::<ObjectList<Pod>>(client, &pod_path),
        get::<ObjectList<Service>>(client, &service_path),
    )?;
    let classes = classes.map(|list| list.items).unwrap_or_default();
    let sets = sets.map(|list| list.items).unwrap_or_default();
    let pods = pods.map(|list| list.items).unwrap_or_default();
    let services = services.map(|list| list.items).unwrap_or_default();
    let mut facts = IngressFacts {
        classes: classes.into_iter().filter_map(|class| class.metadata.name).collect(),
        controller: sets.iter().find_map(|set| controller(set, &pods)),
        services: services.into_iter().filter_map(load_balancer).collect(),
        ..IngressFacts::default()
    };
    if let Some(entrance) = facts.entrance().filter(|entrance| entrance.address.is_none()) {
        let name = entrance.name.clone();
        facts.events = warnings(&events(client, INGRESS).await?, "Service", Some(&name));
    }
    Ok(facts)
}

fn controller(set: &DaemonSet, pods: &[Pod]) -> Option<IngressController> {
    let name = set.metadata.name.as_deref()?;
    let (_, kind) = CONTROLLERS.iter().find(|(known, _)| *known == name)?;
    let spec = set.spec.clone();
    let selector = spec.selector.match_labels.unwrap_or_default();
    let containers = spec.template.spec.map(|pod| pod.containers).unwrap_or_default();
    let ports: Vec<String> = containers
        .into_iter()
        .flat_map(|container| container.ports.unwrap_or_default())
        .filter_map(|port| port.name)
        .collect();
    let named = |names: [&str; 2], fallback: &str| {
        ports.iter().find(|port| names.contains(&port.as_str())).cloned().unwrap_or_else(|| fallback.to_owned())
    };
    let own = |pod: &&Pod| {
        let labels = pod.metadata.labels.as_ref();
        labels.is_some_and(|labels| selector.iter().all(|(key, value)| labels.get(key) == Some(value)))
    };
    let ready = pods.iter().filter(own).filter(|pod| pod_ready(pod));
    Some(IngressController {
        kind: *kind,
        name: name.to_owned(),
        http: named(["http", "web"], "http"),
        https: named(["https", "websecure"], "https"),
        ready_on: ready.filter_map(|pod| pod.spec.clone()?.node_name).collect(),
        selector,
    })
}

fn load_balancer(service: Service) -> Option<LoadBalancer> {
    let spec = service.spec.filter(|spec| spec.type_.as_deref() == Some("LoadBalancer"))?;
    let annotations = service.metadata.annotations.unwrap_or_default();
    let by_annotation = REQUESTS.iter().find_map(|key| Some(((*key).to_owned(), annotations.get(*key)?.clone())));
    let requested_by = by_annotation.as_ref().map(|(key, _)| key.clone());
    let requested = by_annotation.map(|(_, value)| value).or(spec.load_balancer_ip);
    let given = service.status.and_then(|status| status.load_balancer?.ingress).unwrap_or_default();
    Some(LoadBalancer {
        name: service.metadata.name?,
        selector: spec.selector.unwrap_or_default(),
        ports: spec.ports.unwrap_or_default().iter().filter_map(|port| u16::try_from(port.port).ok()).collect(),
        any_node: spec.external_traffic_policy.is_none_or(|policy| policy == "Cluster"),
        requested: requested.and_then(|text| text.split(',').find_map(|part| part.trim().parse().ok())),
        requested_by,
        address: given.into_iter().find_map(|entry| entry.ip?.parse().ok()),
    })
}

fn of_release(ingress: &Ingress) -> bool {
    let labels: Option<&BTreeMap<String, String>> = ingress.metadata.labels.as_ref();
    labels.is_some_and(|labels| labels.get(INSTANCE).is_some_and(|release| release == RELEASE))
}

/// The hosts of the release's Ingress.
pub(super) fn hosts(ingress: &Ingress) -> Vec<String> {
    let rules = ingress.spec.as_ref().and_then(|spec| spec.rules.as_deref()).unwrap_or_default();
    if !of_release(ingress) {
        return Vec::new();
    }
    rules.iter().filter_map(|rule| rule.host.clone()).collect()
}

/// The addresses its controller published for the release's Ingress; nginx writes the loopback there.
pub(super) fn published(ingress: &Ingress) -> Vec<IpAddr> {
    let status = ingress.status.as_ref().and_then(|status| status.load_balancer.as_ref());
    let entries = status.and_then(|status| status.ingress.as_deref()).unwrap_or_default();
    let addresses = entries.iter().filter_map(|entry| entry.ip.as_ref()?.parse::<IpAddr>().ok());
    if of_release(ingress) { addresses.filter(|address| !address.is_loopback()).collect() } else { Vec::new() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn set(name: &str, ports: &[&str]) -> DaemonSet {
        let ports: Vec<_> = ports.iter().map(|name| json!({ "name": name, "containerPort": 1 })).collect();
        serde_json::from_value(json!({
            "metadata": { "name": name },
            "spec": { "selector": { "matchLabels": { "name": name } }, "template": { "spec": { "containers": [
                { "name": "c", "ports": ports }
            ] } } },
        }))
        .unwrap()
    }

    #[test]
    fn knows_the_controllers_of_both_generations() {
        let nginx = controller(&set("nginx-ingress-microk8s-controller", &["http", "https", "health"]), &[]).unwrap();
        assert_eq!((nginx.kind, nginx.http.as_str(), nginx.https.as_str()), (IngressKind::Nginx, "http", "https"));
        let traefik = controller(&set("traefik", &["metrics", "traefik", "web", "websecure"]), &[]).unwrap();
        assert_eq!(
            (traefik.kind, traefik.http.as_str(), traefik.https.as_str()),
            (IngressKind::Traefik, "web", "websecure")
        );
        assert_eq!(controller(&set("haproxy", &[]), &[]), None);
    }

    #[test]
    fn reads_a_service_and_the_address_asked_for() {
        let service = |value| load_balancer(serde_json::from_value(value).unwrap());
        let found = service(json!({
            "metadata": { "name": "ingress", "annotations": { "metallb.io/loadBalancerIPs": "10.0.0.7" } },
            "spec": { "type": "LoadBalancer", "ports": [{ "port": 80 }, { "port": 443 }],
                      "externalTrafficPolicy": "Local" },
            "status": { "loadBalancer": { "ingress": [{ "ip": "10.0.0.7" }] } },
        }))
        .unwrap();
        assert_eq!(found.requested, Some([10, 0, 0, 7].into()));
        assert_eq!(found.address, Some("10.0.0.7".parse().unwrap()));
        assert!(!found.any_node);
        assert_eq!(service(json!({ "metadata": { "name": "web" }, "spec": { "type": "ClusterIP" } })), None);
    }
}

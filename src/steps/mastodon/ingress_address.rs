//! The ingress controller has an address of the pool, which any node takes traffic for.
//!
//! The addon's nginx listens on each node's own ports and has no Service; Traefik's chart makes one of type
//! `LoadBalancer` (traefik/traefik-helm-chart `values.yaml`, `service.type`), which is used as it is.

use std::net::Ipv4Addr;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::ingress_enabled::addon_wanted;
use super::{at_hand, both};
use crate::facts::Facts;
use crate::facts::mastodon::{INGRESS, IngressController, LoadBalancer};
use crate::inventory::model::Inventory;
use crate::kube::request;
use crate::plan::{Place, Verdict};
use crate::steps::{Context, Failure, RustStep};

/// A Service of type `LoadBalancer` selects the controller's pods and has its address.
pub struct IngressAddress;

/// The name of the Service homeprov makes: that of MicroK8s' own documentation of the `MetalLB` addon.
const NAME: &str = "ingress";

/// What is not as it should be with a Service that is there.
fn differs(entrance: &LoadBalancer, wanted: Option<Ipv4Addr>) -> Option<String> {
    if !entrance.any_node {
        return Some(format!("Service {INGRESS}/{} takes traffic only on nodes with a pod of its own", entrance.name));
    }
    let wanted = wanted?;
    (entrance.requested != Some(wanted))
        .then(|| format!("Service {INGRESS}/{} does not ask for {wanted}", entrance.name))
}

#[async_trait]
impl RustStep for IngressAddress {
    fn check(&self, inventory: &Inventory, facts: &Facts, _: &Place) -> Verdict {
        let (wanted, seen) = match both(inventory, facts) {
            Ok((wanted, _, seen)) => (wanted, seen),
            Err(verdict) => return verdict,
        };
        // Another controller's address is its installer's business; whether the site answers there is asked later.
        if !addon_wanted(wanted) {
            return Verdict::Holds;
        }
        if seen.ingress.controller.is_none() {
            return Verdict::unknown("ingress-enabled");
        }
        let Some(entrance) = seen.ingress.entrance() else {
            return Verdict::differs("no Service gives the ingress controller an address of the pool");
        };
        if let Some(why) = differs(entrance, wanted.ingress.address) {
            return Verdict::differs(why);
        }
        match (entrance.address, wanted.ingress.address) {
            (None, _) => Verdict::settling(waiting(&entrance.name, &seen.ingress.events)),
            (Some(is), Some(wanted)) if is != wanted => {
                Verdict::settling(format!("Service {INGRESS}/{} still has {is} instead of {wanted}", entrance.name))
            }
            (Some(_), _) => Verdict::Holds,
        }
    }

    async fn apply(&self, context: &Context) -> Result<(), Failure> {
        let (wanted, _, seen) = at_hand(context)?;
        let controller = seen.ingress.controller.as_ref().ok_or_else(|| Failure::failed("no ingress controller"))?;
        let client = context.api().await?;
        let entrance = seen.ingress.entrance();
        let name = entrance.map_or(NAME, |entrance| entrance.name.as_str());
        let path = format!("/api/v1/namespaces/{INGRESS}/services/{name}");
        match entrance {
            None => drop(request::apply(&client, &path, &service(controller, wanted.ingress.address)).await?),
            Some(entrance) => drop(request::merge(&client, &path, &change(entrance, wanted.ingress.address)).await?),
        }
        Ok(())
    }
}

/// Why there is no address, in `MetalLB`'s own words.
fn waiting(name: &str, events: &[String]) -> String {
    let mut text = format!("MetalLB has given Service {INGRESS}/{name} no address yet");
    if events.is_empty() {
        return text;
    }
    text.extend(events.iter().flat_map(|event| ["\n  event: ", event.as_str()]));
    text + "\n  what to do: `microk8s kubectl get services -A` shows who has the pool's addresses; make the pool larger, or free one"
}

fn service(controller: &IngressController, address: Option<Ipv4Addr>) -> Value {
    let mut spec = json!({
        "type": "LoadBalancer",
        "externalTrafficPolicy": "Cluster",
        "selector": controller.selector,
        "ports": [
            { "name": "http", "port": 80, "protocol": "TCP", "targetPort": controller.http },
            { "name": "https", "port": 443, "protocol": "TCP", "targetPort": controller.https },
        ],
    });
    // Every version of MetalLB takes the field; a Service with the field and an annotation gets no address at all
    // (metallb/metallb `controller/service.go`).
    if let Some(address) = address {
        spec["loadBalancerIP"] = json!(address);
    }
    json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {
            "name": NAME, "namespace": INGRESS, "labels": { "app.kubernetes.io/managed-by": "homeprov" },
        },
        "spec": spec,
    })
}

/// What changes a Service that somebody else made: the address by the means it is asked for there.
fn change(entrance: &LoadBalancer, address: Option<Ipv4Addr>) -> Value {
    let mut change = json!({ "spec": { "externalTrafficPolicy": "Cluster" } });
    match (address, &entrance.requested_by) {
        (Some(address), Some(annotation)) => {
            change["metadata"] = json!({ "annotations": { annotation.as_str(): address.to_string() } });
        }
        (Some(address), None) => change["spec"]["loadBalancerIP"] = json!(address),
        (None, _) => {}
    }
    change
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{facts, inventory, with};
    use super::*;

    fn check(facts: &Facts) -> Verdict {
        IngressAddress.check(&inventory(), facts, &Place::Cluster)
    }

    #[test]
    fn holds_with_an_address_and_is_made_without_a_service() {
        assert_eq!(check(&facts()), Verdict::Holds);
        let none = check(&with(|seen| seen.ingress.services.clear()));
        assert_eq!(none, Verdict::differs("no Service gives the ingress controller an address of the pool"));
    }

    #[test]
    fn without_an_address_metallb_is_quoted() {
        let text = check(&with(|seen| {
            seen.ingress.services[0].address = None;
            seen.ingress.events =
                vec!["AllocationFailed: Failed to allocate IP for \"ingress/ingress\": no available IPs".into()];
        }))
        .text();
        insta::assert_snapshot!(text);
    }

    #[test]
    fn the_wanted_address_is_asked_for_by_the_means_in_use() {
        let mut inventory = inventory();
        inventory.mastodon.as_mut().unwrap().ingress.address = Some([192, 168, 1, 245].into());
        let verdict = IngressAddress.check(&inventory, &facts(), &Place::Cluster);
        assert_eq!(verdict, Verdict::differs("Service ingress/ingress does not ask for 192.168.1.245"));
        let mut entrance = LoadBalancer::default();
        let wanted = Some([192, 168, 1, 245].into());
        assert_eq!(change(&entrance, wanted)["spec"]["loadBalancerIP"], "192.168.1.245");
        entrance.requested_by = Some("metallb.io/loadBalancerIPs".into());
        let changed = change(&entrance, wanted);
        assert_eq!(changed["metadata"]["annotations"]["metallb.io/loadBalancerIPs"], "192.168.1.245");
        assert_eq!(changed["spec"].get("loadBalancerIP"), None);
    }
}

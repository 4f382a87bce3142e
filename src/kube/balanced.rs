//! The Services of all namespaces that have an address outside of the cluster.

use k8s_openapi::api::core::v1::Service;
use kube::Client;
use kube::core::ObjectList;

use super::request::get;
use crate::facts::balanced::Balanced;

/// Reads them; a Service with several addresses is there several times.
pub async fn read(client: &Client) -> kube::Result<Vec<Balanced>> {
    let list: Option<ObjectList<Service>> = get(client, "/api/v1/services").await?;
    Ok(list.map(|list| list.items).unwrap_or_default().into_iter().flat_map(addresses).collect())
}

fn addresses(service: Service) -> Vec<Balanced> {
    let (namespace, name) = (service.metadata.namespace.unwrap_or_default(), service.metadata.name.unwrap_or_default());
    let given = service.status.and_then(|status| status.load_balancer?.ingress).unwrap_or_default();
    let addresses = given.into_iter().filter_map(|entry| entry.ip?.parse().ok());
    addresses.map(|address| Balanced { service: format!("{namespace}/{name}"), address }).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_was_given_counts() {
        let service = |value| addresses(serde_json::from_value(value).unwrap());
        let found = service(json!({
            "metadata": { "namespace": "ingress", "name": "ingress" }, "spec": { "type": "LoadBalancer" },
            "status": { "loadBalancer": { "ingress": [{ "ip": "10.0.0.7" }, { "ip": "fd00::7" }, { "hostname": "x" }] } },
        }));
        assert_eq!(found, [Balanced { service: "ingress/ingress".into(), address: [10, 0, 0, 7].into() }]);
        assert_eq!(service(json!({ "metadata": { "name": "web" }, "spec": { "externalIPs": ["10.0.0.9"] } })), []);
    }
}

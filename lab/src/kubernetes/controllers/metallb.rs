//! `MetalLB`: its controller gives addresses of pools to Services, its speakers announce them.

use std::net::Ipv4Addr;
use std::sync::Arc;

use serde_json::{Value, json};

use super::events::Note;
use super::is_ready;
use super::ranges::Range;
use crate::kubernetes::Kubernetes;
use crate::kubernetes::names::digest_hex;
use crate::kubernetes::selector::Labels;
use crate::kubernetes::store::Key;
use crate::kubernetes::types::{Announcement, Fault, Millis};
use crate::kubernetes::value::{at, list, remove, set, text};

pub(in crate::kubernetes) const NAMESPACE: &str = "metallb-system";
const GROUP: &str = "metallb.io";
/// Until the speakers agree that one of them is gone (memberlist).
const SILENCE: Millis = 5_000;
const ALLOCATED_FROM: &str = "/metadata/annotations/metallb.io~1ip-allocated-from-pool";

/// What the webhook says of a pool beside others: none, or why not (metallb/metallb `internal/config`).
pub(in crate::kubernetes) fn check_pool(pool: &Value, others: &[&Value]) -> Result<(), String> {
    let name = text(pool, "/metadata/name");
    let wrong = |why: String| format!("parsing address pool {name}: {why}");
    let addresses = list(pool, "/spec/addresses");
    if addresses.is_empty() {
        return Err(wrong("pool has no prefixes defined".to_owned()));
    }
    let mut seen: Vec<(Range, String, String)> = others
        .iter()
        .flat_map(|other| ranges(other).into_iter().map(|(range, text)| (range, text, name_of(other))))
        .collect();
    for address in addresses {
        let written = address.as_str().unwrap_or_default();
        let range = Range::parse(written)
            .map_err(|why| wrong(format!("invalid CIDR \"{written}\" in pool \"{name}\": {why}")))?;
        if let Some((_, other, of)) = seen.iter().find(|(other, ..)| other.overlaps(&range)) {
            return Err(format!(
                "CIDR \"{written}\" in pool \"{name}\" overlaps with already defined CIDR \"{other}\" in pool \"{of}\""
            ));
        }
        seen.push((range, written.to_owned(), name.to_owned()));
    }
    Ok(())
}

fn ranges(pool: &Value) -> Vec<(Range, String)> {
    let texts = list(pool, "/spec/addresses").iter().filter_map(Value::as_str);
    texts.filter_map(|text| Some((Range::parse(text).ok()?, text.to_owned()))).collect()
}

fn name_of(object: &Value) -> String {
    text(object, "/metadata/name").to_owned()
}

fn annotation<'a>(service: &'a Value, name: &str) -> &'a str {
    let of = |domain: &str| text(service, &format!("/metadata/annotations/{domain}~1{name}"));
    match of("metallb.io") {
        "" => of("metallb.universe.tf"),
        value => value,
    }
}

fn address_of(service: &Value) -> Option<Ipv4Addr> {
    text(service, "/status/loadBalancer/ingress/0/ip").parse().ok()
}

fn is_ours(service: &Value) -> bool {
    let class = text(service, "/spec/loadBalancerClass");
    text(service, "/spec/type") == "LoadBalancer" && (class.is_empty() || class == "metallb.io/metallb")
}

impl Kubernetes {
    pub(super) fn run_metallb(&mut self) {
        let controls = self.component("controller").next().is_some();
        for (key, service) in self.all_of("", "services") {
            if is_ours(&service) {
                if controls && address_of(&service).is_none() {
                    self.assign(&key, &service);
                }
            } else if controls && !list(&service, "/status/loadBalancer/ingress").is_empty() {
                self.edit(&key, |service| {
                    set(service, "/status/loadBalancer", json!({}));
                    remove(service, ALLOCATED_FROM);
                });
            }
        }
        self.announce();
    }

    /// The ready pods of a part of `MetalLB`.
    fn component(&self, name: &str) -> impl Iterator<Item = &Arc<Value>> {
        let pods = self.store.list("", "pods", Some(NAMESPACE)).map(|(_, pod)| pod);
        pods.filter(move |pod| text(pod, "/metadata/labels/component") == name && is_ready(pod))
    }

    fn pools(&self) -> Vec<Arc<Value>> {
        self.store.list(GROUP, "ipaddresspools", Some(NAMESPACE)).map(|(_, pool)| Arc::clone(pool)).collect()
    }

    fn assign(&mut self, key: &Key, service: &Value) {
        let uid = text(service, "/metadata/uid").to_owned();
        // As if nothing in the pool were left for this namespace.
        let refused = key.namespace == "ingress" && self.faults.contains(&Fault::NoIngressAddress);
        let allotted = if refused { Err("no available IPs".to_owned()) } else { self.allot(key, service) };
        match allotted {
            Ok((address, pool)) => {
                self.edit(key, |service| {
                    set(service, "/status/loadBalancer", json!({"ingress": [{"ip": address, "ipMode": "VIP"}]}));
                    set(service, ALLOCATED_FROM, pool);
                });
                self.reset(&uid, "refusal");
                let message = format!("Assigned IP [\"{address}\"]");
                self.note(
                    service,
                    &Note { kind: "Normal", reason: "IPAllocated", message: &message, component: "metallb-controller" },
                );
            }
            Err(why) => {
                // Said once, not at every look.
                if self.timers.insert((uid, "refusal"), Millis::MAX).is_none() {
                    let message = format!("Failed to allocate IP for \"{}/{}\": {why}", key.namespace, key.name);
                    self.note(
                        service,
                        &Note {
                            kind: "Warning",
                            reason: "AllocationFailed",
                            message: &message,
                            component: "metallb-controller",
                        },
                    );
                }
            }
        }
    }

    /// The address a Service may have, and the pool it comes from.
    fn allot(&self, key: &Key, service: &Value) -> Result<(Ipv4Addr, String), String> {
        let services = self.store.list("", "services", None);
        let taken: Vec<Ipv4Addr> =
            services.filter(|(other, _)| *other != key).filter_map(|(_, other)| address_of(other)).collect();
        let pools = self.pools();
        let wanted = match annotation(service, "loadBalancerIPs") {
            "" => text(service, "/spec/loadBalancerIP"),
            wanted => wanted,
        };
        if !wanted.is_empty() {
            let address: Ipv4Addr = wanted.parse().map_err(|_| format!("invalid spec.loadBalancerIP \"{wanted}\""))?;
            let pool = pools.iter().find(|pool| ranges(pool).iter().any(|(range, _)| range.contains(address)));
            let pool = pool.ok_or_else(|| format!("[\"{wanted}\"] is not allowed in config"))?;
            if taken.contains(&address) {
                return Err(format!(
                    "can't change sharing key for \"{}/{}\", address also in use by another service",
                    key.namespace, key.name
                ));
            }
            return Ok((address, name_of(pool)));
        }
        let named = annotation(service, "address-pool");
        if !named.is_empty() && !pools.iter().any(|pool| name_of(pool) == named) {
            return Err(format!("unknown pool \"{named}\""));
        }
        let fits = |pool: &&Arc<Value>| {
            if named.is_empty() { at(pool, "/spec/autoAssign") != false } else { name_of(pool) == named }
        };
        let free = |pool: &Arc<Value>| {
            let careful = at(pool, "/spec/avoidBuggyIPs") == true;
            let buggy = |address: Ipv4Addr| careful && [0, 255].contains(&address.octets()[3]);
            let mut all = ranges(pool).into_iter().flat_map(|(range, _)| range.addresses());
            all.find(|address| !taken.contains(address) && !buggy(*address)).map(|address| (address, name_of(pool)))
        };
        pools.iter().filter(fits).find_map(free).ok_or_else(|| "no available IPs".to_owned())
    }

    /// Keeps the record of who announces what, and says so when it changes.
    fn announce(&mut self) {
        let records = self.all_of(GROUP, "servicel2statuses");
        for (key, service) in self.all_of("", "services") {
            let record = records.iter().find(|(_, record)| {
                text(record, "/status/serviceName") == key.name
                    && text(record, "/status/serviceNamespace") == key.namespace
            });
            let before = record.map(|(_, record)| text(record, "/status/node").to_owned());
            let now = self.announcer(&service);
            if before == now {
                continue;
            }
            if let Some((record, _)) = record {
                self.erase(record);
            }
            if let Some(node) = now {
                self.record(&key, &node);
                let message = format!("announcing from node \"{node}\" with protocol \"layer2\"");
                self.note(
                    &service,
                    &Note { kind: "Normal", reason: "nodeAssigned", message: &message, component: "metallb-speaker" },
                );
            }
        }
        for (record_key, record) in records {
            let service =
                Key::core("services", text(&record, "/status/serviceNamespace"), text(&record, "/status/serviceName"));
            if self.store.get(&service).is_none() {
                self.erase(&record_key);
            }
        }
        self.wake_for_silence();
    }

    fn record(&mut self, service: &Key, node: &str) {
        let name = format!("l2-{}", crate::kubernetes::names::suffix(&mut self.rng, 5));
        self.make(
            GROUP,
            "servicel2statuses",
            json!({
            "metadata": {"name": name, "namespace": NAMESPACE, "labels": {"metallb.io/node": node,
                "metallb.io/service-name": service.name, "metallb.io/service-namespace": service.namespace}},
            "spec": {}, "status": {"node": node, "serviceName": service.name, "serviceNamespace": service.namespace}}),
        );
    }

    /// Comes back when the speakers will have noticed that one of them is gone.
    fn wake_for_silence(&mut self) {
        let nodes: Vec<String> = self.component("speaker").map(|pod| text(pod, "/spec/nodeName").to_owned()).collect();
        for node in nodes {
            if let Some(lost) = self.kubelets.lost(&node)
                && self.now < lost + SILENCE
            {
                self.wake_at(lost + SILENCE);
            }
        }
    }

    /// The node that announces a Service's address: every speaker sorts the candidates the same way.
    fn announcer(&self, service: &Value) -> Option<String> {
        if !is_ours(service) || self.faults.contains(&Fault::PoolNotAnnounced) {
            return None;
        }
        let address = address_of(service)?;
        let pool =
            self.pools().into_iter().find(|pool| ranges(pool).iter().any(|(range, _)| range.contains(address)))?;
        let ports = self.ports_of(service);
        let backends: Vec<&str> =
            ports.iter().flat_map(|port| &port.backends).map(|backend| backend.node.as_str()).collect();
        if backends.is_empty() {
            return None;
        }
        let local = text(service, "/spec/externalTrafficPolicy") == "Local";
        let alive = |node: &&str| self.kubelets.lost(node).is_none_or(|lost| self.now < lost + SILENCE);
        self.component("speaker")
            .map(|pod| text(pod, "/spec/nodeName"))
            .filter(alive)
            .filter(|node| !local || backends.contains(node))
            .filter(|node| self.advertised(&pool, node))
            .min_by_key(|node| digest_hex(&[format!("{node}#{address}").as_bytes()]))
            .map(str::to_owned)
    }

    /// Whether an advertisement covers the pool and the node.
    fn advertised(&self, pool: &Value, node: &str) -> bool {
        let Some(node) = self.store.get(&Key::core("nodes", "", node)) else { return false };
        if !text(node, "/metadata/labels/node.kubernetes.io~1exclude-from-external-load-balancers").is_empty() {
            return false;
        }
        let mut advertisements = self.store.list(GROUP, "l2advertisements", Some(NAMESPACE));
        advertisements.any(|(_, advertisement)| {
            let pools = list(advertisement, "/spec/ipAddressPools");
            let selectors = list(advertisement, "/spec/ipAddressPoolSelectors");
            let all = pools.is_empty() && selectors.is_empty();
            let covered = all
                || pools.contains(&pool["metadata"]["name"])
                || selectors.iter().any(|labels| Labels::of(labels).accept(pool));
            let nodes = list(advertisement, "/spec/nodeSelectors");
            covered && (nodes.is_empty() || nodes.iter().any(|labels| Labels::of(labels).accept(node)))
        })
    }

    /// What `MetalLB` announces on the network at this moment.
    pub fn announcements(&self) -> Vec<Announcement> {
        self.store
            .list("", "services", None)
            .filter_map(|(key, service)| {
                Some(Announcement {
                    address: address_of(service)?,
                    node: self.announcer(service)?,
                    namespace: key.namespace.clone(),
                    service: key.name.clone(),
                    ports: self.ports_of(service),
                })
            })
            .collect()
    }
}

//! What can be connected to, and what answers there.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use crate::kubernetes::{Announcement, HttpAnswer, IngressPort, Request, Response, Route, ServicePort, WatchId};

use super::{ClusterId, DATA, World};

/// What the TLS front of a machine's API server needs, in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiCertificates {
    /// The cluster's authority; client certificates are signed by it too.
    pub authority: String,
    /// The server's certificate.
    pub certificate: String,
    /// Its key.
    pub key: String,
}

/// An ingress controller as it can be reached at some port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Site {
    /// The cluster it belongs to.
    pub cluster: ClusterId,
    /// Which controller it is, and whether it speaks TLS there.
    pub port: IngressPort,
}

/// A TCP port of a load-balanced Service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Balanced {
    /// The address from the pool.
    pub address: Ipv4Addr,
    /// The Service's port.
    pub port: u16,
    /// The ingress controller behind it, where there is one.
    pub site: Option<Site>,
}

impl World {
    /// The machine with this address.
    pub fn machine_at(&self, address: Ipv4Addr) -> Option<String> {
        self.order.iter().find(|name| self.machines[*name].spec.address == address).cloned()
    }

    /// The TCP ports that are open on the machine's own address.
    pub fn listening(&self, machine: &str) -> BTreeSet<u16> {
        self.ports(machine, false)
    }

    /// The TCP ports that are open on the machine's 127.0.0.1.
    pub fn listening_local(&self, machine: &str) -> BTreeSet<u16> {
        self.ports(machine, true)
    }

    fn ports(&self, name: &str, local: bool) -> BTreeSet<u16> {
        let mut ports = BTreeSet::new();
        let Some(machine) = self.machines.get(name).filter(|machine| machine.powered) else {
            return ports;
        };
        let Some(snap) = &machine.microk8s else {
            return ports;
        };
        let worker = machine.is_worker();
        if snap.agent_ready {
            ports.insert(25_000);
        }
        if snap.kubelite_ready && !worker && self.dqlite_up(name) && !self.surroundings.api_is_away(self.now) {
            // The API server stops listening when its data store stays away, as kubelite then exits and starts again.
            ports.extend([16_443, 10_257, 10_259]);
        }
        if snap.kubelite_ready {
            ports.insert(10_250);
        }
        if worker && local && snap.active("apiserver-proxy") {
            ports.insert(16_443);
        }
        let member = snap.member.and_then(|id| self.cluster_of(name)?.member(id));
        if self.dqlite_up(name) && member.is_some_and(|member| local || !member.address.starts_with("127.")) {
            ports.insert(19_001);
        }
        if let Some(cluster) = self.cluster_of(name) {
            ports.extend(cluster.kubernetes.ingress_host_ports(&machine.hostname).into_iter().map(|(port, _)| port));
        }
        ports
    }

    /// Whether a TCP connection from machine `from` to `address`:`port` would be accepted.
    pub fn accepts(&self, from: &str, address: Ipv4Addr, port: u16) -> bool {
        if address.is_loopback() {
            return self.listening_local(from).contains(&port);
        }
        self.machine_at(address).is_some_and(|to| self.reach(from, &to) && self.listening(&to).contains(&port))
    }

    /// A request to the API server on `machine`, on a worker through its proxy. 503 while none can serve.
    pub fn api(&mut self, machine: &str, request: &Request) -> Response {
        let now = self.now;
        let serving = self.api_for(machine);
        let id = serving.and_then(|peer| self.machine(&peer).microk8s.as_ref()?.cluster);
        match id.and_then(|id| self.clusters.get_mut(&id)) {
            Some(cluster) => {
                cluster.changed |= request.method != "GET";
                let response = cluster.kubernetes.request(now, request);
                self.tick_clusters();
                response
            }
            None => Response {
                status: 503,
                content_type: "text/plain; charset=utf-8".to_owned(),
                body: b"service unavailable\n".to_vec(),
                watch: None,
            },
        }
    }

    /// New events of a watch opened through `machine`; `None` once the connection is gone.
    pub fn api_watch(&mut self, machine: &str, id: WatchId) -> Option<Vec<u8>> {
        let now = self.now;
        let peer = self.api_for(machine)?;
        let cluster = self.machine(&peer).microk8s.as_ref()?.cluster?;
        let kubernetes = &mut self.clusters.get_mut(&cluster)?.kubernetes;
        let events = kubernetes.watch(now, id);
        (!events.is_empty() || kubernetes.watching(id)).then_some(events)
    }

    /// Forgets a watch whose client has gone.
    pub fn close_watch(&mut self, machine: &str, id: WatchId) {
        let cluster = self.machines.get(machine).and_then(|machine| machine.microk8s.as_ref()?.cluster);
        if let Some(cluster) = cluster.and_then(|id| self.clusters.get_mut(&id)) {
            cluster.kubernetes.close_watch(id);
        }
    }

    /// What kube-proxy answers on `machine` itself: Services by their addresses and ports.
    pub fn routes(&self, machine: &str) -> Vec<Route> {
        let running = self
            .machines
            .get(machine)
            .and_then(|machine| machine.microk8s.as_ref())
            .is_some_and(|snap| snap.kubelite_ready);
        let cluster = self.cluster_of(machine).filter(|_| running);
        cluster.map_or_else(Vec::new, |cluster| cluster.kubernetes.routes())
    }

    /// What the TLS front on `machine` shows, read from the certificates on its disk.
    pub fn api_certificates(&self, machine: &str) -> Option<ApiCertificates> {
        // A worker's port is a proxy to a control plane's.
        let worker = self.machines.get(machine)?.is_worker();
        let machine = if worker { self.api_for(machine)? } else { machine.to_owned() };
        let machine = self.machines.get(&machine)?;
        let read = |file: &str| machine.text(&format!("{DATA}/certs/{file}"));
        Some(ApiCertificates { authority: read("ca.crt")?, certificate: read("server.crt")?, key: read("server.key")? })
    }

    /// The TCP ports of load-balanced Services: every node of the cluster answers there to itself, whether or not anybody
    /// announces the address. Without a ready pod behind it kube-proxy refuses.
    pub fn load_balanced(&self) -> Vec<Balanced> {
        let mut found = Vec::new();
        for cluster in self.clusters.values() {
            for route in cluster.kubernetes.routes() {
                let served = |port: &&ServicePort| port.protocol == "TCP" && !port.backends.is_empty();
                for port in route.ports.iter().filter(served) {
                    let site = port.ingress().map(|port| Site { cluster: cluster.id, port });
                    let on_network = route.addresses.iter().filter(|address| address.octets()[..3] == [10, 77, 0]);
                    found.extend(on_network.map(|address| Balanced { address: *address, port: port.port, site }));
                }
            }
        }
        found
    }

    /// The ports of the machine's own addresses that lead to an ingress controller.
    pub fn sites_at(&self, machine: &str) -> BTreeMap<u16, Site> {
        let (Some(cluster), Some(machine)) = (self.cluster_of(machine), self.machines.get(machine)) else {
            return BTreeMap::new();
        };
        let ports = cluster.kubernetes.ingress_host_ports(&machine.hostname);
        ports.into_iter().map(|(number, port)| (number, Site { cluster: cluster.id, port })).collect()
    }

    /// What the ingress controller of a site answers to a request for `path` of `host`; none when the cluster is gone.
    pub fn answer(&self, site: Site, host: &str, path: &str) -> Option<HttpAnswer> {
        let cluster = self.clusters.get(&site.cluster)?;
        Some(cluster.kubernetes.site_of(site.port.controller, host, path, site.port.https))
    }

    /// The certificate and the key, PEM, that the controller of a site shows a client that asks for `host`; none where that is
    /// one of its own making.
    pub fn site_certificate(&self, site: Site, host: &str) -> Option<(String, String)> {
        self.clusters.get(&site.cluster)?.kubernetes.site_certificate(site.port.controller, host)
    }

    /// The addresses of the pools that are announced on the home network now.
    pub fn announcements(&self) -> Vec<Announcement> {
        let serving = |id| self.machines_of(id).iter().any(|machine| self.api_up(machine));
        let clusters = self.clusters.values().filter(|cluster| serving(cluster.id));
        clusters.flat_map(|cluster| cluster.kubernetes.announcements()).collect()
    }
}

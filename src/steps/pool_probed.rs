//! An address of the pool is really announced: a probe Service gets one, ARP from nodes that do not announce it
//! finds one node's MAC address, and the controller connects when it is on that network.
//!
//! A connection from a node alone would prove nothing: kube-proxy answers there without any announcement. The
//! Service's backend is the cluster's own DNS over TCP, so that no image has to be pulled.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

use async_trait::async_trait;
use futures::future::join_all;
use k8s_openapi::api::core::v1::Service;
use serde_json::json;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use super::{Context, Failure, RustStep};
use crate::facts::record::{Record, fingerprint};
use crate::facts::{ClusterFacts, Facts};
use crate::inventory::model::{Inventory, Metallb, Node};
use crate::kube::{records, request};
use crate::plan::{Place, Verdict};
use crate::ssh::{Program, Purpose};

/// The record `pool` vouches for this pool on these nodes.
pub struct PoolProbed;

const RECORD: &str = "pool";
const SERVICE: &str = "/api/v1/namespaces/kube-system/services";
const NAME: &str = "homeprov-pool-probe";
/// How long the Service may wait for an address, and the address for its announcement.
const PATIENCE: Duration = Duration::from_secs(20);

/// What the record vouches for: the pool's ranges and the machines that may announce it.
fn vouches_for(metallb: &Metallb, cluster: &ClusterFacts) -> String {
    let ranges = metallb.pool.iter().map(|range| range.text.as_str());
    let nodes = cluster.nodes.values().map(|node| node.uid.as_str());
    fingerprint(ranges.chain(nodes))
}

/// The record of the last probe, when it still vouches for what is there.
pub fn valid_record<'a>(inventory: &Inventory, facts: &'a Facts) -> Option<&'a Record> {
    let (metallb, cluster) = (inventory.metallb.as_ref()?, facts.cluster.as_ref()?);
    cluster.records.get(RECORD).filter(|record| record.fingerprint == vouches_for(metallb, cluster))
}

#[async_trait]
impl RustStep for PoolProbed {
    fn check(&self, inventory: &Inventory, facts: &Facts, _: &Place) -> Verdict {
        if inventory.metallb.is_none() || valid_record(inventory, facts).is_some() {
            return Verdict::Holds;
        }
        let Some(cluster) = &facts.cluster else { return Verdict::unknown("members-joined") };
        match (&cluster.metallb, cluster.records.contains_key(RECORD)) {
            (None, _) => Verdict::unknown("metallb-enabled"),
            (Some(_), true) => Verdict::differs("the pool or the nodes have changed since it was probed"),
            (Some(_), false) => Verdict::differs("not probed yet"),
        }
    }

    async fn apply(&self, context: &Context) -> Result<(), Failure> {
        let client = context.api().await?;
        let found = probe(context, &client).await;
        request::delete(&client, &format!("{SERVICE}/{NAME}")).await?;
        let (evidence, not_tried) = found?;
        let (Some(metallb), Some(cluster)) = (&context.inventory.metallb, &context.facts.cluster) else {
            return Ok(());
        };
        let record =
            Record { fingerprint: vouches_for(metallb, cluster), at: jiff::Timestamp::now(), evidence, not_tried };
        record.evidence.iter().chain(&record.not_tried).for_each(|line| context.say(line));
        Ok(records::write(&client, RECORD, &record).await?)
    }
}

type Found = (Vec<String>, Vec<String>);

async fn probe(context: &Context, client: &kube::Client) -> Result<Found, Failure> {
    if !context.facts.cluster.as_ref().and_then(|cluster| cluster.dns).is_some_and(|(_, ready)| ready) {
        return Err(Failure::Busy { reason: "the cluster's DNS, the probe's backend, is not ready yet".to_owned() });
    }
    let address = expose(client).await?;
    let mut evidence = vec![format!("the probe Service got {address} from the pool")];
    let mut not_tried = Vec::new();
    arp(context, address, &mut evidence, &mut not_tried).await?;
    connect(context, address, &mut evidence, &mut not_tried).await?;
    Ok((evidence, not_tried))
}

/// Makes the Service and waits for its address.
async fn expose(client: &kube::Client) -> Result<IpAddr, Failure> {
    let object = json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": { "name": NAME, "namespace": "kube-system", "labels": { "app.kubernetes.io/managed-by": "homeprov" } },
        "spec": {
            "type": "LoadBalancer",
            "selector": { "k8s-app": "kube-dns" },
            "ports": [{ "name": "dns-tcp", "port": 53, "protocol": "TCP", "targetPort": 53 }],
        },
    });
    let path = format!("{SERVICE}/{NAME}");
    request::apply(client, &path, &object).await?;
    let since = Instant::now();
    loop {
        let service: Option<Service> = request::get(client, &path).await?;
        let ingress = service.and_then(|service| service.status?.load_balancer?.ingress).unwrap_or_default();
        if let Some(address) = ingress.iter().find_map(|entry| entry.ip.as_ref()?.parse().ok()) {
            return Ok(address);
        }
        if since.elapsed() > PATIENCE {
            return Err(Failure::NotVerified {
                reason: "MetalLB gave the probe Service no address: is the pool used up? `microk8s kubectl get services -A` shows who has one".to_owned(),
            });
        }
        sleep(Duration::from_millis(300)).await;
    }
}

/// One node's look: its own MAC address and who answers for the probed one.
struct Look {
    node: String,
    own: String,
    answers: BTreeSet<String>,
}

async fn arp(
    context: &Context,
    address: IpAddr,
    evidence: &mut Vec<String>,
    not_tried: &mut Vec<String>,
) -> Result<(), Failure> {
    let since = Instant::now();
    loop {
        let looks = look(context, address).await;
        let answers: BTreeSet<&String> = looks.iter().flat_map(|look| &look.answers).collect();
        match answers.iter().collect::<Vec<_>>().as_slice() {
            [mac] => {
                let asked: Vec<&str> =
                    looks.iter().filter(|look| !look.answers.is_empty()).map(|look| look.node.as_str()).collect();
                let Some(owner) = looks.iter().find(|look| look.own == ***mac) else {
                    return Err(foreign(address, mac));
                };
                evidence.push(format!(
                    "ARP from {} finds {address} at {mac}, which is {}",
                    asked.join(", "),
                    owner.node
                ));
                return Ok(());
            }
            [] if looks.len() < 2 => {
                not_tried.push("ARP was not tried: that takes a second node".to_owned());
                return Ok(());
            }
            [] if since.elapsed() > PATIENCE => {
                let asked: Vec<&str> = looks.iter().map(|look| look.node.as_str()).collect();
                return Err(Failure::NotVerified {
                    reason: format!(
                        "nobody announces {address}: ARP from {} finds nothing. Look at the speakers (`microk8s kubectl -n metallb-system logs ds/speaker`); ports 7946/tcp and udp must be open between the nodes",
                        asked.join(", ")
                    ),
                });
            }
            [] => sleep(Duration::from_millis(500)).await,
            several => {
                let macs: Vec<&str> = several.iter().map(|mac| mac.as_str()).collect();
                return Err(Failure::NotVerified {
                    reason: format!(
                        "{address} is answered for by more than one machine ({}): another device has an address of the pool. Take it out of the pool, and the pool out of the router's DHCP range",
                        macs.join(", ")
                    ),
                });
            }
        }
    }
}

fn foreign(address: IpAddr, mac: &str) -> Failure {
    Failure::NotVerified {
        reason: format!(
            "{address} is answered for by {mac}, which is none of the nodes: another device has an address of the pool. Take it out of the pool, and the pool out of the router's DHCP range"
        ),
    }
}

/// Asks every node that answers, all at once.
async fn look(context: &Context, address: IpAddr) -> Vec<Look> {
    let nodes: Vec<&Node> = context.facts.answering(&context.inventory).map(|(node, _)| node).collect();
    let looks = nodes.into_iter().map(|node| async move {
        let interface = context.facts.node(&node.name)?.interface_of(node.address)?.to_owned();
        let script = format!("ip -o link show dev {interface}; arping -c 2 -w 2 -I {interface} {address}; true");
        let answer = context.run(&node.name, Purpose::Probe, Program::Shell(script)).await.ok()?;
        let (own, answers) = macs(&answer.stdout);
        Some(Look { node: node.name.clone(), own, answers })
    });
    join_all(looks).await.into_iter().flatten().collect()
}

/// The interface's own MAC address (`link/ether aa:…`), and those that `arping` of iputils shows in brackets.
fn macs(output: &str) -> (String, BTreeSet<String>) {
    let own = output.split("link/ether ").nth(1).and_then(|rest| rest.split_whitespace().next()).unwrap_or_default();
    let replies = output.lines().filter(|line| line.contains("reply from"));
    let answers = replies.filter_map(|line| Some(line.split_once('[')?.1.split_once(']')?.0.to_lowercase()));
    (own.to_lowercase(), answers.collect())
}

/// Connects from this machine, when it is on the nodes' network.
async fn connect(
    context: &Context,
    address: IpAddr,
    evidence: &mut Vec<String>,
    not_tried: &mut Vec<String>,
) -> Result<(), Failure> {
    if !on_network(context, address) {
        not_tried.push("no connection from this machine was tried: it is not on the nodes' network".to_owned());
        return Ok(());
    }
    let target = SocketAddr::new(address, 53);
    let since = Instant::now();
    loop {
        match timeout(Duration::from_secs(3), TcpStream::connect(target)).await {
            Ok(Ok(_)) => {
                evidence.push(format!("this machine connects to {target}"));
                return Ok(());
            }
            _ if since.elapsed() < PATIENCE => sleep(Duration::from_millis(500)).await,
            Ok(Err(error)) => {
                return Err(Failure::NotVerified {
                    reason: format!("this machine cannot connect to {target}: {error}"),
                });
            }
            Err(_) => {
                return Err(Failure::NotVerified {
                    reason: format!("this machine cannot connect to {target}: no answer"),
                });
            }
        }
    }
}

/// Whether this machine would reach the address from an address of the nodes' /24, and so without a router.
pub fn on_network(context: &Context, address: IpAddr) -> bool {
    let own = || -> std::io::Result<IpAddr> {
        let socket = UdpSocket::bind("0.0.0.0:0")?;
        // No packet is sent: this only asks the kernel which way it would go.
        socket.connect((address, 53))?;
        Ok(socket.local_addr()?.ip())
    };
    let Ok(IpAddr::V4(own)) = own() else { return false };
    context.inventory.nodes.iter().any(|node| node.address.octets()[..3] == own.octets()[..3])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_arping_prints() {
        let output = "2: eth0: <BROADCAST> mtu 1500 \\    link/ether 02:00:0a:4d:00:0b brd ff:ff\nARPING 10.77.0.200 from 10.77.0.11 eth0\n\
                      Unicast reply from 10.77.0.200 [02:00:0A:4D:00:0C]  0.6ms\nSent 2 probes (1 broadcast(s))\nReceived 1 response(s)\n";
        let (own, answers) = macs(output);
        assert_eq!(own, "02:00:0a:4d:00:0b");
        assert_eq!(answers.into_iter().collect::<Vec<_>>(), ["02:00:0a:4d:00:0c"]);
    }
}

//! Reads a MicroK8s cluster that was made by hand, and writes the inventory that describes it. Nothing is changed anywhere:
//! no lock is taken, nothing is recorded, and what runs on a node is the fact probe alone.

mod cluster;
mod describe;
mod flux;
mod labels;
mod nodes;
mod site;
mod storage;
mod text;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

use futures::future::join_all;

use crate::error::{ExitCode, Failure};
use crate::facts::flux::FluxFacts;
use crate::facts::observe::observe;
use crate::facts::{ClusterFacts, NodeFacts, Observation};
use crate::inventory::model::{Cluster, Inventory, Node, NodeSsh, Role, Ssh, Storage};
use crate::kube;
use crate::kube::site::FoundSite;
use crate::playbook::model::Recipe;
use crate::ssh::Transport;

/// What the user wants read.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// Where machines of the cluster are.
    pub addresses: Vec<Ipv4Addr>,
    /// How they are reached.
    pub ssh: Ssh,
    /// What the cluster is to be called.
    pub name: Option<String>,
}

/// Makes the way to the machines of an inventory.
pub type Connect<'a> = dyn Fn(&Arc<Inventory>) -> Result<Arc<dyn Transport>, Failure> + Send + Sync + 'a;

/// Everything that was read.
struct Read {
    asked: Asked,
    /// What was seen at each address that was looked at.
    machines: BTreeMap<Ipv4Addr, Observation>,
    /// The cluster that is meant.
    found: cluster::Found,
    /// What its API says.
    cluster: ClusterFacts,
    flux: Option<FluxFacts>,
    site: Option<FoundSite>,
    /// What could not be read, a line each.
    unread: Vec<String>,
}

fn seen(observation: &Observation) -> Option<&NodeFacts> {
    match observation {
        Observation::Seen(seen) => Some(&seen.facts),
        Observation::Unreachable { .. } => None,
    }
}

/// Reads the cluster that is at these addresses; the text of its inventory. Refused where they are of two clusters.
pub async fn adopt(asked: &Asked, connect: &Connect<'_>) -> Result<String, Failure> {
    let inventory = provisional(asked, &asked.addresses);
    let transport = connect(&inventory)?;
    let read = Box::pin(read(asked, &inventory, &*transport)).await;
    transport.close().await;
    let mut read = read?;
    // The cluster has told of nodes that were not named.
    let others: Vec<Ipv4Addr> =
        nodes::addresses(&read).into_iter().filter(|address| !read.looked_at(*address)).collect();
    if !others.is_empty() {
        let inventory = provisional(asked, &others);
        let transport = connect(&inventory)?;
        let looks = look(&inventory, &*transport).await;
        transport.close().await;
        cluster::same(&read.found, &looks)?;
        read.machines.extend(looks);
    }
    Ok(describe::text(&read))
}

impl Read {
    /// Whether a node of this address was looked at, under this address or another one of its own.
    fn looked_at(&self, address: Ipv4Addr) -> bool {
        self.machines.contains_key(&address) || self.machines.values().filter_map(seen).any(|seen| has(seen, address))
    }
}

/// Whether a machine has an address.
fn has(seen: &NodeFacts, address: Ipv4Addr) -> bool {
    seen.interface_of(address).is_some()
}

/// An inventory of machines that are known by their addresses alone.
fn provisional(asked: &Asked, addresses: &[Ipv4Addr]) -> Arc<Inventory> {
    let node = |address: &Ipv4Addr| Node {
        name: address.to_string(),
        address: *address,
        role: Role::ControlPlane,
        failure_domain: None,
        labels: BTreeMap::new(),
        host_key: None,
        ssh: NodeSsh::default(),
    };
    Arc::new(Inventory {
        cluster: Cluster { name: "adopted".to_owned(), channel: String::new(), allow_two_control_planes: true },
        ssh: asked.ssh.clone(),
        nodes: addresses.iter().map(node).collect(),
        metallb: None,
        storage: Storage::default(),
        flux: None,
        mastodon: None,
    })
}

/// Looks at every machine, all at once.
async fn look(inventory: &Inventory, transport: &dyn Transport) -> BTreeMap<Ipv4Addr, Observation> {
    // Facts alone are wanted, no step's check.
    let recipe = Recipe::default();
    let recipe = &recipe;
    let looks = inventory
        .nodes
        .iter()
        .map(|node| async move { (node.address, observe(transport, inventory, recipe, node).await) });
    join_all(looks).await.into_iter().collect()
}

async fn read(asked: &Asked, inventory: &Inventory, transport: &dyn Transport) -> Result<Read, Failure> {
    let machines = look(inventory, transport).await;
    let found = cluster::found(&machines)?;
    let mut problems = Vec::new();
    for teller in &found.tellers {
        match Box::pin(read_through(*teller, &machines, transport)).await {
            Ok((cluster, flux, site, unread)) => {
                return Ok(Read { asked: asked.clone(), machines, found, cluster, flux, site, unread });
            }
            Err(problem) => problems.push(format!("{teller}: {problem}")),
        }
    }
    let text = format!("the API of the cluster could not be read:\n{}", problems.join("\n"));
    Err(Failure::new(ExitCode::Unreachable, text)
        .help("`microk8s status` on these machines shows what they say of themselves"))
}

type Told = (ClusterFacts, Option<FluxFacts>, Option<FoundSite>, Vec<String>);

async fn read_through(
    teller: Ipv4Addr,
    machines: &BTreeMap<Ipv4Addr, Observation>,
    transport: &dyn Transport,
) -> Result<Told, String> {
    let config = machines.get(&teller).and_then(seen).and_then(|seen| seen.kubeconfig.clone());
    let config = config.ok_or("it has no admin kubeconfig")?;
    let name = teller.to_string();
    let client = transport.kubernetes(&name, &config).await.map_err(|error| error.to_string())?;
    let cluster = Box::pin(kube::read::cluster(&client, &name, true)).await;
    let cluster = cluster.map_err(|error| kube::error::message(&error))?;
    let mut unread = Vec::new();
    let flux = Box::pin(kube::flux::read(&client)).await.unwrap_or_else(|error| {
        unread.push(format!("Flux could not be read: {}", kube::error::message(&error)));
        None
    });
    let site = Box::pin(kube::site::read(&client)).await.unwrap_or_else(|error| {
        unread.push(format!("whether there is a Mastodon could not be read: {}", kube::error::message(&error)));
        None
    });
    Ok((cluster, flux, site, unread))
}

#[cfg(test)]
mod tests;

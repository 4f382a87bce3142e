//! The looks of a drill: at the cluster through the API servers that stay, at the site through its address, and at everything.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use k8s_openapi::api::core::v1::Node;
use kube::Client;
use kube::core::ObjectList;
use tokio::time::{Instant, sleep, timeout};

use crate::drill::watch::{Sample, Writable};
use crate::facts::stuck::StuckPod;
use crate::facts::{Facts, gather};
use crate::inventory::model::Mastodon;
use crate::kube::request::get;
use crate::kube::{storage::jiva, stuck_pods};
use crate::mastodon::{Way, site};
use crate::playbook::model::Recipe;
use crate::steps::Context;
use crate::steps::drill::{moves, waits};
use crate::steps::mastodon::site_answers;
use crate::steps::pool_probed::on_network;

/// An API server that gives no answer in this time does not answer.
const ANSWER: Duration = Duration::from_secs(3);
/// How often the site is asked.
const ASK: Duration = Duration::from_secs(1);

/// What is looked at while a node is away.
pub(super) struct Sight<'a> {
    context: &'a Context,
    node: &'a str,
    /// Clients of the control planes that stay.
    clients: Vec<Client>,
    site: Mutex<Option<bool>>,
    asks: bool,
}

/// Everything as it is now, without a word on who does not answer, and without what only the preparation asks for.
pub(super) async fn quietly(context: &Context) -> Facts {
    let inventory = &context.inventory;
    let mut facts = Facts { mending: None, ..Facts::clone(&context.facts) };
    let names: Vec<String> = inventory.nodes.iter().map(|node| node.name.clone()).collect();
    gather::nodes(&*context.transport, inventory, &Recipe::default(), &names, &mut facts).await;
    Box::pin(gather::cluster(&*context.transport, inventory, &mut facts)).await;
    facts
}

/// The pods that can run elsewhere and are ready, by namespace.
pub(super) fn ready_pods<'a>(pods: impl Iterator<Item = &'a StuckPod>) -> BTreeMap<String, usize> {
    let mut ready = BTreeMap::new();
    for pod in pods.filter(|pod| moves(pod) && pod.ready) {
        *ready.entry(pod.namespace.clone()).or_default() += 1;
    }
    ready
}

impl<'a> Sight<'a> {
    /// Opens the ways to the API servers of all other control planes.
    pub(super) async fn open(context: &'a Context, node: &'a str) -> Self {
        let mut clients = Vec::new();
        let others = context.inventory.control_planes().filter(|other| other.name != node);
        for other in others {
            let config = context.facts.node(&other.name).and_then(|seen| seen.kubeconfig.clone());
            let Some(config) = config else { continue };
            if let Ok(client) = context.transport.kubernetes(&other.name, &config).await {
                clients.push(client);
            }
        }
        Self { context, node, clients, site: Mutex::new(None), asks: true }
    }

    /// One look, `at` after the node was taken away.
    pub(super) async fn sample(&self, at: Duration) -> Sample {
        let site = *self.site.lock().unwrap_or_else(PoisonError::into_inner);
        for client in &self.clients {
            if let Ok(Ok(sample)) = timeout(ANSWER, self.through(client)).await {
                return Sample { at, site, ..sample };
            }
        }
        Sample { at, site, ..Sample::default() }
    }

    async fn through(&self, client: &Client) -> kube::Result<Sample> {
        let path = format!("/api/v1/nodes/{}", self.node);
        let (node, volumes, pods, _) = futures::try_join!(
            get::<Node>(client, &path),
            jiva::volumes(client),
            stuck_pods::read(client),
            get::<ObjectList<Node>>(client, "/api/v1/nodes?limit=1"),
        )?;
        let conditions = node.and_then(|node| node.status?.conditions).unwrap_or_default();
        let name = |id: &str| {
            let claim = self.context.facts.cluster.as_ref().and_then(|cluster| cluster.storage.user_claim_of(id));
            claim.map(|claim| format!("{}/{}", claim.namespace, claim.name))
        };
        // A volume that was not there before, or is nobody's, is none that is missed.
        let volumes = volumes.unwrap_or_default().into_iter().filter_map(|(id, volume)| {
            let of = usize::try_from(volume.replication_factor).unwrap_or_default();
            Some((name(&id)?, Writable { working: volume.working(), of, writable: volume.status == "RW" }))
        });
        let on_node = |pod: &&StuckPod| pod.node.as_deref() == Some(self.node);
        let lingering: Vec<&StuckPod> = pods.iter().filter(on_node).filter(|pod| waits(pod)).collect();
        Ok(Sample {
            api: true,
            ready: conditions.iter().any(|condition| condition.type_ == "Ready" && condition.status == "True"),
            volumes: volumes.collect(),
            pods: ready_pods(pods.iter().filter(|pod| !on_node(pod))),
            given_up: lingering.iter().all(|pod| pod.ends_at.is_some()),
            lingering: lingering.into_iter().map(StuckPod::shown).collect(),
            ..Sample::default()
        })
    }

    /// Whether the site answers before anything is done to it; none where there is none. One that does not is not asked again.
    pub(super) async fn answers_now(&mut self) -> Option<bool> {
        let (way, address, wanted) = self.way()?;
        for _ in 0..3 {
            if self.answers(way, address, wanted).await {
                return Some(true);
            }
            sleep(ASK).await;
        }
        self.asks = false;
        Some(false)
    }

    /// Asks the site, again and again; returns at once where there is none.
    pub(super) async fn ask_site(&self) {
        let Some((way, address, wanted)) = self.way().filter(|_| self.asks) else { return };
        loop {
            let began = Instant::now();
            let answers = self.answers(way, address, wanted).await;
            *self.site.lock().unwrap_or_else(PoisonError::into_inner) = Some(answers);
            sleep(ASK.saturating_sub(began.elapsed())).await;
        }
    }

    /// How the site is asked: from here where this machine is on its network, else from a node that stays.
    fn way(&self) -> Option<(Way<'_>, IpAddr, &Mastodon)> {
        let wanted = self.context.inventory.mastodon.as_ref()?;
        let address = site_answers::address(&self.context.facts)?;
        let here = on_network(self.context, address);
        let via = self
            .context
            .inventory
            .nodes
            .iter()
            .find(|other| other.name != self.node && self.context.facts.node(&other.name).is_some());
        let way = match via {
            Some(other) if !here => Way::Node(&*self.context.transport, &other.name),
            _ => Way::Here,
        };
        Some((way, address, wanted))
    }

    async fn answers(&self, way: Way<'_>, address: IpAddr, wanted: &Mastodon) -> bool {
        timeout(ANSWER, site::alive_at(way, address, wanted)).await.unwrap_or(false)
    }
}

//! The looks of a run at the world.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::time::{Duration, Instant};

use super::Run;
use crate::engine::event::Event;
use crate::engine::session::Session;
use crate::facts::observe::observe;
use crate::facts::{Observation, gather, here, repository};
use crate::plan::Place;

/// How long what the Git server said may stand while nothing is changed: it is asked politely.
const REPOSITORY: Duration = Duration::from_secs(10);

impl Run<'_> {
    /// Something is being changed: what was observed before does not count any longer.
    pub(super) fn changed(&mut self) {
        self.fresh = false;
        self.thorough = false;
    }

    /// Observes places: nodes alone where only nodes are meant, everything for the cluster. The API is read either way.
    pub(super) async fn observe(&mut self, places: &BTreeSet<Place>) {
        if places.contains(&Place::Cluster) {
            return self.observe_all().await;
        }
        let names = places.iter().filter_map(|place| match place {
            Place::Node(node) => Some(node.clone()),
            Place::Cluster => None,
        });
        let names: Vec<String> = names.collect();
        let everything = names.len() == self.session.inventory.nodes.len();
        self.look(names, false).await;
        self.fresh = everything && self.flying.is_empty();
        self.thorough = self.fresh && self.sought.is_empty();
    }

    /// Reads the API again, after nodes have been looked at one by one.
    pub(super) async fn observe_cluster(&mut self) {
        self.look(Vec::new(), false).await;
        self.fresh = self.session.inventory.nodes.len() == 1 && self.flying.is_empty();
        self.thorough = self.fresh && self.sought.is_empty();
    }

    /// Observes every node that answers; those that do not are searched for meanwhile.
    pub(super) async fn observe_all(&mut self) {
        self.look(self.names(), false).await;
        self.fresh = self.flying.is_empty();
        self.thorough = self.fresh && self.sought.is_empty();
    }

    /// Observes every node and waits for those that did not answer, too: before anything is concluded.
    pub(super) async fn observe_thoroughly(&mut self) {
        self.look(self.names(), true).await;
        self.fresh = self.flying.is_empty();
        self.thorough = self.fresh;
    }

    fn names(&self) -> Vec<String> {
        self.session.inventory.nodes.iter().map(|node| node.name.clone()).collect()
    }

    async fn look(&mut self, mut names: Vec<String>, patiently: bool) {
        let Session { inventory, recipe, transport, state, .. } = self.session;
        if !patiently {
            self.search();
            names.retain(|name| self.facts.unreachable(name).is_none());
        }
        let before = self.facts.clone();
        self.observations += names.len();
        self.facts.recorded_here = here::read(state, &inventory.cluster.name);
        let before_repository = self.facts.repository.clone();
        let now = Instant::now();
        // A restore has nothing to do with Git.
        let due = (patiently || now >= self.repository_due) && self.session.restore.is_none();
        let manner = self.session.manner();
        let repository = async {
            if due {
                Box::pin(repository::read(inventory, state, &manner, before_repository.as_ref())).await
            } else {
                before_repository.clone()
            }
        };
        let nodes = gather::nodes(&**transport, inventory, recipe, &names, &mut self.facts);
        let (repository, ()) = tokio::join!(repository, nodes);
        self.facts.repository = repository;
        if due {
            self.repository_due = now + REPOSITORY;
        }
        gather::cluster(&**transport, inventory, &mut self.facts).await;
        for name in &names {
            self.noticed(name, before.unreachable(name));
        }
        for message in crate::steps::warnings(inventory, &self.facts) {
            if self.warned.insert(message.clone()) {
                self.session.tell(Event::Warning { node: None, message });
            }
        }
    }

    /// Starts to search for the nodes that do not answer, one search a node.
    fn search(&mut self) {
        let Session { inventory, recipe, transport, .. } = self.session;
        for node in &inventory.nodes {
            if self.facts.unreachable(&node.name).is_none() || !self.sought.insert(node.name.clone()) {
                continue;
            }
            let (inventory, recipe, transport) = (Arc::clone(inventory), Arc::clone(recipe), Arc::clone(transport));
            let node = node.clone();
            self.observations += 1;
            self.searching.spawn(async move {
                let observation = observe(&*transport, &inventory, &recipe, &node).await;
                (node.name, observation)
            });
        }
    }

    /// What a search came to. A node that is back changes what can be said of the cluster.
    pub(super) fn searched(&mut self, node: &str, observation: Observation) {
        self.sought.remove(node);
        if matches!(observation, Observation::Unreachable { .. }) && self.facts.node(node).is_some() {
            // It was seen while this search was still waiting.
            return;
        }
        self.saw(node, observation);
        if self.facts.unreachable(node).is_none() {
            self.changed();
        }
    }

    /// Takes in what one node was seen to be.
    pub(super) fn saw(&mut self, node: &str, observation: Observation) {
        let before = self.facts.nodes.insert(node.to_owned(), observation);
        self.facts.observed_at = jiff::Timestamp::now();
        let reason = match &before {
            Some(Observation::Unreachable { reason, .. }) => Some(reason.as_str()),
            _ => None,
        };
        self.noticed(node, reason);
    }

    /// Tells of a node that does not answer, once.
    fn noticed(&mut self, name: &str, before: Option<&str>) {
        match self.facts.unreachable(name) {
            None => {
                self.met.insert(name.to_owned());
                if let Some(keeper) = &self.keeper {
                    keeper.also(name);
                }
            }
            Some(_) if self.facts.is_dead(name) => {}
            Some(reason) if Some(reason) != before => {
                let event = Event::Unreachable { node: name.to_owned(), reason: reason.to_owned() };
                if before.is_none() {
                    self.moved = Instant::now();
                }
                self.session.tell(event);
            }
            Some(_) => {}
        }
    }
}

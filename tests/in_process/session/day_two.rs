//! The commands for a cluster that is there, and `adopt`.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use homeprov::adopt::{self, Asked};
use homeprov::engine::event::Event;
use homeprov::engine::{self, Outcome, Session};
use homeprov::error::Failure;
use homeprov::facts::Departing;
use homeprov::inventory::Inventory;
use homeprov::repair::Report;
use homeprov::ssh::Transport;
use homeprov::steps;
use homeprov::steps::repair::Ask;
use tokio::sync::mpsc::{self, UnboundedReceiver};
use tokio::time::timeout;

use super::inventories::recipe_of;
use super::ran::{apart, drain, tail};
use super::{House, LONGEST, Ran};
use crate::adapter::WorldTransport;

impl House {
    /// `homeprov adopt`, and what it told of connections.
    pub async fn adopt(&self, addresses: &[Ipv4Addr]) -> (Result<String, Failure>, Vec<Event>) {
        let (events, mut received) = mpsc::unbounded_channel();
        let connect = |inventory: &Arc<Inventory>| -> Result<Arc<dyn Transport>, Failure> {
            Ok(Arc::new(WorldTransport::new(&self.lab, inventory, events.clone(), self.login)))
        };
        let asked = Asked { addresses: addresses.to_vec(), ..Asked::default() };
        let text = adopt::adopt(&asked, &connect).await;
        (text, drain(&mut received))
    }

    /// A run of `homeprov remove`, as the command begins it: the departing node comes last, so that another one is the seed.
    fn removal(&self, departing: Departing) -> (Session, UnboundedReceiver<Event>) {
        let (mut session, received) = self.session(recipe_of("remove"));
        let mut inventory = Inventory::clone(&self.inventory);
        inventory.nodes.sort_by_key(|node| node.name == departing.name);
        session.inventory = Arc::new(inventory);
        session.departing = Some(departing);
        (session, received)
    }

    /// `homeprov remove`, once it was agreed to, up to the change of the inventory.
    pub async fn remove(&self, departing: Departing) -> Ran {
        self.command_to_the_end("remove", self.removal(departing)).await
    }

    /// The same, killed when it has reported so many events, unless it has ended by then.
    pub async fn remove_events(&self, departing: Departing, most: usize) {
        Self::killed("remove", self.removal(departing), most).await;
    }

    /// A run of `homeprov upgrade`, as the command begins it: with the channel that the inventory is to name.
    fn upgrading(&self, channel: &str) -> (Session, UnboundedReceiver<Event>) {
        let (mut session, received) = self.session(recipe_of("upgrade"));
        let mut inventory = Inventory::clone(&self.inventory);
        channel.clone_into(&mut inventory.cluster.channel);
        session.inventory = Arc::new(inventory);
        // Scripts are rendered from it.
        session.transport =
            Arc::new(WorldTransport::new(&self.lab, &session.inventory, session.events.clone(), self.login));
        (session, received)
    }

    /// `homeprov upgrade`, once it was agreed to, up to the change of the inventory; every event is shown to `meets`.
    pub async fn upgrade(&self, channel: &str, meets: impl FnMut(&Event)) -> Ran {
        self.meeting("upgrade", self.upgrading(channel), meets).await
    }

    /// The same with less patience: what goes wrong for so long has failed.
    pub async fn upgrade_within(&self, channel: &str, limit: Duration, meets: impl FnMut(&Event)) -> Ran {
        let (mut session, received) = self.upgrading(channel);
        Arc::make_mut(&mut session.recipe).steps.iter_mut().for_each(|step| step.limit = limit);
        self.meeting("upgrade", (session, received), meets).await
    }

    /// The same, killed when it has reported so many events, unless it has ended by then.
    pub async fn upgrade_events(&self, channel: &str, most: usize) {
        Self::killed("upgrade", self.upgrading(channel), most).await;
    }

    /// `homeprov reset`, once it was agreed to.
    pub async fn reset(&self) -> Ran {
        let (mut session, received) = self.session(recipe_of("reset"));
        // The name that was typed says yes to that, too.
        session.takeover = Some(Arc::new(|_| true));
        self.command_to_the_end("reset", (session, received)).await
    }

    /// `homeprov repair`; how the questions are answered is told by `ask`. Without it there is nobody to ask.
    pub async fn repair(&self, ask: Option<Ask>) -> (Result<Report, Outcome>, Outcome, Vec<Event>) {
        let (mut session, mut received) = self.session(recipe_of("repair"));
        session.repair = ask;
        let ended = timeout(LONGEST, engine::repair(&session)).await;
        let events = drain(&mut received);
        let Ok(ended) = ended else { panic!("it did not end within {LONGEST:?}; its end:\n{}", tail(&events)) };
        let (report, outcome) = apart(ended);
        (report, outcome, events)
    }

    /// What `homeprov remove` says it costs.
    pub async fn losses(&self, departing: Departing) -> Vec<String> {
        let (session, _received) = self.removal(departing);
        let (_, facts) = engine::preview(&session).await.expect("nobody interrupts it");
        steps::departure::losses(&session.inventory, &session.inventory, &facts).lines()
    }
}

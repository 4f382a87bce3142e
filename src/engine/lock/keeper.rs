//! Renews the leases of a run while it goes on.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, interval_at, timeout};

use super::{Held, Holder, LEASE, Taken, leave, take, take_one};
use crate::ssh::Transport;

/// How long giving the leases back may take: they run out by themselves.
const PARTING: Duration = Duration::from_secs(5);

/// The leases of one run.
pub(in crate::engine) struct Keeper {
    transport: Arc<dyn Transport>,
    me: Holder,
    nodes: Arc<Mutex<BTreeSet<String>>>,
    renewing: JoinHandle<()>,
}

impl Keeper {
    /// Takes the leases of nodes and renews them from now on. `by_force` takes them from anybody. When somebody else takes one
    /// away, `lost` is told.
    pub(in crate::engine) async fn take(
        transport: &Arc<dyn Transport>,
        nodes: &[String],
        me: &Holder,
        by_force: bool,
        lost: watch::Sender<Option<Held>>,
    ) -> Result<(Self, Taken), Held> {
        let taken = match take(&**transport, nodes, me, if by_force { "*" } else { "" }).await {
            Ok(taken) => taken,
            Err(held) => {
                leave(&**transport, nodes, me).await;
                return Err(held);
            }
        };
        let nodes: Arc<Mutex<BTreeSet<String>>> = Arc::new(Mutex::new(nodes.iter().cloned().collect()));
        let renewing = tokio::spawn(renew(Arc::clone(transport), me.clone(), Arc::clone(&nodes), lost));
        Ok((Self { transport: Arc::clone(transport), me: me.clone(), nodes, renewing }, taken))
    }

    /// A node answers that did not before: its lease is taken with the next renewal.
    pub(in crate::engine) fn also(&self, node: &str) {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner).insert(node.to_owned());
    }

    /// Gives the leases back.
    pub(in crate::engine) async fn leave(self) {
        self.renewing.abort();
        let nodes = names(&self.nodes);
        let _ = timeout(PARTING, leave(&*self.transport, &nodes, &self.me)).await;
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.renewing.abort();
    }
}

/// Waits until a lease was taken away; forever otherwise.
pub(in crate::engine) async fn taken_away(mut lost: watch::Receiver<Option<Held>>) -> Held {
    match lost.wait_for(Option::is_some).await.map(|held| held.clone()) {
        Ok(Some(held)) => held,
        _ => std::future::pending().await,
    }
}

fn names(nodes: &Mutex<BTreeSet<String>>) -> Vec<String> {
    nodes.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
}

/// Renews each node's lease in time, whatever the others do: one that does not answer must not let another's run out.
async fn renew(
    transport: Arc<dyn Transport>,
    me: Holder,
    nodes: Arc<Mutex<BTreeSet<String>>>,
    tell: watch::Sender<Option<Held>>,
) {
    let mut clock = interval_at(Instant::now() + LEASE / 3, LEASE / 3);
    let mut asking = JoinSet::new();
    let mut asked: BTreeSet<String> = BTreeSet::new();
    loop {
        tokio::select! {
            _ = clock.tick() => {
                for node in names(&nodes) {
                    if asked.insert(node.clone()) {
                        let (transport, me) = (Arc::clone(&transport), me.clone());
                        asking.spawn(async move {
                            let taken = take_one(&*transport, &node, &me, "").await;
                            (node, taken)
                        });
                    }
                }
            }
            Some(done) = asking.join_next() => match done {
                Ok((_, Err(held))) => {
                    tell.send_replace(Some(held));
                    return;
                }
                Ok((node, Ok(_))) => _ = asked.remove(&node),
                // A fault of homeprov: asked anew at the next tick.
                Err(_) => asked.clear(),
            }
        }
    }
}

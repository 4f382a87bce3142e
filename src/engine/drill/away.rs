//! The time without the node: it goes, and the cluster, the site and the canary are watched.

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use super::EVERY;
use super::canary::{self, Read};
use super::halt::Halt;
use super::look::Sight;
use crate::drill::{How, Watch};
use crate::steps::drill as hands;
use crate::steps::{Context, Failure};
use crate::storage::Rehearsal;

/// How long a node is away at the most: pods move after 340 s, and come up.
const AWAY: Duration = Duration::from_secs(15 * 60);
/// The same of one that is cut off: less than its own timer, and than its pods tolerate.
const CUT: Duration = Duration::from_secs(240);

/// What is seen, to be written and read by turns.
pub(super) fn locked(watch: &Mutex<Watch>) -> MutexGuard<'_, Watch> {
    watch.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Goes on looking at the cluster and the site, while the node comes back.
pub(super) async fn look_on(sight: &Sight<'_>, watch: &Mutex<Watch>, began: Instant) -> Infallible {
    let looks = async {
        loop {
            let look = Instant::now();
            let sample = sight.sample(began.elapsed()).await;
            locked(watch).take(&sample);
            sleep(EVERY.saturating_sub(look.elapsed())).await;
        }
    };
    tokio::join!(sight.ask_site(), looks).1
}

/// The node goes; the cluster, the site and the canary are watched until all has come about that is waited for, or the drill is
/// to end. A node that is just being taken away is so first: the order to come back must not overtake the one to go.
pub(super) async fn away(
    context: &Context,
    sight: &Sight<'_>,
    watch: &Mutex<Watch>,
    written: Option<&Rehearsal>,
    (node, how): (&str, How),
    (began, halt): (Instant, &Halt),
) -> (Result<(), Failure>, Read) {
    let (noticed, gone, read) = (Notify::new(), AtomicBool::new(false), AtomicBool::new(written.is_none()));
    let limit = if how == How::Network { CUT } else { AWAY };
    let taking = async {
        let taken = hands::take_away(context, node, how).await;
        gone.store(true, Ordering::SeqCst);
        taken
    };
    let reading = async {
        let written = written?;
        noticed.notified().await;
        let result = canary::read(context, written, node).await;
        read.store(true, Ordering::SeqCst);
        Some((began.elapsed(), result))
    };
    let watching = async {
        let (mut told, mut waiting) = (false, false);
        loop {
            let look = Instant::now();
            let sample = sight.sample(began.elapsed()).await;
            let (saw, complete, waits) = {
                let mut watch = locked(watch);
                watch.take(&sample);
                (watch.noticed(), watch.complete(how != How::Network), watch.waits_for_the_node())
            };
            if saw {
                if !told {
                    context.say(format!("the cluster has noticed after {} s", began.elapsed().as_secs()));
                    told = true;
                }
                noticed.notify_one();
            }
            if waits && !complete && !waiting {
                context.say(format!("the rest waits for {node}: {}", sample.lingering.join(", ")));
                waiting = true;
            }
            let done = (complete || waits) && read.load(Ordering::SeqCst);
            if gone.load(Ordering::SeqCst) && done || began.elapsed() > limit {
                return;
            }
            sleep(EVERY.saturating_sub(look.elapsed())).await;
        }
    };
    let mut read_as = None;
    let mut taken = Ok(());
    {
        let site = sight.ask_site();
        let (mut taking, mut reading, mut watching, mut site) =
            (std::pin::pin!(taking), std::pin::pin!(reading), std::pin::pin!(watching), std::pin::pin!(site));
        let (mut took, mut finished, mut asked, mut stopped) = (false, false, false, false);
        loop {
            tokio::select! {
                result = &mut taking, if !took => {
                    took = true;
                    let failed = result.is_err();
                    taken = result;
                    if failed || stopped {
                        break;
                    }
                }
                _ = halt.wait(), if !stopped => {
                    stopped = true;
                    if took {
                        break;
                    }
                }
                result = &mut reading, if !finished => {
                    finished = true;
                    read_as = result;
                }
                () = &mut site, if !asked => asked = true,
                () = &mut watching => break,
            }
        }
    }
    (taken, read_as)
}

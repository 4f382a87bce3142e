//! Hands the events of a run to its reporters, on a thread of its own: a reader of our output who does not read
//! stops that thread, never the engine.

use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{mpsc::UnboundedReceiver, oneshot};
use tokio::time::MissedTickBehavior;

use super::Reporter;
use crate::engine::event::Event;

/// How often time passes for reporters.
const TICK: Duration = Duration::from_millis(100);

/// Above this many events not yet reported, the lines that steps print are dropped.
const BACKLOG: usize = 10_000;

/// The reporters at work.
#[derive(Debug)]
pub struct Relay(oneshot::Receiver<()>);

impl Relay {
    /// Waits until every event sent has been reported; it ends after the last sender is gone.
    pub async fn finished(self) {
        // An error means that a reporter panicked; its message is on standard error already.
        let _ = self.0.await;
    }
}

/// Starts to hand what comes from `events` to every reporter, in their order.
pub fn spawn(mut reporters: Vec<Box<dyn Reporter>>, mut events: UnboundedReceiver<Event>) -> Relay {
    let (done, relay) = oneshot::channel();
    std::thread::spawn(move || {
        // A clock is all this thread needs; without one it still reports, only that time stands still between events.
        match tokio::runtime::Builder::new_current_thread().enable_time().build() {
            Ok(runtime) => runtime.block_on(relay_all(&mut reporters, &mut events)),
            Err(_) => {
                while let Some(event) = events.blocking_recv() {
                    hand_over(&mut reporters, &event, events.len());
                }
            }
        }
        for reporter in &mut reporters {
            reporter.finish();
        }
        let _ = done.send(());
    });
    Relay(relay)
}

async fn relay_all(reporters: &mut [Box<dyn Reporter>], events: &mut UnboundedReceiver<Event>) {
    let mut clock = tokio::time::interval(TICK);
    clock.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            biased;
            event = events.recv() => match event {
                Some(event) => hand_over(reporters, &event, events.len()),
                None => return,
            },
            _ = clock.tick() => {
                let now = Timestamp::now();
                for reporter in reporters.iter_mut() {
                    reporter.tick(now);
                }
            }
        }
    }
}

fn hand_over(reporters: &mut [Box<dyn Reporter>], event: &Event, backlog: usize) {
    if backlog > BACKLOG && matches!(event, Event::StepOutput { .. }) {
        return;
    }
    let now = Timestamp::now();
    for reporter in reporters.iter_mut() {
        reporter.event(now, event);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Instant;

    use tokio::sync::mpsc::unbounded_channel;

    use super::*;

    struct Stuck(mpsc::Receiver<()>, mpsc::Sender<usize>, usize);

    impl Reporter for Stuck {
        fn event(&mut self, _at: Timestamp, _event: &Event) {
            if self.2 == 0 {
                let _ = self.0.recv();
            }
            self.2 += 1;
        }

        fn finish(&mut self) {
            let _ = self.1.send(self.2);
        }
    }

    fn output() -> Event {
        Event::StepOutput { step: "s".into(), place: crate::plan::Place::Cluster, line: "l".into() }
    }

    #[tokio::test]
    async fn a_stuck_reporter_does_not_hold_up_the_engine_and_loses_nothing_that_matters() {
        let (release, released) = mpsc::channel();
        let (counted, count) = mpsc::channel();
        let (sink, events) = unbounded_channel();
        let relay = spawn(vec![Box::new(Stuck(released, counted, 0))], events);
        let begun = Instant::now();
        for _ in 0..BACKLOG * 2 {
            sink.send(output()).expect("the relay listens");
        }
        for _ in 0..100 {
            let warning = Event::Warning { node: None, message: "w".into() };
            sink.send(warning).expect("the relay listens");
        }
        assert!(begun.elapsed() < Duration::from_secs(5));
        drop(sink);
        release.send(()).expect("the reporter waits");
        relay.finished().await;
        let reported = count.recv().expect("the reporter finished");
        assert!(reported < BACKLOG * 2, "lines were dropped: {reported}");
        assert!(reported >= BACKLOG, "only as many as needed: {reported}");
    }
}

//! Hands the events of a run to its reporters, on a thread of its own: a reader of our output who does not read
//! stops that thread, never the engine.

use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{mpsc::UnboundedReceiver, oneshot};
use tokio::time::MissedTickBehavior;

use super::Reporter;
use super::counts::Counts;
use crate::engine::event::Event;
use crate::redact;

/// How often time passes for reporters.
const TICK: Duration = Duration::from_millis(100);

/// Above this many events not yet reported, the lines that steps print are dropped.
const BACKLOG: usize = 10_000;

/// The reporters at work.
#[derive(Debug)]
pub struct Relay {
    end: oneshot::Sender<()>,
    done: oneshot::Receiver<()>,
}

impl Relay {
    /// Waits until every event sent so far has been reported; later ones are not.
    pub async fn finished(self) {
        let _ = self.end.send(());
        // An error means that a reporter panicked; its message is on standard error already.
        let _ = self.done.await;
    }
}

/// Starts to hand what comes from `events` to every reporter, in their order.
pub fn spawn(reporters: Vec<Box<dyn Reporter>>, mut events: UnboundedReceiver<Event>) -> Relay {
    let (end, ended) = oneshot::channel();
    let (done, relay) = oneshot::channel();
    std::thread::spawn(move || {
        let mut desk = Desk { reporters, counts: Counts::default() };
        // A clock is all this thread needs; without one it still reports, only that time stands still between events.
        match tokio::runtime::Builder::new_current_thread().enable_time().build() {
            Ok(runtime) => runtime.block_on(desk.serve(&mut events, ended)),
            Err(_) => drop(ended.blocking_recv()),
        }
        while let Ok(event) = events.try_recv() {
            desk.hand_over(event, events.len());
        }
        for reporter in &mut desk.reporters {
            reporter.finish();
        }
        let _ = done.send(());
    });
    Relay { end, done: relay }
}

/// Where events are handed over.
struct Desk {
    reporters: Vec<Box<dyn Reporter>>,
    counts: Counts,
}

impl Desk {
    /// Hands over what comes until the end is asked for or nothing can come any more.
    async fn serve(&mut self, events: &mut UnboundedReceiver<Event>, mut ended: oneshot::Receiver<()>) {
        let mut clock = tokio::time::interval(TICK);
        clock.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                biased;
                event = events.recv() => match event {
                    Some(event) => self.hand_over(event, events.len()),
                    None => return,
                },
                _ = &mut ended => return,
                _ = clock.tick() => {
                    let now = Timestamp::now();
                    for reporter in &mut self.reporters {
                        reporter.tick(now);
                    }
                }
            }
        }
    }

    fn hand_over(&mut self, mut event: Event, backlog: usize) {
        if backlog > BACKLOG && matches!(event, Event::StepOutput { .. }) {
            return;
        }
        self.counts.count(&event);
        if let Event::RunFinished { connections, summary, .. } = &mut event {
            // Connections are made below the engine, which cannot count them.
            *connections = self.counts.connections;
            *summary = redact::of_this_process().text(summary);
        }
        let now = Timestamp::now();
        for reporter in &mut self.reporters {
            reporter.event(now, &event);
        }
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
        release.send(()).expect("the reporter waits");
        relay.finished().await;
        let reported = count.recv().expect("the reporter finished");
        assert!(reported < BACKLOG * 2, "lines were dropped: {reported}");
        assert!(reported >= BACKLOG, "only as many as needed: {reported}");
    }
}

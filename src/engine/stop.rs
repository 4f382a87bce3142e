//! The wish to end a run early: asked for once by the user, heeded by the engine between and during steps.

use tokio::sync::watch;

/// Asks for the stop. Dropping it asks for nothing.
#[derive(Debug)]
pub struct Stopper(watch::Sender<bool>);

/// Tells whether the stop was asked for. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Stop(watch::Receiver<bool>);

/// Both ends of a stop that was not asked for yet.
pub fn channel() -> (Stopper, Stop) {
    let (sender, receiver) = watch::channel(false);
    (Stopper(sender), Stop(receiver))
}

impl Stopper {
    /// Asks for the stop; asking again changes nothing.
    pub fn ask(&self) {
        self.0.send_replace(true);
    }
}

impl Stop {
    /// Whether it was asked for.
    pub fn asked(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until it is asked for; forever when nobody can ask any more.
    pub async fn wait(&self) {
        let mut receiver = self.0.clone();
        if receiver.wait_for(|asked| *asked).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn asking_wakes_every_clone() {
        let (stopper, stop) = channel();
        let other = stop.clone();
        assert!(!stop.asked());
        let waiting = tokio::spawn(async move { other.wait().await });
        stopper.ask();
        waiting.await.expect("the waiting task ends");
        assert!(stop.asked());
    }

    #[tokio::test(start_paused = true)]
    async fn a_dropped_asker_asks_for_nothing() {
        let (stopper, stop) = channel();
        drop(stopper);
        let waited = tokio::time::timeout(Duration::from_secs(1), stop.wait()).await;
        assert!(waited.is_err());
        assert!(!stop.asked());
    }
}

//! Says on standard error when the lab itself is in the way of what it imitates: whoever measures on it has to know.

use std::time::{Duration, Instant};

/// A look at everything takes milliseconds; that it took this long is worth a word.
const STILL: Duration = Duration::from_secs(5);
/// So much more of the world's time has to be missing before it is told again.
const BEHIND: Duration = Duration::from_secs(120);

/// What was told last.
pub struct Vigil {
    looked: Instant,
    behind: Duration,
    restless: u64,
}

impl Vigil {
    /// From now on.
    pub fn new() -> Self {
        Self { looked: Instant::now(), behind: Duration::ZERO, restless: 0 }
    }

    /// Once in a while: by how much the world's time is `behind` the real one's, and how often controllers were `restless`.
    pub fn look(&mut self, behind: Duration, restless: u64) {
        let still = self.looked.elapsed();
        if still > STILL {
            eprintln!("homeprov-lab: nothing moved for {} s: this machine is busy with other things", still.as_secs());
        }
        self.looked = Instant::now();
        if behind > self.behind + BEHIND {
            eprintln!(
                "homeprov-lab: the lab's time is {} s behind: more happens in it than this machine can do",
                behind.as_secs()
            );
            self.behind = behind;
        }
        if restless > 0 && self.restless == 0 {
            eprintln!("homeprov-lab: two controllers undo each other's work: this is a fault of the lab");
        }
        self.restless = restless;
    }
}

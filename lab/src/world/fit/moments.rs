//! Faults that are there for a while, or for so many times, and those who run into them.

use crate::world::cluster::ClusterId;
use crate::world::{Millis, World};

/// A stretch of time that begins when somebody first runs into it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Window {
    #[default]
    Never,
    Armed(Millis),
    Until(Millis),
}

impl Window {
    /// The end of the window if it is open now; opens an armed one.
    pub(super) fn hit(&mut self, now: Millis) -> Option<Millis> {
        if let Self::Armed(lasts) = *self {
            *self = Self::Until(now + lasts);
        }
        match *self {
            Self::Until(end) if now < end => Some(end),
            _ => None,
        }
    }
}

impl World {
    /// Whether the store is away now.
    pub(in crate::world) fn fit_store(&mut self) -> bool {
        let now = self.now;
        self.faults.store.hit(now).is_some()
    }

    /// Until when somebody else holds the archive's lock.
    pub(in crate::world) fn fit_apt_lock(&mut self) -> Option<Millis> {
        let now = self.now;
        self.faults.apt.hit(now)
    }

    /// Whether the agent refuses this join although its token was good.
    pub(in crate::world) fn fit_refuse_join(&mut self) -> bool {
        let refuse = self.faults.refused_joins > 0;
        self.faults.refused_joins = self.faults.refused_joins.saturating_sub(1);
        refuse
    }

    /// How long the contacted node's data store is down at the first join.
    pub(in crate::world) fn fit_restart_time(&mut self) -> Millis {
        self.faults.restart.take().unwrap_or(4_000)
    }

    /// How long the joiner's dqlite takes until it is a member.
    pub(in crate::world) fn fit_join_time(&mut self, normal: Millis) -> Millis {
        if self.faults.late_joins > 0 {
            self.faults.late_joins -= 1;
            return 110_000;
        }
        normal
    }

    /// A new member is about to be added.
    pub(in crate::world) fn fit_new_member(&mut self, id: ClusterId) {
        if let Some(lasts) = self.faults.slow_votes
            && let Some(cluster) = self.clusters.get_mut(&id)
        {
            cluster.slow_until = self.now + lasts;
        }
    }
}

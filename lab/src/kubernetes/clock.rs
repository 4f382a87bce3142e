//! Virtual milliseconds as the times in objects, and times as ages.

use jiff::{SignedDuration, Timestamp};

use super::types::Millis;

/// Ties virtual zero to a wall clock time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    epoch: Timestamp,
}

impl Clock {
    pub(super) const fn new(epoch: Timestamp) -> Self {
        Self { epoch }
    }

    fn wall(self, now: Millis) -> Timestamp {
        let passed = SignedDuration::from_millis(i64::try_from(now).unwrap_or(i64::MAX));
        self.epoch.saturating_add(passed).unwrap_or(Timestamp::MAX)
    }

    /// Seconds of resolution: `2026-11-21T01:49:13Z`.
    pub(super) fn stamp(self, now: Millis) -> String {
        self.wall(now).strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    }

    /// Microseconds of resolution, as in leases and events.
    pub(super) fn micro(self, now: Millis) -> String {
        self.wall(now).strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
    }

    /// How long before `now` the stamp was made, in whole seconds.
    pub(super) fn seconds_since(self, now: Millis, stamp: &str) -> Option<i64> {
        let then: Timestamp = stamp.parse().ok()?;
        Some(self.wall(now).duration_since(then).as_secs())
    }

    /// As [`human`], `<unknown>` for a stamp that is none.
    pub(super) fn age(self, now: Millis, stamp: &str) -> String {
        self.seconds_since(now, stamp).map_or_else(|| "<unknown>".to_owned(), human)
    }
}

/// A length of time as `kubectl` prints it (k8s.io/apimachinery `pkg/util/duration`, `HumanDuration`).
pub(super) fn human(seconds: i64) -> String {
    let pair = |big: i64, small: i64, units: (&str, &str)| {
        if small == 0 { format!("{big}{}", units.0) } else { format!("{big}{}{small}{}", units.0, units.1) }
    };
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match seconds {
        ..0 => "0s".to_owned(),
        0..120 => format!("{seconds}s"),
        120..600 => pair(minutes, seconds % 60, ("m", "s")),
        600..10_800 => format!("{minutes}m"),
        10_800..28_800 => pair(hours, minutes % 60, ("h", "m")),
        28_800..172_800 => format!("{hours}h"),
        172_800..691_200 => pair(days, hours % 24, ("d", "h")),
        691_200..63_072_000 => format!("{days}d"),
        63_072_000..252_288_000 => pair(days / 365, days % 365, ("y", "d")),
        _ => format!("{}y", days / 365),
    }
}

#[cfg(test)]
mod tests {
    use super::human;

    #[test]
    fn ages_are_those_of_kubectl() {
        let cases = [
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (302, "5m2s"),
            (521, "8m41s"),
            (660, "11m"),
            (10_800, "3h"),
            (12_060, "3h21m"),
            (36_000, "10h"),
            (172_800, "2d"),
            (180_000, "2d2h"),
            (864_000, "10d"),
            (63_158_400, "2y1d"),
        ];
        for (seconds, text) in cases {
            assert_eq!(human(seconds), text);
        }
    }
}

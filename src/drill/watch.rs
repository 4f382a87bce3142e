//! What the samples of a drill come to: pure, from what was seen when.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

/// Where pods wait for the node, and nothing has changed for this long, nothing more comes about without it.
const QUIET: Duration = Duration::from_secs(90);

/// One look at the cluster from outside.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sample {
    /// Since the node was taken away.
    pub at: Duration,
    /// Whether an API server answered. What follows is known only then.
    pub api: bool,
    /// Whether the node's Node is Ready.
    pub ready: bool,
    /// The volumes, by what people know them as.
    pub volumes: BTreeMap<String, Writable>,
    /// How many pods are ready on other nodes, by namespace.
    pub pods: BTreeMap<String, usize>,
    /// Pods that wait for the node to come back.
    pub lingering: Vec<String>,
    /// Whether the cluster has told all of those to end: it expects no word of the node any more, and nobody takes their place.
    pub given_up: bool,
    /// Whether the site answered; absent where there is none.
    pub site: Option<bool>,
}

/// A volume, as its controller tells it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Writable {
    /// Replicas that are readable and writable.
    pub working: usize,
    /// All it should have.
    pub of: usize,
    /// Whether it takes writes.
    pub writable: bool,
}

/// Something that was measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// Its name; part of the interface.
    pub what: &'static str,
    /// What was measured, for people.
    pub title: String,
    /// Seconds; absent where it did not come about, or could not be measured.
    pub seconds: Option<u64>,
    /// What was seen.
    pub detail: String,
    /// Whether that is well.
    pub well: bool,
}

/// A stretch of time in which something was not so.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Gap {
    since: Option<Duration>,
    longest: Duration,
    /// When it was last found to be over.
    over: Option<Duration>,
}

impl Gap {
    fn take(&mut self, at: Duration, well: bool) {
        match (self.since, well) {
            (None, false) => self.since = Some(at),
            (Some(since), true) => {
                self.longest = self.longest.max(at.saturating_sub(since));
                self.over = Some(at);
                self.since = None;
            }
            _ => {}
        }
    }

    fn longest(&self, until: Duration) -> Duration {
        self.longest.max(self.since.map(|since| until.saturating_sub(since)).unwrap_or_default())
    }
}

/// What was seen since the node was taken away.
#[derive(Debug, Clone, Default)]
pub struct Watch {
    /// The pods that were ready before, by namespace; only those that can run elsewhere.
    before: BTreeMap<String, usize>,
    /// How many of those ran on the node.
    affected: usize,
    api: Gap,
    site: Option<Gap>,
    not_ready: Option<Duration>,
    rescheduled: Option<Duration>,
    lingering: Vec<String>,
    volumes: BTreeMap<String, (Writable, Gap)>,
    /// What was ready and writable at the last look, and since when; none before the cluster has given the node up.
    still: Option<(Duration, Stand)>,
    /// When the node was called back.
    returns: Option<Duration>,
    last: Duration,
}

/// How things stand: the pods that are ready, and the volumes.
type Stand = (BTreeMap<String, usize>, BTreeMap<String, Writable>);

impl Watch {
    /// Begins, with the pods that were ready before in each namespace, on all nodes, and how many of them were on the node.
    pub fn new(before: BTreeMap<String, usize>, affected: usize) -> Self {
        Self { before, affected, ..Self::default() }
    }

    /// Takes in a look.
    pub fn take(&mut self, sample: &Sample) {
        let at = sample.at;
        self.last = at;
        self.api.take(at, sample.api);
        if let Some(answers) = sample.site {
            self.site.get_or_insert_default().take(at, answers);
        }
        if !sample.api {
            return;
        }
        if !sample.ready {
            self.not_ready.get_or_insert(at);
        }
        if self.returns.is_none() {
            self.lingering.clone_from(&sample.lingering);
            self.stand_still(sample);
        }
        for (name, now) in &sample.volumes {
            let (worst, gap) = self.volumes.entry(name.clone()).or_insert((*now, Gap::default()));
            worst.working = worst.working.min(now.working);
            worst.of = now.of;
            gap.take(at, now.writable);
            worst.writable = now.writable;
        }
        let all =
            self.before.iter().all(|(namespace, count)| sample.pods.get(namespace).is_some_and(|now| now >= count));
        match (all, self.rescheduled) {
            (true, None) => self.rescheduled = Some(at),
            (false, Some(_)) => self.rescheduled = None,
            _ => {}
        }
    }

    fn stand_still(&mut self, sample: &Sample) {
        if sample.lingering.is_empty() || !sample.given_up {
            self.still = None;
            return;
        }
        let now = (sample.pods.clone(), sample.volumes.clone());
        if self.still.as_ref().is_none_or(|(_, before)| *before != now) {
            self.still = Some((sample.at, now));
        }
    }

    /// From now on the node comes back; what is looked at further shows what was missing without it.
    pub fn returning(&mut self, at: Duration) {
        self.returns = Some(at);
    }

    /// Whether the rest waits for the node: there are pods that only it can end, and nothing else has changed for a while.
    pub fn waits_for_the_node(&self) -> bool {
        self.still.as_ref().is_some_and(|(since, _)| self.last.saturating_sub(*since) >= QUIET)
    }

    /// Whether all that is waited for has come about; pods only where they have the time to move.
    pub fn complete(&self, with_pods: bool) -> bool {
        self.not_ready.is_some() && self.well(with_pods)
    }

    /// Whether everything runs, on other nodes or on the one that was away.
    pub fn well(&self, with_pods: bool) -> bool {
        let pods = !with_pods || self.affected == 0 || self.rescheduled.is_some() && self.not_ready.is_some();
        let site = self.site.is_none_or(|site| site.since.is_none());
        let volumes = self.volumes.values().all(|(_, gap)| gap.since.is_none());
        self.api.since.is_none() && pods && site && volumes
    }

    /// Whether the cluster has noticed that the node is away.
    pub fn noticed(&self) -> bool {
        self.not_ready.is_some()
    }

    /// What was measured.
    pub fn rows(&self, with_pods: bool) -> Vec<Row> {
        let mut rows = vec![self.api_row(), self.node_row()];
        rows.extend(self.volumes.iter().map(|(name, (worst, gap))| self.volume_row(name, *worst, *gap)));
        rows.push(self.pods_row(with_pods));
        rows.extend(self.site.map(|site| self.site_row(site)));
        rows
    }

    fn api_row(&self) -> Row {
        let away = self.api.longest(self.last).as_secs();
        let detail = match away {
            0 => "an API server answered all the time".to_owned(),
            _ if self.api.since.is_some() => "none answers still".to_owned(),
            _ => "none answered for that long".to_owned(),
        };
        let title = "API unavailable for".to_owned();
        Row { what: "api", title, seconds: Some(away), detail, well: self.api.since.is_none() }
    }

    fn node_row(&self) -> Row {
        let seconds = self.not_ready.map(|at| at.as_secs());
        let detail = if seconds.is_some() { "by the Node's condition" } else { "the cluster has not noticed" };
        Row {
            what: "node",
            title: "Node NotReady after".to_owned(),
            seconds,
            detail: detail.to_owned(),
            well: seconds.is_some(),
        }
    }

    fn volume_row(&self, name: &str, worst: Writable, gap: Gap) -> Row {
        let stopped = gap.longest(self.last).as_secs();
        let replicas = format!("{} of {} replicas at the least", worst.working, worst.of);
        let detail = match (stopped, gap.since) {
            (_, Some(_)) => format!("{replicas}; read-only still"),
            (0, None) => format!("{replicas}; writable all the time"),
            _ => format!("{replicas}; read-only for that long"),
        };
        let title = format!("volume {name} read-only for");
        Row { what: "volume", title, seconds: Some(stopped), detail, well: gap.since.is_none() }
    }

    fn pods_row(&self, with_pods: bool) -> Row {
        let title = "pods ready elsewhere after".to_owned();
        let row = |seconds, detail: String, well| Row { what: "pods", title: title.clone(), seconds, detail, well };
        let waiting = match self.lingering.join(", ") {
            none if none.is_empty() => String::new(),
            names => format!("; {names} waits for the node (`homeprov repair` can help while it is off)"),
        };
        match (self.affected, self.rescheduled) {
            (0, _) => row(None, format!("no pod was on it that could run elsewhere{waiting}"), true),
            (count, _) if !with_pods => row(
                None,
                format!("{count} stayed where they were: they tolerate 300 s, and it was away for less"),
                true,
            ),
            (count, Some(at)) if self.returns.is_some_and(|returns| at > returns) => {
                row(Some(at.as_secs()), format!("{count} that were on it, once it was back{waiting}"), true)
            }
            (count, Some(at)) => row(Some(at.as_secs()), format!("{count} that were on it{waiting}"), true),
            (count, None) => row(None, format!("not all of {count} came up{waiting}"), false),
        }
    }

    fn site_row(&self, site: Gap) -> Row {
        let title = "site answers again after".to_owned();
        let row = |seconds, detail: &str, well| Row {
            what: "site",
            title: title.clone(),
            seconds,
            detail: detail.to_owned(),
            well,
        };
        match (site.since, site.over) {
            (Some(_), _) => row(None, "it does not answer at its address", false),
            (None, None) => row(Some(0), "it answered at its address all the time", true),
            (None, Some(over)) if self.returns.is_some_and(|returns| over > returns) && !self.lingering.is_empty() => {
                let detail = format!("with the node only: {} had to wait for it", self.lingering.join(", "));
                row(Some(over.as_secs()), &detail, true)
            }
            (None, Some(over)) => row(Some(over.as_secs()), "at its address from the pool", true),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(at: u64) -> Sample {
        let volume = Writable { working: 2, of: 3, writable: true };
        Sample {
            at: Duration::from_secs(at),
            api: true,
            ready: at < 40,
            volumes: [("default/data".to_owned(), volume)].into(),
            pods: [("default".to_owned(), if at < 350 { 1 } else { 2 })].into(),
            lingering: vec![],
            given_up: false,
            site: Some(!(5..94).contains(&at)),
        }
    }

    fn row<'a>(rows: &'a [Row], what: &str) -> &'a Row {
        rows.iter().find(|row| row.what == what).expect("a row")
    }

    #[test]
    fn times_are_those_of_the_samples() {
        let mut watch = Watch::new([("default".to_owned(), 2)].into(), 1);
        for at in 0..360 {
            watch.take(&Sample { api: !(3..9).contains(&at), ..sample(at) });
            assert_eq!(watch.complete(true), at >= 350, "{at}");
        }
        let rows = watch.rows(true);
        let seconds = |what: &str| row(&rows, what).seconds;
        assert_eq!(
            (seconds("api"), seconds("node"), seconds("pods"), seconds("site")),
            (Some(6), Some(40), Some(350), Some(94))
        );
        assert_eq!(row(&rows, "volume").detail, "2 of 3 replicas at the least; writable all the time");
        assert!(rows.iter().all(|row| row.well));
    }

    #[test]
    fn what_does_not_come_about_is_not_well() {
        let mut watch = Watch::new([("default".to_owned(), 2)].into(), 1);
        for at in 0..60 {
            let read_only = Writable { working: 1, of: 3, writable: false };
            let volumes = [("default/data".to_owned(), read_only)].into();
            let lingering = vec!["default/db-0".to_owned()];
            watch.take(&Sample { volumes, lingering, site: Some(false), ..sample(at) });
        }
        let rows = watch.rows(true);
        assert!(!watch.complete(true) && !watch.complete(false));
        assert_eq!(row(&rows, "volume").seconds, Some(59));
        assert!(row(&rows, "pods").detail.contains("default/db-0 waits"), "{rows:?}");
        let bad: Vec<&str> = rows.iter().filter(|row| !row.well).map(|row| row.what).collect();
        assert_eq!(bad, ["volume", "pods", "site"]);
    }

    #[test]
    fn a_site_whose_database_waits_for_the_node_comes_back_with_it() {
        let mut watch = Watch::new([("default".to_owned(), 2)].into(), 1);
        let down = |at: u64| Sample {
            lingering: vec!["mastodon/postgresql-0".to_owned()],
            given_up: at >= 340,
            site: Some(false),
            pods: [("default".to_owned(), if at < 350 { 1 } else { 2 })].into(),
            ..sample(at)
        };
        for at in 0..450 {
            watch.take(&down(at));
            assert!(!watch.complete(true));
            assert_eq!(watch.waits_for_the_node(), at >= 440, "{at}");
        }
        assert!(!row(&watch.rows(true), "site").well);
        watch.returning(Duration::from_secs(450));
        for at in 450..500 {
            watch.take(&Sample { site: Some(at > 490), lingering: vec![], given_up: false, ..down(at) });
        }
        assert!(watch.well(true));
        let rows = watch.rows(true);
        let site = row(&rows, "site");
        assert_eq!((site.seconds, site.well), (Some(491), true));
        assert!(site.detail.contains("with the node only: mastodon/postgresql-0"), "{site:?}");
    }

    #[test]
    fn a_short_cut_moves_no_pod() {
        let mut watch = Watch::new([("default".to_owned(), 2)].into(), 1);
        (0..100).for_each(|at| watch.take(&sample(at)));
        assert!(watch.complete(false));
        assert!(row(&watch.rows(false), "pods").well);
    }
}

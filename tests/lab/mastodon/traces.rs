//! What a run with a fault in it leaves behind: what homeprov said, and what was really to be seen in the cluster and in
//! the repository meanwhile.

use super::{SITE, TOOLS};
use crate::harness::{Ran, lab};

/// Follows the cluster's events, which MicroK8s forgets after five minutes, and looks whether the Git server can be
/// reached.
const WATCH: &str = r#"
on 11 'while :; do
  /snap/bin/microk8s kubectl get events -A -o "jsonpath={range .items[*]}{.involvedObject.kind}/{.involvedObject.name} {.reason}: {.message}{\"\\n\"}{end}" 2>/dev/null
  sleep 2
done' >events 2>/dev/null &
watcher=$!
while :; do
  if git ls-remote -q "$URL" >/dev/null 2>&1; then echo up; else echo down; fi
  sleep 2
done >git-server &
asker=$!
"#;

/// Ends the watching and shows what came of it: each event once, in the order of their first appearance.
const SHOW: &str = r#"
kill $watcher $asker
part events; awk '!seen[$0]++' events
part git-server; uniq git-server
part visit; visit /
part again; homeprov up $I; echo again=$?
part commits; git clone -q "$URL" repository && git -C repository log --format='%an: %s'
part history; kubectl get helmreleases mastodon -n mastodon -o "'jsonpath={range .status.history[*]}{.version} {.status}{\"\n\"}{end}'"
part restarts; kubectl get pods -n mastodon -o "'jsonpath={range .items[*]}{.metadata.name} {.status.containerStatuses[0].restartCount}{\"\n\"}{end}'"
part database; kubectl logs -n mastodon mastodon-postgresql-0
part end
"#;

/// The lab's time runs ten times as fast as real time, not twenty: what a fault of two minutes leaves behind can be seen for
/// twelve seconds.
const SPEED: &str = "--speed 10";

/// `up` with a fault, watched, and `up` again.
pub struct Traces(Ran);

impl Traces {
    /// Runs it with a fault from the start.
    pub fn of(fault: &str) -> Self {
        Self::with(fault, ":", "")
    }

    /// Runs it with a fault from the start. `during` are commands beside the first run, which writes into the file `told`;
    /// `after` are commands after the second.
    pub fn with(fault: &str, during: &str, after: &str) -> Self {
        let up = "homeprov up $I >told 2>&1; echo up=$?; part up; cat told";
        let script =
            format!("{TOOLS}{WATCH}\n{{ {during}; }} &\nbeside=$!\n{up}\nkill $beside\n{SHOW}\n{after}\npart end");
        Self(lab(&format!("{SITE} {SPEED} --fault {fault}"), &script))
    }

    /// It ended with a site that answers, the second `up` had nothing to do, and nothing was ever uninstalled. That
    /// says something only where somebody has watched: there must be events of Flux's.
    pub fn converged(&self) {
        self.is(self.0.code_of("up") == 0, "it should be waited for or mended");
        self.is(self.0.part("visit").trim() == "200", "the site should answer");
        self.is(self.0.code_of("again") == 0 && self.part("again").contains("nothing to do"), "and stay so");
        self.seen("events of Flux", |line| line.starts_with("Kustomization/"));
        self.is(!self.part("events").contains("Uninstall"), "nothing should have been uninstalled");
    }

    /// Something was to be seen in the cluster while `up` ran.
    pub fn seen(&self, what: &str, is: impl Fn(&str) -> bool) {
        self.is(self.part("events").lines().any(is), &format!("the fault should really have struck: {what}"));
    }

    /// `up` said this before it ended; returns the line.
    pub fn told(&self, words: &[&str]) -> String {
        let up = self.part("up");
        let line = up.lines().find(|line| words.iter().all(|word| line.contains(word)));
        self.is(line.is_some(), &format!("up should say in one line: {words:?}"));
        line.unwrap_or_default().to_owned()
    }

    /// `up` said the one before the other.
    pub fn in_order(&self, first: &str, then: &str) {
        let up = self.part("up");
        let (first_at, then_at) = (up.find(first), up.find(then));
        self.is(first_at.is_some() && first_at < then_at, &format!("up should say {first:?} before {then:?}"));
    }

    /// A part of what was printed.
    pub fn part(&self, name: &str) -> String {
        self.0.part(name)
    }

    /// Panics with everything that was printed when a condition does not hold.
    pub fn is(&self, holds: bool, what: &str) {
        self.0.expect(holds, what);
    }

    /// The commits, the newest first: `author: subject`.
    pub fn commits(&self) -> Vec<String> {
        self.part("commits").lines().map(str::to_owned).collect()
    }

    /// The attempts to release, the newest first: `2 deployed`.
    pub fn history(&self) -> Vec<String> {
        self.part("history").lines().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect()
    }

    /// How often the container of a pod was started anew.
    pub fn restarts(&self, pod: &str) -> Option<u32> {
        let restarts = self.part("restarts");
        restarts.lines().find_map(|line| line.strip_prefix(pod)?.trim().parse().ok())
    }
}

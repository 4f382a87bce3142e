//! One run at a time: a lease on every node that answers, taken before the first change and given back at the end.
//!
//! The lease is a file under `/run`, so a reboot ends it, and it runs out unless its holder renews it: a controller that
//! was closed or lost keeps nobody out for longer than [`LEASE`].

mod holder;
mod keeper;

use std::time::Duration;

use futures::future::join_all;

pub use holder::Holder;
pub(super) use keeper::{Keeper, taken_away};

use crate::ssh::{Program, Purpose, Script, Transport, TransportError};

const SCRIPT: &str = include_str!("lease.sh");
/// The section's name in a script.
pub const SECTION: &str = "lock";
/// Where the lease is on a node.
pub const FOLDER: &str = "/run/homeprov";
/// How long a lease lasts that is not renewed.
pub const LEASE: Duration = Duration::from_secs(60);
/// How long asking for it may take on a node.
const LIMIT: Duration = Duration::from_secs(20);

/// What came of asking a node for its lease.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Asked {
    Taken,
    Held { holder: Holder, left: Duration },
}

/// What came of taking the leases of nodes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Taken {
    /// The holders whose run had ended without giving theirs back.
    pub(super) ended: Vec<Holder>,
    /// The nodes that answer and keep no lease, with the reason: nobody is kept out there.
    pub(super) open: Vec<(String, String)>,
}

/// Why a run may not go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Held {
    node: String,
    holder: Holder,
    left: Duration,
}

impl Held {
    /// What is shown, with the way out.
    pub(super) fn text(&self) -> String {
        let Self { node, holder, left } = self;
        if left.is_zero() {
            return format!(
                "another run has taken the lock on {node} away, and given it back since: {holder}. \
                 Look at what it has done; then the same command goes on from what is there"
            );
        }
        format!(
            "another run holds the lock on {node}: {holder}. Its lease runs out in {left} s unless it is renewed. \
             Wait for that run to end; only if you know that it is gone, take the lock with `homeprov up --break-lock INVENTORY`",
            left = left.as_secs(),
        )
    }
}

/// Takes, or renews, the leases of nodes: first that of the first node, so that of two runs that begin at the same moment
/// one gets them all. `over` is a run whose leases may be taken, `*` for any.
///
/// Leases of runs that are known to have ended are taken over. A node that cannot be reached is passed over: nothing can
/// be done there by anybody.
async fn take(transport: &dyn Transport, nodes: &[String], me: &Holder, over: &str) -> Result<Taken, Held> {
    let mut all = Taken::default();
    let (first, rest) = nodes.split_at(nodes.len().min(1));
    for group in [first, rest] {
        let asked = join_all(group.iter().map(|node| take_one(transport, node, me, over))).await;
        for taken in asked {
            let Taken { ended, open } = taken?;
            all.ended.extend(ended);
            all.open.extend(open);
        }
    }
    Ok(all)
}

async fn take_one(transport: &dyn Transport, node: &str, me: &Holder, over: &str) -> Result<Taken, Held> {
    let mut taken = Taken::default();
    let mut asked = ask(transport, node, me, over).await;
    if let Ok(Asked::Held { holder, .. }) = &asked
        && holder.has_ended(me)
    {
        let before = holder.clone();
        asked = ask(transport, node, me, &before.run).await;
        if matches!(asked, Ok(Asked::Taken)) {
            taken.ended.push(before);
        }
    }
    match asked {
        Ok(Asked::Held { holder, left }) => return Err(Held { node: node.to_owned(), holder, left }),
        Err(TransportError::BadAnswer { detail, .. }) => taken.open.push((node.to_owned(), detail)),
        // Ours; or not to be reached, for anybody.
        Ok(Asked::Taken) | Err(_) => {}
    }
    Ok(taken)
}

async fn ask(transport: &dyn Transport, node: &str, me: &Holder, over: &str) -> Result<Asked, TransportError> {
    let lines = me.lines();
    let answer = transport.run(node, &script(["take", &me.run, &LEASE.as_secs().to_string(), over, &lines])).await?;
    let bad = |detail: String| TransportError::BadAnswer { host: node.to_owned(), detail };
    let section = answer.sections.get(SECTION).ok_or_else(|| bad("the lock gave no answer".to_owned()))?;
    match section.stdout.split_once('\n') {
        Some(("taken", _)) => Ok(Asked::Taken),
        Some(("held", lines)) => {
            let left = lines.lines().find_map(|line| line.strip_prefix("left=")?.parse().ok()).unwrap_or_default();
            Ok(Asked::Held { holder: Holder::parse(lines), left: Duration::from_secs(left) })
        }
        _ => Err(bad(format!("the lock could not be taken: {}", section.stderr.trim()))),
    }
}

/// Gives the leases back, where they are still this run's.
async fn leave(transport: &dyn Transport, nodes: &[String], me: &Holder) {
    let script = script(["leave", &me.run, "0", "", ""]);
    join_all(nodes.iter().map(|node| transport.run(node, &script))).await;
}

fn script(arguments: [&str; 5]) -> Script {
    let argv = ["sh", "-c", SCRIPT, "sh", FOLDER].into_iter().chain(arguments);
    Script::single(Purpose::Lock, SECTION, Program::command(argv), LIMIT)
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::process::{Command, Stdio};

    use super::*;

    /// Runs the script for real, in a folder.
    fn said(folder: &Path, arguments: [&str; 5]) -> String {
        let output = Command::new("sh")
            .args(["-c", SCRIPT, "sh", folder.to_str().unwrap()])
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn holder(run: &str) -> String {
        Holder { run: run.into(), owner: "alice".into(), host: "laptop".into(), ..Holder::default() }.lines()
    }

    #[test]
    fn a_lease_keeps_others_out_until_it_is_given_back() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("homeprov");
        let take = |run: &str, over: &str| said(&folder, ["take", run, "60", over, &holder(run)]);
        assert_eq!(take("A", ""), "taken\n");
        assert_eq!(take("A", ""), "taken\n", "its holder renews it");
        let held = take("B", "");
        assert!(held.starts_with("held\nrun=A\nowner=alice\nhost=laptop\n"), "{held}");
        assert!(held.ends_with("left=60\n") || held.ends_with("left=59\n"), "{held}");
        assert!(take("B", "C").starts_with("held\n"), "only the run that is named is taken over");
        said(&folder, ["leave", "B", "0", "", ""]);
        assert!(take("B", "").starts_with("held\n"), "another's lease is not given back");
        assert_eq!(take("B", "A"), "taken\n");
        assert!(take("A", "").starts_with("held\nrun=B\n"));
        said(&folder, ["leave", "B", "0", "", ""]);
        assert_eq!(take("C", ""), "taken\n");
        assert_eq!(take("B", "*"), "taken\n");
    }

    #[test]
    fn a_run_whose_lease_was_taken_learns_of_it_also_when_that_was_given_back() {
        let folder = tempfile::tempdir().unwrap();
        let take = |run: &str, over: &str| said(folder.path(), ["take", run, "60", over, &holder(run)]);
        let leave = |run: &str| said(folder.path(), ["leave", run, "0", "", ""]);
        assert_eq!((take("A", ""), take("B", "*")), ("taken\n".to_owned(), "taken\n".to_owned()));
        leave("B");
        let held = take("A", "");
        assert!(held.starts_with("held\nrun=B\n") && held.ends_with("left=0\n"), "{held}");
        assert_eq!((take("C", ""), take("D", "*")), ("taken\n".to_owned(), "taken\n".to_owned()), "others may go on");
        assert!(take("A", "").starts_with("held\nrun=D\n"), "who holds it now is told first");
        leave("D");
        assert!(take("C", "").starts_with("held\nrun=D\n"), "each is told of its own");
        assert!(take("A", "").starts_with("held\n"), "still");
        assert_eq!(take("A", "*"), "taken\n", "but by force");
    }

    #[test]
    fn a_lease_runs_out() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(said(folder.path(), ["take", "A", "1", "", &holder("A")]), "taken\n");
        std::thread::sleep(Duration::from_millis(2100));
        assert_eq!(said(folder.path(), ["take", "B", "1", "", &holder("B")]), "taken\n");
    }

    #[test]
    fn a_lease_that_cannot_be_read_keeps_nobody_out() {
        let folder = tempfile::tempdir().unwrap();
        for text in ["", "run=A\nuntil=x\n", "run=A\nuntil=99999999999\n", "\u{0}\u{1}"] {
            std::fs::write(folder.path().join("lease"), text).unwrap();
            assert_eq!(said(folder.path(), ["take", "B", "60", "", &holder("B")]), "taken\n", "{text:?}");
        }
    }

    #[test]
    fn of_many_at_once_one_gets_it() {
        let folder = tempfile::tempdir().unwrap();
        let takers: Vec<_> = (0..8)
            .map(|n| {
                let folder = folder.path().to_owned();
                let run = format!("R{n}");
                std::thread::spawn(move || said(&folder, ["take", &run, "60", "", &holder(&run)]))
            })
            .collect();
        let taken = takers.into_iter().map(|taker| taker.join().unwrap()).filter(|said| said == "taken\n");
        assert_eq!(taken.count(), 1);
    }
}

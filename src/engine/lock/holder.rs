//! Who holds a lease.

use std::fmt;
use std::fs;
use std::process::Command;

/// A run of homeprov, as it is written into the lease on a node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holder {
    /// The run's id.
    pub run: String,
    /// The user who started it.
    pub owner: String,
    /// The machine it runs on, by its host name.
    pub host: String,
    /// Its process: number, start in clock ticks since the boot, the boot's id, and the namespace its number is of (namespaces(7));
    /// empty where that cannot be told.
    pub process: String,
    /// When the lease was first taken, by that machine's clock.
    pub since: String,
}

impl Holder {
    /// This process.
    pub fn this_process(run: &str) -> Self {
        let owner = ["USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok()).unwrap_or_default();
        let host = Command::new("uname").arg("-n").output().map(|said| said.stdout).unwrap_or_default();
        Self {
            run: run.to_owned(),
            owner: one_line(&owner),
            host: one_line(&String::from_utf8_lossy(&host)),
            process: this_process().unwrap_or_default(),
            since: jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
        }
    }

    /// The lines of a lease.
    pub(super) fn lines(&self) -> String {
        let Self { run, owner, host, process, since } = self;
        format!("run={run}\nowner={owner}\nhost={host}\nprocess={process}\nsince={since}")
    }

    /// Reads the lines of a lease; what is missing is empty.
    pub(super) fn parse(text: &str) -> Self {
        let value = |key: &str| {
            let found = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
            found.map(one_line).unwrap_or_default()
        };
        Self {
            run: value("run"),
            owner: value("owner"),
            host: value("host"),
            process: value("process"),
            since: value("since"),
        }
    }

    /// Whether it is known to have ended: it ran on this machine since its last boot, as this user, whose processes are seen from
    /// here, and is none of them any more. A host name alone says little: two laptops may be called `debian`. Of another
    /// machine's processes, another container's or another user's nothing can be said; that lease runs out by itself.
    pub(super) fn has_ended(&self, here: &Self) -> bool {
        let split = |holder: &Self| holder.process.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let ([number, start, boot, space], [_, _, here_boot, here_space]) = (&split(self)[..], &split(here)[..]) else {
            return false;
        };
        (&self.host, &self.owner, boot, space) == (&here.host, &here.owner, here_boot, here_space)
            && number.parse().is_ok_and(|number| begun(number).as_ref() != Some(start))
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { run, owner, host, process, since } = self;
        let who = if owner.is_empty() { "somebody" } else { owner };
        let number = process.split(' ').next().unwrap_or_default();
        write!(f, "{who} on {host}, process {number}, run {run}, since {since}")
    }
}

/// What tells this process from all others, before and after it.
fn this_process() -> Option<String> {
    let number = std::process::id();
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let space = fs::read_link("/proc/self/ns/pid").ok()?;
    Some(format!("{number} {} {} {}", begun(number)?, boot.trim(), space.display()))
}

/// When a process began, in clock ticks since the boot; none when there is no such process. Only Linux tells (proc(5), field
/// 22 of `stat`).
fn begun(number: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{number}/stat")).ok()?;
    // The program's name, in brackets, may hold anything.
    stat.rsplit_once(')')?.1.split_whitespace().nth(19).map(str::to_owned)
}

/// A value of one short line, whatever was in it.
fn one_line(text: &str) -> String {
    text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).take(128).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let holder = Holder::this_process("01RUN");
        assert!(!holder.host.is_empty() && holder.process.starts_with(&std::process::id().to_string()));
        assert_eq!(Holder::parse(&holder.lines()), holder);
        let hostile = Holder { owner: "a\nrun=other".into(), ..holder };
        assert_eq!(Holder::parse(&format!("run=01RUN\nowner={}", one_line(&hostile.owner))).run, "01RUN");
    }

    #[test]
    fn only_an_ended_process_of_this_machine_has_ended() {
        let here = Holder::this_process("01RUN");
        assert!(!here.has_ended(&here));
        let words: Vec<String> = here.process.split(' ').map(str::to_owned).collect();
        let with = |at: usize, word: &str| {
            let mut words = words.clone();
            word.clone_into(&mut words[at]);
            Holder { process: words.join(" "), ..here.clone() }
        };
        let mut child = Command::new("sleep").arg("60").spawn().expect("sleep");
        let number = child.id().to_string();
        let other = Holder {
            process: with(0, &number).process.replacen(&words[1], &begun(child.id()).expect("it runs"), 1),
            ..here.clone()
        };
        assert!(!other.has_ended(&here));
        child.kill().and_then(|()| child.wait().map(drop)).expect("it ends");
        assert!(other.has_ended(&here));
        assert!(!Holder { host: "elsewhere".into(), ..other.clone() }.has_ended(&here));
        assert!(!Holder { owner: "somebody".into(), ..other.clone() }.has_ended(&here));
        assert!(!Holder { process: String::new(), ..other }.has_ended(&here));
        // The number of this process, in another life.
        assert!(with(1, "1").has_ended(&here));
        // Another machine of the same name; another container on this one.
        assert!(!with(2, "another-boot").has_ended(&here) && !with(3, "pid:[1]").has_ended(&here));
        // What an earlier homeprov wrote says less.
        assert!(!Holder { process: words[..3].join(" "), ..here.clone() }.has_ended(&here));
    }
}

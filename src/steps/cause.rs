//! Why a command failed on a node, where its surroundings are to blame: told from what it printed, with what to do.

use super::Failure;

/// The words of a file system without room: the C library's, apt's (`apt-private/private-install.cc`) and snapd's
/// (canonical/snapd `cmd/snap/error.go`).
const NO_ROOM: [&str; 3] = ["No space left on device", "enough free space in", "due to low disk space"];
/// The words of a package archive that is locked (apt `apt-pkg/contrib/fileutl.cc`, dpkg `lib/dpkg/dbmodify.c`). Without
/// their beginning they are told of a lock that was waited for, too.
const LOCKED: [&str; 5] = [
    "E: Could not get lock",
    "E: Unable to acquire the dpkg frontend lock",
    "E: Unable to lock directory",
    "dpkg: error: dpkg frontend lock",
    "dpkg: error: dpkg database lock",
];
/// The words of a name that cannot be resolved: the C library's, and curl's.
const UNRESOLVED: [&str; 2] = ["Temporary failure resolving '", "Could not resolve host: "];

/// The failure that a command's output tells of; none where that names nothing known.
pub fn of_output(output: &str) -> Option<Failure> {
    let line = |words: &[&str]| {
        let lines = output.lines().map(str::trim);
        lines.into_iter().find(|line| words.iter().any(|word| line.contains(word)))
    };
    if let Some(line) = line(&NO_ROOM) {
        return Some(Failure::Refused {
            reason: format!(
                "a disk is full there: {line}. Make room (`df -h / /var/snap /var/lib` and `df -i` show where; `apt-get clean` and \
                 `journalctl --vacuum-size=200M` help), then run `up` again: it goes on where it was"
            ),
        });
    }
    if let Some(line) = line(&["Read-only file system"]) {
        return Some(Failure::Refused {
            reason: format!(
                "a file system is read-only there: {line}. The kernel makes it so when the disk fails: `dmesg | grep -i error` tells \
                 more, and `findmnt -O ro` which one it is"
            ),
        });
    }
    if let Some(name) = UNRESOLVED.iter().find_map(|words| Some(host(output.split(words).nth(1)?))) {
        return Some(Failure::Busy { reason: unresolved(name) });
    }
    if line(&["dpkg was interrupted"]).is_some() {
        return Some(Failure::Busy {
            reason: "dpkg was cut off there before; what it left is completed first".to_owned(),
        });
    }
    line(&LOCKED).map(|line| Failure::Busy { reason: locked(line, output) })
}

/// What is said of a name that cannot be resolved.
pub fn unresolved(name: &str) -> String {
    format!(
        "{name} cannot be resolved there: no DNS server answers. `resolvectl status` and /etc/resolv.conf on the node show which one \
         it asks"
    )
}

/// The name at the beginning of a text.
fn host(text: &str) -> &str {
    let end = text.find(|c: char| c == '\'' || c.is_whitespace()).unwrap_or(text.len());
    &text[..end]
}

fn locked(line: &str, output: &str) -> String {
    let after = |words: &str| output.split(words).nth(1)?.lines().next();
    let holder = after("held by process ").or_else(|| after("another process with pid "));
    let holder = holder.map(|text| text.trim_end_matches(['.', ' ']).trim_end_matches("...").to_owned());
    let Some(holder) = holder else { return format!("another program works with the packages there: {line}") };
    let process = holder.split_whitespace().next().unwrap_or_default();
    format!(
        "process {holder} holds the lock of the packages there; it is waited for. If it hangs, look at it there: `ps -fp {process}`, \
         for unattended upgrades `systemctl status apt-daily-upgrade`"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(output: &str) -> String {
        of_output(output).map(|failure| failure.to_string()).unwrap_or_default()
    }

    #[test]
    fn who_holds_the_lock_is_said() {
        let apt = "Reading package lists...\nE: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 1482 (unattended-upgr)\n\
                   N: Be aware that removing the lock file is not a solution and may break your system.\n";
        assert!(said(apt).starts_with("process 1482 (unattended-upgr) holds the lock"), "{}", said(apt));
        let dpkg = "dpkg: error: dpkg frontend lock was locked by another process with pid 77\n";
        assert!(said(dpkg).contains("`ps -fp 77`"), "{}", said(dpkg));
        // It was waited for, and something else went wrong then.
        let waited = "Waiting for cache lock: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 9 (apt)...\nE: Unable to locate package x\n";
        assert!(of_output(waited).is_none());
    }

    #[test]
    fn full_disks_and_lost_names() {
        for text in [
            "cp: error writing 'x': No space left on device",
            "error: cannot install \"microk8s\" due to low disk space",
            "E: You don't have enough free space in /var/cache/apt/archives/.",
        ] {
            assert!(matches!(of_output(text), Some(Failure::Refused { .. })) && said(text).contains(text), "{text}");
        }
        let apt = "E: Failed to fetch http://x/y.deb  Temporary failure resolving 'deb.debian.org'\nE: Unable to fetch some archives";
        assert!(said(apt).starts_with("deb.debian.org cannot be resolved"), "{}", said(apt));
        let curl = "curl: (6) Could not resolve host: charts.example.org";
        assert!(said(curl).starts_with("charts.example.org cannot"), "{}", said(curl));
        assert!(of_output("E: Unable to locate package x").is_none());
    }
}

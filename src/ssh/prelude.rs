//! The remote command: how `sh -s` comes to run with root's rights, in one exec.
//!
//! It is one line without an apostrophe, a backslash or an exclamation mark, in apostrophes, so that every login
//! shell (bash, dash, zsh, fish, csh) hands it to `sh` unchanged.

use super::marker::Marker;

/// How root's rights are had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rights {
    /// root needs nothing; others `sudo -n`.
    Ask,
    /// root needs nothing; others sudo with a password, which is sent once sudo asks for it.
    Password,
    /// The login is root, or it is refused.
    Root,
}

/// The word sudo's prompt ends with in [`Rights::Password`].
pub(super) const ASK: &str = "ask";

/// The word printed when the shell that will read the script has root's rights ([`Rights::Password`] only).
pub(super) const READY: &str = "ready";

/// The word printed when `sh -s` was not reached or has ended, followed by the status.
pub(super) const REFUSED: &str = "refused";

/// What a node says that has a login without root's rights where the inventory says `sudo = "never"`.
pub(super) const NOT_ROOT: &str = "the login is not root";

/// The command line.
pub(super) fn command(rights: Rights, marker: &Marker) -> String {
    let (left, right) = marker.halves();
    // The login's own search path comes first here, so that a sudo in an odd place is found; the script sets its own.
    let path = "PATH=$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin; export PATH";
    let mark = format!("m={left}; m=${{m}}{right}");
    let root = "[ \"$(id -u)\" = 0 ]";
    let rest = match rights {
        Rights::Ask => {
            format!("if {root}; then exec sh -s; fi; LC_ALL=C sudo -n sh -s; s=$?")
        }
        // -k: a password remembered by sudo would leave ours to the shell behind it.
        Rights::Password => format!(
            "if {root}; then echo $m {READY}; exec sh -s; fi; \
             LC_ALL=C sudo -k -S -p \"$m {ASK}\" sh -c \"echo $m {READY}; exec sh -s\"; s=$?"
        ),
        Rights::Root => {
            format!("if {root}; then exec sh -s; fi; echo {NOT_ROOT} >&2; s=1")
        }
    };
    format!("sh -c '{path}; {mark}; {rest}; echo; echo $m {REFUSED} $s'")
}

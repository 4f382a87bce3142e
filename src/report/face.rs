//! Which way a run is shown, and whether in colour.

use std::ffi::OsString;

/// How a run is shown while it goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Face {
    /// A live view on a terminal.
    Terminal,
    /// One line per change.
    Plain,
    /// One JSON object per line.
    Json,
}

/// How much is shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verbosity {
    /// Failures and the end.
    Quiet,
    /// What changes.
    #[default]
    Normal,
    /// What steps print, too.
    Verbose,
}

/// What the choice depends on: the streams and the environment.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    /// Whether the stream written to is a terminal.
    pub terminal: bool,
    /// `NO_COLOR`, see <https://no-color.org>.
    pub no_color: Option<OsString>,
    /// `CLICOLOR_FORCE`, see <https://bixense.com/clicolors>.
    pub clicolor_force: Option<OsString>,
    /// `TERM`.
    pub term: Option<OsString>,
    /// `CI`.
    pub ci: Option<OsString>,
}

impl Surroundings {
    /// Those of a stream of this process.
    pub fn of(stream: &impl std::io::IsTerminal) -> Self {
        Self {
            terminal: stream.is_terminal(),
            no_color: std::env::var_os("NO_COLOR"),
            clicolor_force: std::env::var_os("CLICOLOR_FORCE"),
            term: std::env::var_os("TERM"),
            ci: std::env::var_os("CI"),
        }
    }

    /// Whether colour is wanted: `NO_COLOR` refuses it, `CLICOLOR_FORCE` demands it, else a terminal that can.
    pub fn colour(&self) -> bool {
        let set =
            |variable: &Option<OsString>| variable.as_ref().is_some_and(|value| !value.is_empty() && value != "0");
        if self.no_color.as_ref().is_some_and(|value| !value.is_empty()) {
            return false;
        }
        set(&self.clicolor_force) || (self.terminal && !self.dumb())
    }

    fn dumb(&self) -> bool {
        self.term.as_ref().is_none_or(|term| term == "dumb")
    }

    fn in_ci(&self) -> bool {
        self.ci.as_ref().is_some_and(|ci| !ci.is_empty() && ci != "false")
    }
}

impl Face {
    /// The way a run is shown; `progress` is the stream the progress goes to.
    pub fn choose(json: bool, verbosity: Verbosity, progress: &Surroundings) -> Self {
        if json {
            Self::Json
        } else if verbosity > Verbosity::Quiet && progress.terminal && !progress.dumb() && !progress.in_ci() {
            Self::Terminal
        } else {
            Self::Plain
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terminal() -> Surroundings {
        Surroundings { terminal: true, term: Some("xterm".into()), ..Surroundings::default() }
    }

    #[test]
    fn the_live_view_needs_a_terminal_that_moves_its_cursor_and_somebody_who_looks() {
        let face = |surroundings: &Surroundings| Face::choose(false, Verbosity::Normal, surroundings);
        assert_eq!(face(&terminal()), Face::Terminal);
        assert_eq!(face(&Surroundings { terminal: false, ..terminal() }), Face::Plain);
        assert_eq!(face(&Surroundings { term: Some("dumb".into()), ..terminal() }), Face::Plain);
        assert_eq!(face(&Surroundings { term: None, ..terminal() }), Face::Plain);
        assert_eq!(face(&Surroundings { ci: Some("true".into()), ..terminal() }), Face::Plain);
        assert_eq!(Face::choose(false, Verbosity::Quiet, &terminal()), Face::Plain);
        assert_eq!(Face::choose(true, Verbosity::Normal, &terminal()), Face::Json);
    }

    #[test]
    fn colour_can_be_refused_and_demanded() {
        assert!(terminal().colour());
        assert!(!Surroundings { no_color: Some("1".into()), ..terminal() }.colour());
        assert!(Surroundings { no_color: Some(String::new().into()), ..terminal() }.colour());
        assert!(!Surroundings { terminal: false, ..terminal() }.colour());
        assert!(Surroundings { terminal: false, clicolor_force: Some("1".into()), ..terminal() }.colour());
        assert!(!Surroundings { terminal: false, clicolor_force: Some("0".into()), ..terminal() }.colour());
        assert!(!Surroundings { term: Some("dumb".into()), ..terminal() }.colour());
    }
}

//! The journal: every event of a run, redacted, in a file only its owner can read.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;
use jiff::Timestamp;

use super::Reporter;
use super::json::Json;
use super::redact::Redactor;
use crate::engine::event::{Event, Sink};

/// The name of the file in a run's folder.
pub const FILE: &str = "events.jsonl";
/// The name of the inventory's copy beside it, and what its first line begins with.
const INVENTORY: &str = "inventory.toml";
const KEPT_FROM: &str = "# read from ";

/// Writes the journal of one run.
pub struct Journal {
    path: PathBuf,
    lines: Json<BufWriter<File>>,
    /// Whether a run was begun; a command that ends before has none to show again.
    begun: bool,
    tell: Option<Sink>,
}

impl Journal {
    /// Begins the journal of a run in `state`, the folder that [`state_folder`] names.
    pub fn create(state: &Path, run: &str, redactor: Redactor) -> io::Result<Self> {
        let folder = state.join("runs").join(run);
        DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        let path = folder.join(FILE);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        Ok(Self { path, lines: Json::new(BufWriter::new(file), redactor), begun: false, tell: None })
    }

    /// Warns through `events` when the journal cannot be written any longer.
    #[must_use]
    pub fn warning(mut self, events: Sink) -> Self {
        self.tell = Some(events);
        self
    }

    /// Keeps the inventory beside the journal, as the run read it from `path`: for a bug report, where it would be
    /// another by then.
    pub fn keep_inventory(&self, path: &Path) -> io::Result<()> {
        let text = fs::read_to_string(path)?;
        let shown = std::path::absolute(path)?;
        let file = self.path.with_file_name(INVENTORY);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
        file.write_all(format!("{KEPT_FROM}{}\n{text}", shown.display()).as_bytes())
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Reporter for Journal {
    fn event(&mut self, at: Timestamp, event: &Event) {
        self.lines.event(at, event);
        self.begun |= matches!(event, Event::RunStarted { .. });
        if let (Some(error), Some(events)) = (self.lines.broke(), &self.tell) {
            let path = self.path.display();
            let message = format!(
                "the journal {path} ends here: {error}. The run itself goes on; `homeprov log` will not know the rest"
            );
            // The run may be over.
            let _ = events.send(Event::Warning { node: None, message });
        }
    }

    fn finish(&mut self) {
        if !self.begun
            && let Some(folder) = self.path.parent()
        {
            // A journal too much does no harm.
            let _ = fs::remove_dir_all(folder);
        }
    }
}

/// The inventory a run was given, and the path it had then; none of a run that kept none.
pub fn inventory_of(state: &Path, run: &str) -> Option<(PathBuf, String)> {
    let text = fs::read_to_string(state.join("runs").join(run).join(INVENTORY)).ok()?;
    let path = text.lines().next()?.strip_prefix(KEPT_FROM)?;
    Some((path.into(), text.clone()))
}

/// `homeprov` in the user's XDG state folder: `$XDG_STATE_HOME`, or `~/.local/state`.
pub fn state_folder() -> io::Result<PathBuf> {
    let base = etcetera::base_strategy::Xdg::new().map_err(io::Error::other)?;
    let state = base.state_dir().unwrap_or_else(|| base.home_dir().join(".local/state"));
    Ok(state.join("homeprov"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use secrecy::SecretString;

    use super::*;

    #[test]
    fn only_its_owner_reads_it_and_no_secret_is_in_it() {
        let state = tempfile::tempdir().expect("a folder");
        let redactor = Redactor::new([SecretString::from("hunter2")]);
        let mut journal = Journal::create(state.path(), "01RUN", redactor).expect("a journal");
        journal.event(Timestamp::UNIX_EPOCH, &Event::Warning { node: None, message: "it said hunter2".into() });
        let path = state.path().join("runs/01RUN/events.jsonl");
        assert_eq!(journal.path(), path);
        let mode = |path: &Path| path.metadata().expect("it is there").permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o600);
        assert_eq!(mode(&state.path().join("runs/01RUN")), 0o700);
        let text = std::fs::read_to_string(&path).expect("its text");
        assert_eq!(
            text,
            "{\"schema\":1,\"time\":\"1970-01-01T00:00:00Z\",\"event\":\"warning\",\"message\":\"it said ***\",\"node\":null}\n"
        );
        let inventory = state.path().join("home.toml");
        std::fs::write(&inventory, "[cluster]\n").expect("a file");
        journal.keep_inventory(&inventory).expect("a copy");
        assert_eq!(mode(&state.path().join("runs/01RUN/inventory.toml")), 0o600);
        let (from, kept) = inventory_of(state.path(), "01RUN").expect("the copy");
        assert!(from == inventory && kept.ends_with("\n[cluster]\n"));
        assert!(Journal::create(state.path(), "01RUN", Redactor::default()).is_err());
    }
}

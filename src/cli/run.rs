//! What `up`, `plan`, `status` and `verify` have in common: an inventory, a way to the machines, reporters.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, ValueHint};
use secrecy::ExposeSecret;
use secrecy::zeroize::Zeroizing;
use tokio::sync::mpsc;

use super::reach::Reach;
use super::{files, interrupt, output};
use crate::engine::event::Event;
use crate::engine::lock::Holder;
use crate::engine::parting::Parting;
use crate::engine::{Outcome, Session, stop};
use crate::error::{ExitCode, Failure};
use crate::inventory::Inventory;
use crate::playbook::Recipe;
use crate::redact::{self, Redactor};
use crate::report::face::{Face, Surroundings, Verbosity};
use crate::report::journal::{self, Journal};
use crate::report::json::Json;
use crate::report::lines::Lines;
use crate::report::paint::Paint;
use crate::report::plain::Plain;
use crate::report::summary::{Subject, Summary};
use crate::report::terminal::{Screen, Terminal};
use crate::report::{Relay, Reporter, relay};

#[derive(Debug, Args)]
pub(super) struct RunArguments {
    /// The inventory file
    #[arg(value_hint = ValueHint::FilePath)]
    pub(super) inventory: PathBuf,
    /// Use the playbooks in this folder instead
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    playbooks: Option<PathBuf>,
    #[command(flatten)]
    reach: Reach,
}

/// What a command prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Prints {
    /// What happens, as it happens.
    Events,
    /// A result.
    Result,
    /// A result, and beside it what happens.
    ProgressAndResult,
}

/// How a command wants to be shown.
pub(super) struct Manner {
    /// What it prints.
    pub(super) prints: Prints,
    /// Whether JSON was asked for.
    pub(super) json: bool,
    /// Whether every question is answered with yes.
    pub(super) yes: bool,
    /// How much is shown.
    pub(super) verbosity: Verbosity,
}

/// A run that has begun.
pub(super) struct Run {
    /// What the engine works with.
    pub(super) session: Session,
    relay: Relay,
    json: bool,
    /// Where questions are asked.
    pub(super) screen: Screen,
}

impl RunArguments {
    /// An inventory, homeprov's own playbooks, and the way to the machines.
    pub(super) fn new(inventory: PathBuf, reach: Reach) -> Self {
        Self { inventory, playbooks: None, reach }
    }

    /// Reads the files and sets everything up; no machine is talked to yet.
    pub(super) fn begin(&self, manner: &Manner) -> Result<Run, Failure> {
        let inventory = files::inventory(&self.inventory, manner.verbosity)?;
        self.begin_with(manner, inventory, self.recipe()?, &["up", &shown(&self.inventory)])
    }

    /// The recipe of `up`.
    pub(super) fn recipe(&self) -> Result<Recipe, Failure> {
        files::recipe(self.playbooks.as_deref())
    }

    /// The recipe of another command.
    pub(super) fn recipe_of(&self, command: &str) -> Result<Recipe, Failure> {
        files::recipe_of(self.playbooks.as_deref(), command)
    }

    /// The same with an inventory that need not be the file's; `again` is what goes on from where this run ends.
    pub(super) fn begin_with(
        &self,
        manner: &Manner,
        inventory: Inventory,
        recipe: Recipe,
        again: &[&str],
    ) -> Result<Run, Failure> {
        let (inventory, recipe) = (Arc::new(inventory), Arc::new(recipe));
        files::check_templates(&recipe, &inventory)?;
        let run = ulid::Ulid::generate().to_string();
        let redactor = redact::of_this_process();
        let screen = Screen::stderr();
        let (events, received) = mpsc::unbounded_channel();

        let mut reporters: Vec<Box<dyn Reporter>> = vec![];
        let mut journal_path = None;
        let state = journal::state_folder().map_err(|error| {
            Failure::io("cannot tell which folder is for state (set HOME or XDG_STATE_HOME)", &error)
        })?;
        match Journal::create(&state, &run, redactor.clone()) {
            Ok(journal) => {
                journal_path = Some(journal.path().to_owned());
                // The run needs no copy; a report of a fault would be the poorer without it.
                let _ = journal.keep_inventory(&self.inventory);
                reporters.push(Box::new(journal.warning(events.clone())));
            }
            Err(error) => {
                let message = format!(
                    "this run has no journal, as {} cannot be written: {error}. The run itself goes on; make room there, or name another \
                     folder with XDG_STATE_HOME",
                    state.display()
                );
                // The receiver is still in this function.
                let _ = events.send(Event::Warning { node: None, message });
            }
        }
        reporters.extend(self.faces(manner, &screen, &redactor, journal_path, again));

        let transport = self.reach.transport(&inventory, manner.yes, &screen, &redactor, events.clone())?;
        let (stopper, stop) = stop::channel();
        interrupt::heed(stopper, screen.clone())?;
        let relay = relay::spawn(reporters, received);
        let parting = Parting::default();
        let overwrite = false;
        let me = Holder::this_process(&run);
        let session = Session {
            inventory,
            recipe,
            transport,
            events,
            stop,
            run,
            state,
            me,
            break_lock: false,
            parting,
            overwrite,
            takeover: None,
            repair: None,
            departing: None,
            restore: None,
            mending: None,
        };
        Ok(Run { session, relay, json: manner.json, screen })
    }

    fn faces(
        &self,
        manner: &Manner,
        screen: &Screen,
        redactor: &Redactor,
        journal: Option<PathBuf>,
        again: &[&str],
    ) -> Vec<Box<dyn Reporter>> {
        let stderr = Surroundings::of(&io::stderr());
        let paint = output::stderr_paint();
        // Of a command that prints a result only troubles belong beside it.
        let verbosity = match manner.verbosity {
            Verbosity::Normal if manner.prints == Prints::Result => Verbosity::Quiet,
            other => other,
        };
        let lines = Lines::new(verbosity, paint, redactor.clone());
        let progress: Box<dyn Reporter> = match Face::choose(manner.json, manner.verbosity, &stderr) {
            Face::Json if manner.prints == Prints::Events => {
                return vec![Box::new(Json::new(io::stdout(), redactor.clone()))];
            }
            Face::Json | Face::Plain => Box::new(Plain::new(io::stderr(), lines)),
            Face::Terminal => Box::new(Terminal::new(screen.clone(), lines, paint)),
        };
        let mut faces = vec![progress];
        if manner.prints == Prints::Events {
            let again = again.iter().map(|word| (*word).to_owned()).collect();
            let subject = Subject { inventory: shown(&self.inventory), again, journal };
            let summary = Summary::new((io::stdout(), output::stdout_paint()), (io::stderr(), paint), subject);
            faces.push(Box::new(summary));
        }
        faces
    }

    /// The inventory's file as it is typed into a shell.
    pub(super) fn typed(&self) -> String {
        crate::report::words::command([shown(&self.inventory).as_str()])
    }

    /// A command of homeprov on the same inventory, to be typed next.
    pub(super) fn command(&self, words: &[&str]) -> String {
        let inventory = shown(&self.inventory);
        crate::report::words::command(["homeprov"].into_iter().chain(words.iter().copied()).chain([inventory.as_str()]))
    }
}

impl Run {
    /// Ends it and prints its result, as JSON where that was asked for.
    pub(super) async fn end_with<T>(
        self,
        ended: Result<(T, Outcome), Outcome>,
        json: fn(&T) -> serde_json::Result<String>,
        text: fn(&T, Paint, usize) -> String,
    ) -> Result<ExitCode, Failure> {
        let as_json = self.json;
        self.end().await;
        let (result, outcome) = ended.map_err(|outcome| Failure::new(outcome.code, outcome.summary))?;
        let printed = if as_json {
            json(&result).map_err(|error| Failure::new(ExitCode::Internal, error.to_string()))? + "\n"
        } else {
            text(&result, output::stdout_paint(), output::stdout_width())
        };
        output::result(&printed)?;
        Ok(outcome.code)
    }

    /// Ends the connections and waits until everything has been reported.
    pub(super) async fn end(self) {
        self.session.transport.close().await;
        let parting = self.session.parting.clone();
        drop(self.session);
        self.relay.finished().await;
        let Some(line) = parting.take() else { return };
        // JSON on standard output is often kept in a file: there the line stays out of it.
        let line = Zeroizing::new(format!("{}\n", line.expose_secret()));
        // Whoever closed the stream does not want to know.
        let _ =
            if self.json { io::stderr().write_all(line.as_bytes()) } else { io::stdout().write_all(line.as_bytes()) };
    }
}

pub(super) fn shown(path: &Path) -> String {
    path.display().to_string()
}

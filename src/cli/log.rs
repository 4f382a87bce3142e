//! `homeprov log`

use std::io;
use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::{bundle, output};
use crate::engine::event::Event;
use crate::error::{ExitCode, Failure};
use crate::report::Reporter;
use crate::report::face::Verbosity;
use crate::report::journal;
use crate::report::lines::Lines;
use crate::report::plain::Plain;
use crate::report::redact::Redactor;
use crate::report::replay::{self, Recording};
use crate::report::summary::{Subject, Summary};

/// Show what an earlier run told as it went, and how it ended
#[derive(Debug, Args)]
#[command(help_template = super::HELP, before_help = "\
Examples:
  homeprov log                       the last run
  homeprov log --list                all runs there is a journal of
  homeprov log 01KAK3V0              a run by its id, or a part of it
  homeprov log -v                    with what the steps printed
  homeprov log --json | jq -r .event
  homeprov log --bundle              an archive for a bug report: redacted, and listed")]
pub(super) struct Arguments {
    /// The run's id, or enough of it to tell it from others; the last run when absent
    run: Option<String>,
    /// List the runs
    #[arg(long, conflicts_with = "run")]
    list: bool,
    /// Collect what a bug report needs into one redacted archive, and say what is in it
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true, conflicts_with_all = ["list", "json"], value_hint = ValueHint::FilePath)]
    #[expect(clippy::option_option, reason = "not asked for, asked for, and asked for with a file")]
    bundle: Option<Option<PathBuf>>,
    /// Print the events as JSON, one object per line
    #[arg(long)]
    json: bool,
}

impl Arguments {
    pub(super) fn run(&self, verbosity: Verbosity) -> Result<ExitCode, Failure> {
        let state = journal::state_folder().map_err(|error| {
            Failure::io("cannot tell which folder is for state (set HOME or XDG_STATE_HOME)", &error)
        })?;
        let unreadable =
            |error: &io::Error| Failure::io(format!("cannot read {}", state.join("runs").display()), error);
        let runs = replay::runs(&state).map_err(|error| unreadable(&error))?;
        if runs.is_empty() {
            return Err(Failure::new(
                ExitCode::Usage,
                format!("there is no journal in {}", state.join("runs").display()),
            )
            .help("every `homeprov up`, `plan`, `status` and `verify` writes one"));
        }
        let text = |run: &str| replay::of_run(&state, run).map_err(|error| unreadable(&error));
        if self.list {
            let lines = runs.iter().map(|run| Ok(line(run, &replay::read(&text(run)?))));
            output::result(&lines.collect::<Result<String, Failure>>()?)?;
            return Ok(ExitCode::Done);
        }
        let run = chosen(&runs, self.run.as_deref())?;
        let text = text(run)?;
        if let Some(file) = &self.bundle {
            return bundle::write(&state, run, text, file.as_deref());
        }
        if self.json {
            output::result(&text)?;
        } else {
            show(&replay::read(&text), verbosity);
        }
        Ok(ExitCode::Done)
    }
}

/// The one run a text means.
fn chosen<'a>(runs: &'a [String], wanted: Option<&str>) -> Result<&'a str, Failure> {
    let Some(wanted) = wanted.map(str::to_uppercase) else { return Ok(&runs[runs.len() - 1]) };
    let fits = |run: &&String| run.to_uppercase().starts_with(&wanted) || run.to_uppercase().ends_with(&wanted);
    match runs.iter().filter(fits).collect::<Vec<_>>()[..] {
        [one] => Ok(one),
        [] => {
            Err(Failure::new(ExitCode::Usage, format!("no run is named {wanted}"))
                .help("`homeprov log --list` shows them"))
        }
        _ => Err(Failure::new(ExitCode::Usage, format!("several runs fit {wanted}"))
            .help("`homeprov log --list` shows them")),
    }
}

/// A run in one line: id, when, what, and how it ended.
fn line(run: &str, recording: &Recording) -> String {
    let mut what = "?".to_owned();
    let mut end = "did not end".to_owned();
    for recorded in &recording.events {
        match &recorded.event {
            Event::RunStarted { command, cluster, .. } => what = format!("{command} {cluster}"),
            Event::RunFinished { code, summary, .. } => {
                end = format!("{code}  {}", summary.lines().next().unwrap_or_default());
            }
            _ => {}
        }
    }
    let when = recording.events.first().map(|first| first.at.strftime("%Y-%m-%d %H:%M:%SZ").to_string());
    format!("{run}  {}  {what}  {end}\n", when.unwrap_or_default())
}

fn show(recording: &Recording, verbosity: Verbosity) {
    let (stdout, paint) = (output::stdout_paint(), output::stderr_paint());
    // Secrets are not in a journal: it was redacted when it was written.
    let lines = Lines::new(verbosity, stdout, Redactor::default());
    let mut faces: Vec<Box<dyn Reporter>> = vec![Box::new(Plain::new(io::stdout(), lines))];
    // What a summary says to do next needs the inventory's place, which a journal does not tell.
    let command = recording.events.iter().find_map(|recorded| match &recorded.event {
        Event::RunStarted { command, .. } => Some(command.as_str()),
        _ => None,
    });
    let again = [command.unwrap_or("up"), "INVENTORY"].map(str::to_owned).to_vec();
    let subject = Subject { inventory: "INVENTORY".to_owned(), again, journal: None };
    faces.push(Box::new(Summary::new((io::stdout(), stdout), (io::stdout(), stdout), subject)));
    for recorded in &recording.events {
        for face in &mut faces {
            face.event(recorded.at, &recorded.event);
        }
    }
    for face in &mut faces {
        face.finish();
    }
    if !recording.is_whole() {
        output::note(&format!("{} the journal ends here: the run was killed, or goes on\n", paint.busy("note:")));
    }
    if recording.unread > 0 {
        let text = format!("{} {} lines of the journal cannot be read\n", paint.busy("note:"), recording.unread);
        output::note(&text);
    }
}

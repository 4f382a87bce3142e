//! `homeprov backup`

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use age::x25519::Recipient;
use clap::{Args, ValueHint};

use super::reach::Reach;
use super::run::{Manner, Prints, RunArguments};
use super::{files, output};
use crate::backup::timer::Timer;
use crate::backup::{self, Options};
use crate::engine;
use crate::error::{ExitCode, Failure};
use crate::report::backup as view;
use crate::report::face::Verbosity;
use crate::report::words;

/// Save the site: its database, files, Secrets, and the cluster's data store
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own")]
#[command(help_template = super::HELP, before_help = "\
Examples:
  homeprov backup home.toml /srv/backups --keep 7
  homeprov backup --verify /srv/backups/2026-11-21T0300Z
  homeprov backup home.toml /srv/backups --keep 7 --install-timer")]
pub(super) struct Arguments {
    /// The inventory file
    #[arg(value_hint = ValueHint::FilePath, required_unless_present = "verify")]
    inventory: Option<PathBuf>,
    /// The folder of the backups; each gets its own in there
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath, required_unless_present = "verify")]
    place: Option<PathBuf>,
    /// Look at a backup, without any machine
    #[arg(long, value_name = "BACKUP", value_hint = ValueHint::DirPath, conflicts_with_all = ["inventory", "place"])]
    verify: Option<PathBuf>,
    /// Leave out copies of other servers' media
    #[arg(long)]
    without_cache: bool,
    /// Encrypt Secrets for this key of age instead
    #[arg(long, value_name = "age1…", value_parser = recipient)]
    age_recipient: Vec<Recipient>,
    /// Remove complete backups beyond so many
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    keep: Option<u32>,
    /// Do this every night, by a systemd timer
    #[arg(long, conflicts_with = "verify")]
    install_timer: bool,
    #[command(flatten)]
    reach: Reach,
    /// Take the lock from whoever holds it
    #[arg(long)]
    break_lock: bool,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// When the timer is due (`systemd.time(7)`).
const NIGHTLY: &str = "*-*-* 03:00";

fn recipient(text: &str) -> Result<Recipient, String> {
    text.parse().map_err(|why| format!("no recipient of age ({why}); `age-keygen` prints one as its public key"))
}

impl Arguments {
    pub(super) async fn run(&self, verbosity: Verbosity) -> Result<ExitCode, Failure> {
        if let Some(folder) = &self.verify {
            return self.look(folder);
        }
        let (Some(inventory), Some(place)) = (&self.inventory, &self.place) else {
            return Err(Failure::new(ExitCode::Usage, "an inventory and a folder are needed, or --verify"));
        };
        if self.install_timer {
            return self.install(inventory, place, verbosity);
        }
        let options = Options {
            place: place.clone(),
            cache: !self.without_cache,
            recipients: self.age_recipient.clone(),
            keep: self.keep.map(|keep| keep as usize),
        };
        let manner = Manner { prints: Prints::ProgressAndResult, json: self.json, yes: false, verbosity };
        let mut run = RunArguments::new(inventory.clone(), self.reach.clone()).begin(&manner)?;
        run.session.break_lock = self.break_lock;
        let saved = Box::pin(engine::backup(&run.session, &options)).await;
        run.end_with(saved, |saved| Ok(view::saved_json(saved)), view::saved).await
    }

    fn look(&self, folder: &Path) -> Result<ExitCode, Failure> {
        if !folder.is_dir() {
            return Err(Failure::new(ExitCode::Usage, format!("{} is no folder", folder.display()))
                .help("name one backup: the folder with the date, in the folder of the backups"));
        }
        let looked = backup::look(folder).map_err(|why| Failure::new(ExitCode::VerificationFailed, why))?;
        let text = if self.json {
            view::looked_json(&looked) + "\n"
        } else {
            view::looked(folder, &looked, output::stdout_paint(), output::stdout_width())
        };
        output::result(&text)?;
        Ok(if looked.whole() { ExitCode::Done } else { ExitCode::VerificationFailed })
    }

    fn install(&self, inventory: &Path, place: &Path, verbosity: Verbosity) -> Result<ExitCode, Failure> {
        let known = files::inventory(inventory, verbosity)?;
        if known.mastodon.is_none() {
            let message = format!("{} has no [mastodon]: there would be nothing to back up", inventory.display());
            return Err(Failure::new(ExitCode::Usage, message));
        }
        fs::create_dir_all(place).map_err(io(place))?;
        let absolute = |path: &Path| path.canonicalize().map_err(io(path)).map(|path| path.display().to_string());
        let program =
            std::env::current_exe().map_err(|error| Failure::io("cannot tell where this program is", &error))?;
        let mut command =
            vec![program.display().to_string(), "backup".to_owned(), absolute(inventory)?, absolute(place)?];
        if self.without_cache {
            command.push("--without-cache".to_owned());
        }
        for recipient in &self.age_recipient {
            command.extend(["--age-recipient".to_owned(), recipient.to_string()]);
        }
        if let Some(keep) = self.keep {
            command.extend(["--keep".to_owned(), keep.to_string()]);
        }
        command.extend(self.reach.words());
        let kept = ["XDG_STATE_HOME", "SSH_AUTH_SOCK"].into_iter();
        let timer = Timer {
            cluster: known.cluster.name.clone(),
            command,
            calendar: NIGHTLY.to_owned(),
            system: is_root(),
            environment: kept.filter_map(|name| Some((name.to_owned(), std::env::var(name).ok()?))).collect(),
        };
        let config = etcetera::choose_base_strategy()
            .map_err(|error| Failure::new(ExitCode::Internal, format!("there is no home folder: {error}")))?;
        let folder = timer.folder(&etcetera::BaseStrategy::config_dir(&config));
        fs::create_dir_all(&folder).map_err(io(&folder))?;
        let mut text = String::new();
        for (name, unit) in timer.units() {
            let path = folder.join(name);
            fs::write(&path, &unit).map_err(io(&path))?;
            text.extend(["# ", &path.display().to_string(), "\n", &unit, "\n"]);
        }
        let commands = timer.commands();
        for (at, words) in commands.iter().enumerate() {
            let shown = words::command(words.iter().map(String::as_str));
            let done = Command::new(&words[0]).args(&words[1..]).output();
            let why = match done {
                Ok(done) if done.status.success() => None,
                Ok(done) => Some(String::from_utf8_lossy(&done.stderr).trim().to_owned()),
                Err(error) => Some(error.to_string()),
            };
            if let Some(why) = why {
                output::result(&text)?;
                let message = format!("the units are written, but `{shown}` failed: {why}");
                let left = commands[at..].iter().map(|words| words::command(words.iter().map(String::as_str)));
                let left: Vec<String> = left.collect();
                let help = format!("without it nothing is backed up. Type: {}", left.join(" && "));
                return Err(Failure::new(ExitCode::StepFailed, message).help(help));
            }
            text.extend(["$ ", &shown, "\n"]);
        }
        if !timer.system {
            text +=
                "# A user's timers run while that user is logged in; `loginctl enable-linger` lets them run always.\n";
        }
        output::result(&text)?;
        Ok(ExitCode::Done)
    }
}

fn io(what: &Path) -> impl FnOnce(std::io::Error) -> Failure {
    move |error| Failure::named(what.display(), &error)
}

/// Whether this process is root's.
fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

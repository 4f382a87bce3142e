//! `homeprov log --bundle`: one archive for a bug report.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::output;
use crate::error::{ExitCode, Failure};
use crate::facts::repository;
use crate::gitops::access;
use crate::inventory::{self, Inventory};
use crate::mastodon::{seal, secrets};
use crate::redact;
use crate::report::bundle::{self, Part};
use crate::report::journal;

/// Writes the archive of a run and says what is in it. `file` is where to; in the working folder when absent.
pub(super) fn write(state: &Path, run: &str, journal: String, file: Option<&Path>) -> Result<ExitCode, Failure> {
    let kept = journal::inventory_of(state, run);
    if let Some((path, text)) = &kept
        && let Ok(loaded) = inventory::parse(path, text.clone())
    {
        learn(state, &loaded.inventory);
    }
    let mut parts = vec![
        Part { name: "version.txt", what: "versions of homeprov, ssh, git and this system", text: versions(run) },
        Part { name: "events.jsonl", what: "the journal: steps, what they printed, what was observed", text: journal },
    ];
    if let Some((_, text)) = kept {
        let what = "the inventory as the run read it: paths of secrets, no secrets";
        parts.push(Part { name: "inventory.toml", what, text });
    }
    let path = file.map_or_else(|| PathBuf::from(format!("homeprov-{run}.tar.gz")), Path::to_owned);
    write_file(&path, run, &parts).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => Failure::new(ExitCode::Usage, format!("{} is there already", path.display()))
            .help("name another file: `homeprov log --bundle=FILE`"),
        _ => Failure::named(format!("cannot write {}", path.display()), &error),
    })?;
    output::result(&told(&path, run, &parts))?;
    Ok(ExitCode::Done)
}

fn write_file(path: &Path, run: &str, parts: &[Part]) -> io::Result<()> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    let written = bundle::write(file, run, parts, &redact::of_this_process()).and_then(|file| file.sync_all());
    if written.is_err() {
        // Half an archive is of no use, and would be in the way of the next one.
        let _ = std::fs::remove_file(path);
    }
    written
}

/// What the archive holds, for whoever is about to send it.
fn told(path: &Path, run: &str, parts: &[Part]) -> String {
    let mut text = format!("{} holds of the run {run}:\n", path.display());
    for part in parts {
        let _ = writeln!(text, "  {:<15} {} ({} bytes)", part.name, part.what, part.text.len());
    }
    text += "Passwords, keys and tokens that homeprov knows were taken out. Names, addresses, domains and user names are in it,\n\
             and so is what programs on the nodes printed: read it before you send it.\n";
    let _ = writeln!(text, "  tar -xzOf {} | less", path.display());
    text
}

/// Learns what the inventory's files hold now: what of it may have got into a journal is taken out of the archive.
fn learn(state: &Path, inventory: &Inventory) {
    // Whatever is learnt is learnt by reading it; a file that is gone has nothing to tell.
    if let Some(mastodon) = &inventory.mastodon {
        let _ = secrets::from_files(mastodon);
        let _ = seal::identity(state, &inventory.cluster.name);
    }
    if let Some(flux) = &inventory.flux {
        access::learn(flux, &repository::folder(state, inventory));
    }
}

fn versions(run: &str) -> String {
    let said = |program: &str, argument: &str| {
        let output = Command::new(program).arg(argument).output();
        let text = output.map_or_else(
            |error| error.to_string(),
            // ssh tells its version on standard error.
            |output| String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).trim().to_owned(),
        );
        format!("{program}: {}\n", text.lines().next().unwrap_or_default())
    };
    let system = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let system =
        system.lines().find_map(|line| line.strip_prefix("PRETTY_NAME=")).unwrap_or("unknown").trim_matches('"');
    format!(
        "homeprov: {}\nrun: {run}\nsystem: {system}, {}\n{}{}",
        env!("CARGO_PKG_VERSION"),
        std::env::consts::ARCH,
        said("ssh", "-V"),
        said("git", "--version"),
    )
}

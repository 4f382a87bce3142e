//! `homeprov man`: the manual pages, from the same definition as the help.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use clap::{Args, Command, ValueHint};
use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff, bold, roman};

use super::{Cli, output};
use crate::error::{ExitCode, Failure};

/// Write the manual pages into a folder
#[derive(Debug, Args)]
#[command(help_template = super::HELP, before_help = "\
Examples:
  homeprov man ~/.local/share/man/man1")]
pub(super) struct Arguments {
    /// The folder
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    folder: PathBuf,
}

impl Arguments {
    pub(super) fn run(&self) -> Result<ExitCode, Failure> {
        let mut command = Cli::definition();
        command.build();
        let mut written = String::new();
        write(&self.folder, &command, &mut written)
            .map_err(|error| Failure::named(format!("cannot write to {}", self.folder.display()), &error))?;
        output::result(&written)?;
        Ok(ExitCode::Done)
    }
}

/// The page of a command and of all below it that the help shows.
fn write(folder: &Path, command: &Command, written: &mut String) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let name = command.get_display_name().unwrap_or_else(|| command.get_name());
    let path = folder.join(format!("{name}.1"));
    std::fs::write(&path, page(name, command)?)?;
    // Writing to a text cannot fail.
    let _ = writeln!(written, "{}", path.display());
    let below = command.get_subcommands().filter(|below| !below.is_hide_set() && below.get_name() != "help");
    below.into_iter().try_for_each(|below| write(folder, below, written))
}

fn page(name: &str, command: &Command) -> io::Result<Vec<u8>> {
    let man = Man::new(command.clone()).title(name.to_uppercase()).manual("homeprov").source(env!("CARGO_PKG_VERSION"));
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    if let Some(help) = command.get_before_help() {
        literally("EXAMPLES", &help.to_string(), &mut page)?;
    }
    man.render_options_section(&mut page)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut page)?;
    }
    if let Some(help) = command.get_after_help() {
        literally("EXIT STATUS", &help.to_string(), &mut page)?;
    }
    see_also(name, &mut page)?;
    Ok(page)
}

/// A section of lines as they stand in the help, without its own heading.
fn literally(heading: &str, text: &str, page: &mut Vec<u8>) -> io::Result<()> {
    let mut roff = Roff::new();
    roff.control("SH", [heading]).control("nf", []);
    let lines: Vec<Inline> = text.lines().skip(1).map(|line| roman(format!("{line}\n"))).collect();
    roff.text(lines).control("fi", []);
    roff.to_writer(page)
}

fn see_also(name: &str, page: &mut Vec<u8>) -> io::Result<()> {
    if name == "homeprov" {
        return Ok(());
    }
    let mut roff = Roff::new();
    roff.control("SH", ["SEE ALSO"]).text([bold("homeprov"), roman("(1)")]);
    roff.to_writer(page)
}

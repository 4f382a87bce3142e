//! `homeprov init`

mod questions;

use std::fs::OpenOptions;
use std::io::{self, BufRead, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use clap::{Args, ValueEnum, ValueHint};

use super::{output, prompt};
use crate::error::{ExitCode, Failure};
use crate::inventory::draft::{Draft, Machine, Site, machine};
use crate::inventory::{self, Engine};
use crate::report::words;

/// Write a new inventory, from answers or from a list of addresses
#[derive(Debug, Args)]
#[command(help_template = super::HELP, before_help = "\
Examples:
  homeprov init home.toml                                asks
  printf '%s\\n' 192.168.1.1{0,1,2} | homeprov init home.toml
  homeprov init home.toml --pool 192.168.1.240-192.168.1.250 <machines.txt")]
pub(super) struct Arguments {
    /// The file to write; one that is there stays as it is
    #[arg(value_hint = ValueHint::FilePath)]
    file: PathBuf,
    /// The cluster's name
    #[arg(long)]
    name: Option<String>,
    /// The login on the machines
    #[arg(long)]
    user: Option<String>,
    /// Addresses for services
    #[arg(long, value_name = "RANGES")]
    pool: Option<String>,
    /// How volumes are made
    #[arg(long)]
    storage: Option<Storage>,
    /// A Git repository for what runs in the cluster
    #[arg(long, value_name = "URL")]
    flux: Option<String>,
    /// Mastodon, at this domain
    #[arg(long, value_name = "DOMAIN", requires_all = ["flux", "pool", "owner", "email"])]
    mastodon: Option<String>,
    /// The owner of the Mastodon site
    #[arg(long, value_name = "NAME", requires = "mastodon")]
    owner: Option<String>,
    /// The owner's e-mail address
    #[arg(long, value_name = "ADDRESS", requires = "mastodon")]
    email: Option<String>,
    /// Do not try whether the machines answer
    #[arg(long)]
    no_probe: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Storage {
    /// Each volume on several machines
    Jiva,
    /// Folders on one machine
    Hostpath,
    /// Left alone
    None,
}

impl From<Storage> for Engine {
    fn from(storage: Storage) -> Self {
        match storage {
            Storage::Jiva => Self::Jiva,
            Storage::Hostpath => Self::Hostpath,
            Storage::None => Self::None,
        }
    }
}

/// The default name.
const NAME: &str = "home";
/// Where machines are tried.
const SSH: u16 = 22;
/// How long a machine may take to answer.
const PATIENCE: Duration = Duration::from_secs(3);

impl Arguments {
    pub(super) fn run(&self) -> Result<ExitCode, Failure> {
        // Before anybody has answered anything.
        if self.file.exists() {
            return Err(self.in_the_way());
        }
        let mut draft = self.given();
        if prompt::possible() {
            questions::complete(&mut draft, prompt::line)
                .map_err(|error| Failure::named("the answers cannot be read", &error))?;
        } else {
            draft.machines = listed(io::stdin().lock())?;
        }
        if draft.name.is_empty() {
            NAME.clone_into(&mut draft.name);
        }
        if !self.no_probe {
            probe(&mut draft.machines, SSH);
            tell_silent(&draft.machines);
        }
        self.write(&draft)?;
        let file = self.file.display().to_string();
        let next = words::command(["homeprov", "plan", &file]);
        output::result(&format!("{file}: {}\nnext     {next}\n", words::count(draft.machines.len(), "machine")))?;
        Ok(ExitCode::Done)
    }

    fn in_the_way(&self) -> Failure {
        Failure::new(ExitCode::Usage, format!("{} is there already and stays as it is", self.file.display()))
            .help("name another file, or move that one away")
    }

    /// What was said on the command line.
    fn given(&self) -> Draft {
        let site = self.mastodon.clone().zip(self.owner.clone().zip(self.email.clone()));
        Draft {
            name: self.name.clone().unwrap_or_default(),
            user: self.user.clone(),
            machines: Vec::new(),
            pool: self.pool.clone(),
            storage: self.storage.map(Engine::from),
            repository: self.flux.clone(),
            site: site.map(|(domain, (owner, email))| Site { domain, owner, email }),
        }
    }

    /// Writes what is valid, whole, into a file that is not there.
    fn write(&self, draft: &Draft) -> Result<(), Failure> {
        let text = draft.text();
        if let Err(invalid) = inventory::parse(&self.file, text.clone()) {
            let colour = crate::report::face::Surroundings::of(&io::stderr()).colour();
            let problems = invalid.render(colour, output::stderr_width());
            let message = format!("these answers make no inventory, and nothing was written\n\n{problems}");
            return Err(Failure::new(ExitCode::Usage, message));
        }
        let written = OpenOptions::new().write(true).create_new(true).open(&self.file);
        written.and_then(|mut file| file.write_all(text.as_bytes())).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => self.in_the_way(),
            _ => Failure::named(format!("cannot write {}", self.file.display()), &error),
        })
    }
}

/// A machine a line; empty lines and comments are passed over.
fn listed(lines: impl BufRead) -> Result<Vec<Machine>, Failure> {
    let mut machines = Vec::new();
    for line in lines.lines() {
        let line = line.map_err(|error| Failure::named("the addresses cannot be read", &error))?;
        let line = line.split('#').next().unwrap_or_default().trim();
        if !line.is_empty() {
            let fault = |error: String| Failure::new(ExitCode::Usage, format!("standard input: {error}"));
            machines.push(machine(line, machines.len() + 1).map_err(fault)?);
        }
    }
    if machines.is_empty() {
        let message = "there is no terminal to ask on, and no address on standard input";
        return Err(Failure::new(ExitCode::Usage, message).help("one machine a line: ADDRESS [NAME] [worker]"));
    }
    Ok(machines)
}

/// Tries a port of all machines at once.
fn probe(machines: &mut [Machine], port: u16) {
    thread::scope(|scope| {
        for machine in machines {
            scope.spawn(move || {
                let place = SocketAddr::from((machine.address, port));
                machine.silent = TcpStream::connect_timeout(&place, PATIENCE).err().map(|error| error.to_string());
            });
        }
    });
}

/// Those that do not answer are told, and kept.
fn tell_silent(machines: &[Machine]) {
    for machine in machines {
        if let Some(why) = &machine.silent {
            output::note(&format!("{} ({}) does not answer on port {SSH}: {why}\n", machine.name, machine.address));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_answers_or_it_is_said_why_not() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut machines = vec![machine("127.0.0.1", 1).unwrap()];
        probe(&mut machines, port);
        assert_eq!(machines[0].silent, None);
        drop(listener);
        probe(&mut machines, port);
        assert!(machines[0].silent.as_ref().is_some_and(|why| why.contains("refused")), "{:?}", machines[0].silent);
    }

    #[test]
    fn a_list_may_have_comments_and_empty_lines() {
        let machines = listed("# mine\n10.0.0.1 a\n\n10.0.0.2 # b\n".as_bytes()).unwrap();
        assert_eq!(machines.iter().map(|machine| machine.name.as_str()).collect::<Vec<_>>(), ["a", "node2"]);
        assert!(listed("".as_bytes()).is_err());
    }
}

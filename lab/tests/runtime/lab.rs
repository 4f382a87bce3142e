//! A lab, started as a user starts it, with a script as its command.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

/// A lab to be.
pub struct Lab(Vec<String>);

impl Lab {
    /// A lab with this many control-plane machines.
    pub fn of(nodes: usize) -> Self {
        Self(vec!["run".to_owned(), "--nodes".to_owned(), nodes.to_string()])
    }

    /// With more options.
    pub fn with(mut self, options: &[&str]) -> Self {
        self.0.extend(options.iter().map(|option| (*option).to_owned()));
        self
    }

    /// The program that starts the lab and a script in it.
    pub fn command(&self, script: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_homeprov-lab"));
        command.args(&self.0).args(["--", "bash", "-c", &format!("{}\n{script}", include_str!("prelude.sh"))]);
        command.env("LAB", env!("CARGO_BIN_EXE_homeprov-lab")).stdin(Stdio::null());
        command
    }

    /// Runs a script in the lab.
    pub fn run(&self, script: &str) -> Said {
        let output = self.command(script).output().expect("the lab's program starts");
        let out = String::from_utf8_lossy(&output.stdout).into_owned();
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        let shown = out
            .lines()
            .filter_map(|line| line.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        Said { status: output.status.code(), shown, err }
    }
}

/// What a script said.
#[derive(Debug)]
pub struct Said {
    /// Its exit status.
    pub status: Option<i32>,
    /// Its standard error.
    pub err: String,
    shown: BTreeMap<String, String>,
}

impl Said {
    /// The output of a command the script has shown, its lines joined with `|`.
    #[track_caller]
    pub fn text(&self, name: &str) -> &str {
        match self.shown.get(name) {
            Some(text) => text,
            None => panic!("{name} was not shown; status {:?}\n{}", self.status, self.err),
        }
    }

    /// The exit status of a command the script has shown.
    #[track_caller]
    pub fn status(&self, name: &str) -> i32 {
        self.text(&format!("{name}?")).parse().expect("a number")
    }

    /// A number the script has shown.
    #[track_caller]
    pub fn number(&self, name: &str) -> i64 {
        self.text(name).parse().unwrap_or_else(|_| panic!("{name} is no number: {self:?}"))
    }
}

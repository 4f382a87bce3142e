//! From playbook files to the recipe, or to everything that is wrong with them.

use std::fmt;
use std::path::Path;

use super::model::{Recipe, Step};
use super::read::{self, Names};
use super::source::{self, PlaybookFile};
use crate::diagnostic::{Problem, Source, render_all};
use crate::document::{self, Field, Report, Table};
use crate::gitops::render::Templates;

/// Everything that is wrong with the playbooks, at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidPlaybooks {
    problems: Vec<Problem>,
}

impl InvalidPlaybooks {
    /// The problems, in the order of the files.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// All problems with their places and carets, at most `width` columns wide, and how many there are.
    pub fn render(&self, colour: bool, width: usize) -> String {
        render_all(&self.problems, colour, width)
    }
}

impl From<Problem> for InvalidPlaybooks {
    fn from(problem: Problem) -> Self {
        Self { problems: vec![problem] }
    }
}

impl fmt::Display for InvalidPlaybooks {
    /// One line for each problem.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.problems.iter().map(ToString::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl std::error::Error for InvalidPlaybooks {}

/// Reads the playbooks that are part of the program. `builtins` are the names of the Rust steps there are.
pub fn load_embedded(builtins: &[&str]) -> Result<Recipe, InvalidPlaybooks> {
    load(source::embedded(), builtins, Templates::default())
}

/// Reads the playbooks of another command than `up` that are part of the program.
pub fn load_embedded_of(command: &str, builtins: &[&str]) -> Result<Recipe, InvalidPlaybooks> {
    load(source::embedded_of(command), builtins, Templates::default())
}

/// Reads the playbooks in a folder instead, and the templates in its folder `gitops`.
pub fn load_dir(folder: &Path, builtins: &[&str]) -> Result<Recipe, InvalidPlaybooks> {
    let templates = Templates::beside(folder).map_err(|error| Problem::error(error.to_string()));
    load(source::folder(folder)?, builtins, templates?)
}

/// Reads one playbook from its text; `shown` is how messages call it.
pub fn parse(shown: &str, text: String, builtins: &[&str]) -> Result<Recipe, InvalidPlaybooks> {
    let playbook = shown.trim_end_matches(".toml").to_owned();
    load(vec![PlaybookFile { playbook, shown: shown.to_owned(), text }], builtins, Templates::default())
}

fn load(files: Vec<PlaybookFile>, builtins: &[&str], templates: Templates) -> Result<Recipe, InvalidPlaybooks> {
    let mut names = Names::default();
    let mut steps = Vec::new();
    let mut problems = Vec::new();
    for file in files {
        let mut report = Report::new(Source { name: file.shown, text: file.text });
        steps.extend(playbook(&file.playbook, builtins, &mut names, &mut report));
        problems.extend(report.into_problems());
    }
    if problems.is_empty() { Ok(Recipe { steps, templates }) } else { Err(InvalidPlaybooks { problems }) }
}

fn playbook(name: &str, builtins: &[&str], names: &mut Names, report: &mut Report) -> Vec<Step> {
    let source = report.source();
    let help = "a script of several lines stands in '''…''', each key is there once: https://toml.io";
    let document = match document::parse(&source.text, help) {
        Ok(document) => document,
        Err(problem) => {
            report.push(problem);
            return vec![];
        }
    };
    let mut root = Table::new("a playbook", document.span(), document.get_ref());
    let tables = match root.tables("step", "[[step]]", report) {
        Field::Given(tables) => tables,
        Field::Faulty => vec![],
        Field::Absent => {
            let problem = Problem::error("this playbook has no steps")
                .at(0..0, "needs a [[step]]")
                .help("add a [[step]] table, or remove the file");
            report.push(problem);
            vec![]
        }
    };
    root.finish(report);
    tables.into_iter().filter_map(|table| read::step(name, table, builtins, names, report)).collect()
}

//! From a path to an inventory, or to everything that is wrong with it.

use std::fmt;
use std::io;
use std::path::Path;

use super::build;
use super::file::File;
use super::model::Inventory;
use super::rules;
use crate::diagnostic::{Problem, Severity, Source, render_all};
use crate::document::suggest::nearest;
use crate::document::{self, Report};

/// A valid inventory and what its author should know all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// What the file says.
    pub inventory: Inventory,
    /// Warnings, in the order of the file.
    pub warnings: Vec<Problem>,
}

/// Everything that is wrong with an inventory, at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidInventory {
    problems: Vec<Problem>,
}

impl InvalidInventory {
    /// The errors and the warnings, in the order of the file.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// All problems with their places and carets, at most `width` columns wide, and how many there are.
    pub fn render(&self, color: bool, width: usize) -> String {
        render_all(&self.problems, color, width)
    }
}

impl fmt::Display for InvalidInventory {
    /// One line for each problem.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for InvalidInventory {}

/// Reads an inventory. Fails with all its errors at once, also when the file cannot be read.
pub fn load(path: &Path) -> Result<Loaded, InvalidInventory> {
    let text =
        std::fs::read_to_string(path).map_err(|error| InvalidInventory { problems: vec![unreadable(path, &error)] })?;
    parse(path, text)
}

/// Reads an inventory from its text; `path` names it in messages, and its folder is where relative paths start.
pub fn parse(path: &Path, text: String) -> Result<Loaded, InvalidInventory> {
    let mut report = Report::new(Source { name: path.display().to_string(), text });
    let source = report.source();
    let help = "texts stand in quotes, tables in [brackets], each key once: https://toml.io";
    let inventory = match document::parse(&source.text, help) {
        Ok(document) => {
            let file = File::read(&document, &mut report);
            rules::check(&file, &mut report);
            // The run may change its working directory, the meaning of a path in the file may not.
            let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
            let folder = path.parent().unwrap_or(Path::new("/"));
            rules::secret_files::private(&file, folder, &mut report);
            build::inventory(&file, folder)
        }
        Err(problem) => {
            report.push(problem);
            None
        }
    };
    let problems = report.into_problems();
    let valid = problems.iter().all(|p| p.severity() == Severity::Warning);
    match inventory {
        Some(inventory) if valid => Ok(Loaded { inventory, warnings: problems }),
        _ => Err(InvalidInventory { problems }),
    }
}

fn unreadable(path: &Path, error: &io::Error) -> Problem {
    let name = path.display();
    let problem = |reason: &str| Problem::error(format!("cannot read {name}: {reason}"));
    match error.kind() {
        io::ErrorKind::NotFound => problem("there is no such file").help(match neighbour(path) {
            Some(near) => format!("did you mean {near}?"),
            None => "name the inventory file; `homeprov init` writes one".into(),
        }),
        io::ErrorKind::PermissionDenied => {
            problem("permission denied").help(format!("make it readable for yourself: chmod u+r {name}"))
        }
        io::ErrorKind::IsADirectory => {
            problem("it is a folder").help("name the inventory file in it, such as home.toml")
        }
        io::ErrorKind::InvalidData => {
            problem("it is not UTF-8 text").help("save it as UTF-8; TOML knows no other encoding")
        }
        _ => problem(&error.to_string()).help("check the path and the disk it is on"),
    }
}

/// A file in the same folder with nearly the same name.
fn neighbour(path: &Path) -> Option<String> {
    let folder = path.parent()?;
    let listed = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let stems: Vec<String> = std::fs::read_dir(listed)
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|file| file.extension().is_some_and(|extension| extension == "toml"))
        .filter_map(|file| Some(file.file_stem()?.to_str()?.to_owned()))
        .collect();
    let near = nearest(path.file_stem()?.to_str()?, stems.iter().map(String::as_str))?;
    Some(folder.join(format!("{near}.toml")).display().to_string())
}

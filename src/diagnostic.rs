//! A problem in a file the user wrote: what is wrong, where, why it matters and what to type instead.
//!
//! The inventory and the playbooks are read by different code, and speak with this one voice. Whatever a file holds,
//! a message about it neither steers the terminal nor tells a password.

mod escape;
mod quote;
mod secret;
mod view;

pub(crate) use secret::looks_secret;

use std::fmt::{self, Display, Write as _};
use std::ops::Range;
use std::sync::Arc;

/// What some editors put in front of a file; nobody sees it or counts it.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// Whether a problem stops the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The file cannot be used.
    Error,
    /// The file can be used; the user should know all the same.
    Warning,
}

/// A file as it was read: the name to show and the whole text.
#[derive(Debug, PartialEq, Eq)]
pub struct Source {
    /// The path as the user gave it.
    pub name: String,
    /// The text.
    pub text: String,
}

/// A place in a file, for people: both numbers count from one, columns count characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The character in the line.
    pub column: usize,
}

/// One problem. The first label is the place it is reported at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    severity: Severity,
    message: String,
    source: Option<Arc<Source>>,
    labels: Vec<Label>,
    why: Option<String>,
    help: Option<String>,
}

/// A piece of the text and what is to be said about it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Label {
    span: Range<usize>,
    text: String,
}

impl Problem {
    /// An error with what is wrong in one sentence, no full stop.
    pub fn error(message: impl Into<String>) -> Self {
        Self::new(Severity::Error, &message.into())
    }

    /// A warning with what is doubtful in one sentence, no full stop.
    pub fn warning(message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, &message.into())
    }

    fn new(severity: Severity, message: &str) -> Self {
        let message = escape::line(message);
        Self { severity, message, source: None, labels: Vec::new(), why: None, help: None }
    }

    /// Adds a label: a span in bytes of the file's text, and what it is. The first one gets the place.
    #[must_use]
    pub fn at(mut self, span: Range<usize>, text: impl Into<String>) -> Self {
        self.labels.push(Label { span, text: escape::line(&text.into()) });
        self
    }

    /// Says why it matters.
    #[must_use]
    pub fn why(mut self, why: impl Into<String>) -> Self {
        self.why = Some(escape::lines(&why.into()));
        self
    }

    /// Says what to do next.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(escape::lines(&help.into()));
        self
    }

    /// Names the file the labels point into.
    #[must_use]
    pub fn within(mut self, source: &Arc<Source>) -> Self {
        self.source = Some(Arc::clone(source));
        self
    }

    /// Whether it stops the run.
    pub fn severity(&self) -> Severity {
        self.severity
    }

    /// What is wrong, in one sentence.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to do next, where there is something to say.
    pub fn help_text(&self) -> Option<&str> {
        self.help.as_deref()
    }

    /// The file's name as it was given, where the problem belongs to one.
    pub fn file(&self) -> Option<&str> {
        self.source.as_deref().map(|source| source.name.as_str())
    }

    /// Where it is; none for a problem of the file as a whole.
    pub fn place(&self) -> Option<Place> {
        let source = self.source.as_deref()?;
        Some(source.place(self.offset()?))
    }

    /// The byte it is reported at, for sorting.
    pub(crate) fn offset(&self) -> Option<usize> {
        self.labels.first().map(|label| label.span.start)
    }

    /// The whole message with the piece of the file and its carets, at most `width` columns wide. `color` also
    /// asks for line-drawing characters; without it everything drawn is ASCII. Ends with a newline.
    pub fn render(&self, color: bool, width: usize) -> String {
        view::render(self, color, width)
    }
}

impl Display for Problem {
    /// One line: `home.toml:3:8: error: …`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = self.file() {
            write!(f, "{}:", escape::line(file))?;
            if let Some(Place { line, column }) = self.place() {
                write!(f, "{line}:{column}:")?;
            }
            f.write_char(' ')?;
        }
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(f, "{severity}: {}", self.message)
    }
}

impl Source {
    /// The place of a byte; one past the end is the end.
    pub fn place(&self, offset: usize) -> Place {
        let end = (0..=offset.min(self.text.len())).rev().find(|end| self.text.is_char_boundary(*end));
        let before = &self.text[..end.unwrap_or(0)];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let before_in_line = &before[line_start..];
        let column = before_in_line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(before_in_line).chars().count() + 1;
        Place { line: before.matches('\n').count() + 1, column }
    }
}

/// Several problems one after the other, and at the end how many there are.
pub fn render_all(problems: &[Problem], color: bool, width: usize) -> String {
    let mut text = String::new();
    for problem in problems {
        text.push_str(&problem.render(color, width));
        text.push('\n');
    }
    let count = |severity| problems.iter().filter(|p| p.severity == severity).count();
    let counted = [(count(Severity::Error), "error"), (count(Severity::Warning), "warning")]
        .into_iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, word)| format!("{number} {word}{}", if number == 1 { "" } else { "s" }))
        .collect::<Vec<_>>()
        .join(", ");
    if !counted.is_empty() {
        text.push_str(&counted);
        text.push('\n');
    }
    text
}

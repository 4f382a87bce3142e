//! A problem as the renderer, miette, wants it.

use std::fmt::{self, Display};

use miette::{
    GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteError, MietteSpanContents, SourceCode, SourceSpan,
    SpanContents,
};

use super::{Label, Problem, Severity, Source};

/// The whole message, at most `width` columns wide, with a newline at its end.
pub(super) fn render(problem: &Problem, color: bool, width: usize) -> String {
    let theme = if color { GraphicalTheme::unicode() } else { GraphicalTheme::none() };
    let handler = GraphicalReportHandler::new_themed(theme)
        .with_width(width)
        .with_context_lines(1)
        .with_break_words(false)
        .with_links(false);
    let mut text = String::new();
    // Writing to a string cannot fail; should the renderer refuse, the one-line form still says it all.
    if handler.render_report(&mut text, &View::new(problem)).is_err() {
        text = format!("{problem}\n");
    }
    tidy(&text)
}

/// The renderer pads lines with blanks that nobody sees and every comparison trips over.
fn tidy(text: &str) -> String {
    let mut tidied = text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
    tidied.push('\n');
    tidied
}

/// A problem as the renderer wants it.
#[derive(Debug)]
struct View<'a> {
    problem: &'a Problem,
    text: Option<Characters<'a>>,
    why: Option<Why>,
}

/// The reason, which the renderer shows as the cause.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Why(String);

impl<'a> View<'a> {
    fn new(problem: &'a Problem) -> Self {
        Self { problem, text: problem.source.as_deref().map(Characters), why: problem.why.clone().map(Why) }
    }
}

impl Display for View<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // With a label the renderer names the file above the lines it quotes; without one nobody would.
        match self.problem.file() {
            Some(file) if self.problem.labels.is_empty() => {
                write!(f, "{file}: {}", self.problem.message)
            }
            _ => f.write_str(&self.problem.message),
        }
    }
}

impl std::error::Error for View<'_> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.why.as_ref().map(|why| why as _)
    }
}

impl miette::Diagnostic for View<'_> {
    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.problem.severity {
            Severity::Error => miette::Severity::Error,
            Severity::Warning => miette::Severity::Warning,
        })
    }

    fn help<'b>(&'b self) -> Option<Box<dyn Display + 'b>> {
        let help = self.problem.help.as_ref()?;
        Some(Box::new(help))
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.text.as_ref().map(|text| text as _)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let mut labels = self.problem.labels.iter();
        let primary = labels.next()?;
        let span = |label: &Label| (label.span.start, label.span.len());
        let first = LabeledSpan::new_primary_with_span(Some(primary.text.clone()), span(primary));
        let rest = labels.map(move |label| LabeledSpan::new_with_span(Some(label.text.clone()), span(label)));
        Some(Box::new(std::iter::once(first).chain(rest)))
    }
}

/// The renderer counts columns in bytes, where people and editors count characters; and it takes the number of
/// the last line for the number of lines, which would join two far places into one long quotation.
#[derive(Debug)]
struct Characters<'a>(&'a Source);

impl SourceCode for Characters<'_> {
    fn read_span<'b>(
        &'b self,
        span: &SourceSpan,
        before: usize,
        after: usize,
    ) -> Result<Box<dyn SpanContents<'b> + 'b>, MietteError> {
        let contents = self.0.text.read_span(span, before, after)?;
        let column = match contents.column() {
            0 => 0,
            _ => self.0.place(span.offset()).column - 1,
        };
        Ok(Box::new(MietteSpanContents::new_named(
            self.0.name.clone(),
            contents.data(),
            *contents.span(),
            contents.line(),
            column,
            contents.data().split(|byte| *byte == b'\n').count(),
        )))
    }
}

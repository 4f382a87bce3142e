//! A problem as the renderer, miette, wants it.

use std::fmt::{self, Display};

use miette::{
    GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteError, MietteSpanContents, SourceCode, SourceSpan,
    SpanContents,
};

use super::quote::Quote;
use super::{Label, Place, Problem, Severity, Source, escape};

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
    excerpt: Option<Excerpt>,
    why: Option<Why>,
}

/// The reason, which the renderer shows as the cause.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Why(String);

impl<'a> View<'a> {
    fn new(problem: &'a Problem) -> Self {
        Self {
            problem,
            excerpt: problem.source.as_deref().map(|source| Excerpt::new(source, &problem.labels)),
            why: problem.why.clone().map(Why),
        }
    }
}

impl Display for View<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // With a label the renderer names the file above the lines it quotes; without one nobody would.
        match self.problem.file() {
            Some(file) if self.problem.labels.is_empty() => {
                write!(f, "{}: {}", escape::line(file), self.problem.message)
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
        self.excerpt.as_ref().map(|excerpt| excerpt as _)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let labels = &self.excerpt.as_ref()?.labels;
        (!labels.is_empty()).then(|| Box::new(labels.iter().map(|(label, _)| label.clone())) as _)
    }
}

/// What is quoted of the file, and the labels in it with the places they have in the file itself.
#[derive(Debug)]
struct Excerpt {
    name: String,
    text: String,
    labels: Vec<(LabeledSpan, Place)>,
}

impl Excerpt {
    fn new(source: &Source, labels: &[Label]) -> Self {
        let quote = Quote::new(&source.text);
        let labels = labels.iter().enumerate().map(|(index, label)| {
            let shown = quote.span(&label.span);
            let (span, text) = ((shown.start, shown.len()), Some(label.text.clone()));
            let labelled = match index {
                0 => LabeledSpan::new_primary_with_span(text, span),
                _ => LabeledSpan::new_with_span(text, span),
            };
            (labelled, source.place(label.span.start))
        });
        let labels: Vec<(LabeledSpan, Place)> = labels.collect();
        let mut text = quote.text;
        // The renderer leaves out an empty line at the very end, and with it a label that is there.
        if labels.iter().any(|(label, _)| label.offset() == text.len()) {
            text.push('\n');
        }
        Self { name: escape::line(&source.name), text, labels }
    }
}

/// The renderer counts columns in bytes of what it shows, where people and editors count characters of the file; and
/// it takes the number of the last line for the number of lines, which would join two far places into one long
/// quotation.
impl SourceCode for Excerpt {
    fn read_span<'b>(
        &'b self,
        span: &SourceSpan,
        before: usize,
        after: usize,
    ) -> Result<Box<dyn SpanContents<'b> + 'b>, MietteError> {
        let contents = self.text.read_span(span, before, after)?;
        // Without lines around it the renderer asks for the place to put above the quotation.
        let place = self.labels.iter().find(|(label, _)| before + after == 0 && label.offset() == span.offset());
        let (line, column) = match place {
            Some((_, place)) => (place.line - 1, place.column - 1),
            None => (contents.line(), contents.column()),
        };
        Ok(Box::new(MietteSpanContents::new_named(
            self.name.clone(),
            contents.data(),
            *contents.span(),
            line,
            column,
            contents.data().split(|byte| *byte == b'\n').count(),
        )))
    }
}

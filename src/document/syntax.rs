//! From text to a TOML document.

use toml::Spanned;
use toml::de::DeTable;

use crate::diagnostic::Problem;

/// The document, or the first fault in the order of the file: those after it are mostly its consequences. `help` says
/// what to look for.
pub fn parse<'a>(text: &'a str, help: &str) -> Result<Spanned<DeTable<'a>>, Problem> {
    let (document, faults) = DeTable::parse_recoverable(text);
    let places = faults.iter().map(|fault| (fault.span().unwrap_or(0..0), fault));
    match places.min_by_key(|(span, _)| (span.start, span.end)) {
        None => Ok(document),
        Some((span, fault)) => {
            Err(Problem::error(format!("this is not TOML: {}", fault.message())).at(span, "here").help(help))
        }
    }
}

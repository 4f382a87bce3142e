//! Templates of manifests. `{{x}}` is **always quoted for YAML**: do not quote it again. `{{#each}}` and `{{#if}}` are
//! there, and a name that is not known is an error. `{{{x}}}` is for the lines of a block text alone.

use handlebars::Handlebars;
use serde::Serialize;

use crate::gitops::yaml;

/// Puts values into a template. The templates are part of the program and are all rendered by its tests, so a fault in one
/// never reaches a user.
pub(super) fn render(template: &str, values: &impl Serialize) -> String {
    let mut handlebars = Handlebars::new();
    handlebars.set_strict_mode(true);
    handlebars.register_escape_fn(yaml::plain_or_quoted);
    match handlebars.render_template(template, values) {
        Ok(text) => text,
        Err(error) => unreachable!("a template of the program's own: {error}"),
    }
}

/// A text as the lines of a block text in YAML, `indent` blanks deep and without the end of the last line; the template
/// has the `|` before it.
pub(super) fn block(text: &str, indent: usize) -> String {
    let blanks = " ".repeat(indent);
    let lines = text.lines().map(|line| if line.is_empty() { String::new() } else { format!("{blanks}{line}") });
    lines.collect::<Vec<_>>().join("\n")
}

//! Renders a script with made-up values when the playbook is read, so that a mistake shows before anything runs.

use std::ops::Range;

use super::render::{RenderContext, RenderError, render};
use crate::diagnostic::{Problem, Source};
use crate::document::{At, Report};

/// Tries one script of a step; `key` is `check` or `apply`.
pub(super) fn run(id: &str, key: &str, script: &At<String>, report: &mut Report) {
    if script.value.trim().is_empty() {
        report.push(Problem::error(format!("the `{key}` of `{id}` is empty")).at(script.span.clone(), "no command"));
        return;
    }
    if let Err(error) = render(&script.value, &RenderContext::example()) {
        let span = place(&report.source(), script, &error);
        report.push(Problem::error(format!("the `{key}` of `{id}` is not a usable template")).at(span, error.message));
    }
}

/// Where the error stands in the file; the whole script when escapes in it make that uncertain.
fn place(source: &Source, script: &At<String>, error: &RenderError) -> Range<usize> {
    let whole = script.span.clone();
    let Some(literal) = source.text.get(whole.clone()) else { return whole };
    let Some(inner) = literal.find(&script.value).filter(|lead| *lead <= 5) else { return whole };
    let lines = script.value.split_inclusive('\n');
    let line_start: usize = lines.take(error.line.saturating_sub(1)).map(str::len).sum();
    let line = script.value[line_start..].lines().next().unwrap_or_default();
    let column = line.char_indices().nth(error.column.saturating_sub(1)).map_or(line.len(), |(at, _)| at);
    let tag = &line[column..];
    let length = if tag.starts_with("{{") { tag.find("}}").map_or(tag.len(), |end| end + 2) } else { 0 };
    let start = whole.start + inner + line_start + column;
    start..start + length
}

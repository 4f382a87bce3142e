//! The shapes `-o` selects.

use serde::Serialize;
use serde_json::Value;
use serde_json::ser::{PrettyFormatter, Serializer};

use super::yaml;
use crate::kubernetes::jsonpath::Template;
use crate::kubernetes::value::{entries, list, number, text};

/// How to print what was found.
pub(super) enum Format {
    Table { wide: bool },
    Name,
    Data(Data),
}

/// The formats that print the object itself.
pub(super) enum Data {
    Json,
    Yaml,
    Path(Template),
}

impl Format {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let path = text.strip_prefix("jsonpath=").or_else(|| text.strip_prefix("jsonpath-as-json="));
        if let Some(template) = path {
            let parsed = Template::parse(template);
            return parsed
                .map(|path| Self::Data(Data::Path(path)))
                .map_err(|why| format!("error: error parsing jsonpath {template}, {why}\n"));
        }
        match text {
            "" => Ok(Self::Table { wide: false }),
            "wide" => Ok(Self::Table { wide: true }),
            "name" => Ok(Self::Name),
            "json" => Ok(Self::Data(Data::Json)),
            "yaml" => Ok(Self::Data(Data::Yaml)),
            other => Err(format!(
                "error: unable to match a printer suitable for the output format \"{other}\", allowed formats are: json,jsonpath,jsonpath-as-json,name,wide,yaml\n"
            )),
        }
    }
}

impl Data {
    pub(super) fn print(&self, value: &Value) -> Result<String, String> {
        match self {
            Self::Json => Ok(json(value)),
            Self::Yaml => Ok(yaml::document(value)),
            Self::Path(template) => {
                template.render(value).map_err(|why| format!("error: error executing jsonpath: {why}\n"))
            }
        }
    }
}

/// JSON indented by four, as `kubectl` writes it.
fn json(value: &Value) -> String {
    let mut out = Vec::new();
    let mut serializer = Serializer::with_formatter(&mut out, PrettyFormatter::with_indent(b"    "));
    // Writing a value into memory cannot fail.
    let _ = value.serialize(&mut serializer);
    let mut text = String::from_utf8(out).unwrap_or_default();
    text.push('\n');
    text
}

/// What a table shows besides its plain columns.
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub(super) struct Style {
    pub(super) wide: bool,
    pub(super) namespace: bool,
    pub(super) labels: bool,
    pub(super) headers: bool,
    /// Before every name: `pod.` and a slash.
    pub(super) prefix: Option<String>,
}

/// A `meta.k8s.io/v1` Table as text.
pub(super) fn table(table: &Value, style: &Style) -> String {
    let columns: Vec<(usize, &Value)> = list(table, "/columnDefinitions")
        .iter()
        .enumerate()
        .filter(|(_, column)| style.wide || number(column, "/priority") == 0)
        .collect();
    let mut lines: Vec<Vec<String>> = Vec::new();
    if style.headers {
        let mut header: Vec<String> = columns.iter().map(|(_, column)| text(column, "/name").to_uppercase()).collect();
        if style.namespace {
            header.insert(0, "NAMESPACE".to_owned());
        }
        if style.labels {
            header.push("LABELS".to_owned());
        }
        lines.push(header);
    }
    for row in list(table, "/rows") {
        let mut cells: Vec<String> =
            columns.iter().map(|(index, column)| cell(&row["cells"][*index], text(column, "/name"), style)).collect();
        if style.namespace {
            cells.insert(0, text(row, "/object/metadata/namespace").to_owned());
        }
        if style.labels {
            cells.push(labels(row));
        }
        lines.push(cells);
    }
    align(&lines)
}

fn cell(value: &Value, column: &str, style: &Style) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    };
    // One line per object: `kubectl` cuts a cell at its first line break.
    let text = text.split('\n').next().unwrap_or_default().to_owned();
    match &style.prefix {
        Some(prefix) if column == "Name" => format!("{prefix}/{text}"),
        _ => text,
    }
}

fn labels(row: &Value) -> String {
    let pairs: Vec<String> = entries(row, "/object/metadata/labels")
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
        .collect();
    if pairs.is_empty() { "<none>".to_owned() } else { pairs.join(",") }
}

/// Columns at least six wide with three blanks between them, as `kubectl`'s tab writer does it.
fn align(lines: &[Vec<String>]) -> String {
    let columns = lines.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| {
        let widest = lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max();
        (widest.unwrap_or_default() + 3).max(6)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut out = String::new();
    for line in lines {
        for (index, cell) in line.iter().enumerate() {
            if index + 1 == line.len() {
                out.push_str(cell);
            } else {
                let blanks = widths[index] - cell.chars().count();
                out.push_str(cell);
                out.push_str(&" ".repeat(blanks));
            }
        }
        out.push('\n');
    }
    out
}

//! YAML as `kubectl` reads it, and as `-o yaml` writes it: sorted keys, lists not indented, strings quoted only where
//! they must be.

use serde_json::Value;

/// The documents of a stream, with `true` and `false` as the only booleans: `kind: Y` is a string.
pub(in crate::kubernetes) fn documents(text: &str) -> Result<Vec<Value>, String> {
    let options = serde_saphyr::options! { strict_booleans: true };
    serde_saphyr::from_multiple_with_options(text, options).map_err(|why| why.to_string())
}

/// A document without its end of stream marker.
pub(in crate::kubernetes) fn document(value: &Value) -> String {
    let mut out = String::new();
    block(value, 0, &mut out);
    out
}

fn block(value: &Value, depth: usize, out: &mut String) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (index, (key, inner)) in map.iter().enumerate() {
                if index > 0 || !out.ends_with("- ") {
                    indent(depth, out);
                }
                out.push_str(&scalar(key));
                out.push(':');
                under(inner, depth, out);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (index, item) in items.iter().enumerate() {
                if index > 0 || !out.ends_with("- ") {
                    indent(depth, out);
                }
                out.push_str("- ");
                if is_leaf(item) {
                    out.push_str(&leaf(item, depth + 1));
                    out.push('\n');
                } else {
                    block(item, depth + 1, out);
                }
            }
        }
        other => {
            out.push_str(&leaf(other, depth));
            out.push('\n');
        }
    }
}

/// The value behind a key.
fn under(value: &Value, depth: usize, out: &mut String) {
    if is_leaf(value) {
        out.push(' ');
        out.push_str(&leaf(value, depth + 1));
        out.push('\n');
    } else {
        out.push('\n');
        block(value, if value.is_array() { depth } else { depth + 1 }, out);
    }
}

fn indent(depth: usize, out: &mut String) {
    out.push_str(&"  ".repeat(depth));
}

fn is_leaf(value: &Value) -> bool {
    match value {
        Value::Object(map) => map.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => true,
    }
}

fn leaf(value: &Value, depth: usize) -> String {
    match value {
        Value::Object(_) => "{}".to_owned(),
        Value::Array(_) => "[]".to_owned(),
        Value::String(text) if text.contains('\n') => literal(text, depth),
        Value::String(text) => scalar(text),
        other => other.to_string(),
    }
}

/// A literal block, kept or stripped at its end as the text demands.
fn literal(text: &str, depth: usize) -> String {
    if text.starts_with([' ', '\n']) || text.contains('\t') || text.lines().any(|line| line.ends_with(' ')) {
        return Value::from(text).to_string();
    }
    let mark = match (text.ends_with('\n'), text.ends_with("\n\n")) {
        (false, _) => "|-",
        (true, false) => "|",
        (true, true) => "|+",
    };
    let pad = "  ".repeat(depth);
    let body = text.strip_suffix('\n').unwrap_or(text);
    let lines: Vec<String> =
        body.split('\n').map(|line| if line.is_empty() { String::new() } else { format!("{pad}{line}") }).collect();
    format!("{mark}\n{}", lines.join("\n"))
}

/// Plain where YAML reads the same string back, double-quoted otherwise.
fn scalar(text: &str) -> String {
    let reserved = ["", "~", "null", "true", "false", "yes", "no", "on", "off", "y", "n", "<<", "="];
    let first = text.chars().next().unwrap_or_default();
    let odd_start = "-?:,[]{}#&*!|>'\"%@`= ".contains(first)
        && !(text.len() > 1 && "-?:".contains(first) && !text[1..].starts_with(' '));
    let odd = odd_start
        || reserved.contains(&text.to_lowercase().as_str())
        || looks_numeric(text)
        || looks_like_time(text)
        || text.ends_with([' ', ':'])
        || text.contains(": ")
        || text.contains(" #")
        || text.chars().any(char::is_control)
        || text.starts_with("---");
    if odd { Value::from(text).to_string() } else { text.to_owned() }
}

fn looks_numeric(text: &str) -> bool {
    let digits = text.trim_start_matches(['+', '-']);
    let plain =
        digits.parse::<f64>().is_ok() && digits.starts_with(|letter: char| letter.is_ascii_digit() || letter == '.');
    plain
        || digits.starts_with("0x")
        || digits.starts_with("0o")
        || [".inf", ".nan"].contains(&digits.to_lowercase().as_str())
}

/// Timestamps are quoted: an unquoted one would be read as a time.
fn looks_like_time(text: &str) -> bool {
    text.len() >= 10
        && text.as_bytes()[..10]
            .iter()
            .enumerate()
            .all(|(at, byte)| if at == 4 || at == 7 { *byte == b'-' } else { byte.is_ascii_digit() })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::document;

    #[test]
    fn documents_look_like_kubectls() {
        let value = json!({"apiVersion": "v1", "data": {"a": "1", "b": "x\ny\n", "c": "", "d": "true", "e": "a: b"}, "kind": "X",
            "list": [{"name": "m", "ports": [1, 2]}, "plain"], "none": {}, "time": "2026-11-21T01:49:13Z", "address": "10.77.0.200-10.77.0.210"});
        let expected = "address: 10.77.0.200-10.77.0.210\napiVersion: v1\ndata:\n  a: \"1\"\n  b: |\n    x\n    y\n  c: \"\"\n  d: \"true\"\n  e: \"a: b\"\n\
                        kind: X\nlist:\n- name: m\n  ports:\n  - 1\n  - 2\n- plain\nnone: {}\ntime: \"2026-11-21T01:49:13Z\"\n";
        assert_eq!(document(&value), expected);
        let back: Value = serde_saphyr::from_str(expected).unwrap();
        assert_eq!(back, value);
    }
}

//! YAML as Git shows it well: keys sorted, blocks indented, and every text that a reader could take for something else
//! quoted. Helm reads YAML 1.1, where `no` is false and `1:30` is ninety.

use std::fmt::Write;

use serde_json::Value;

/// A value as a YAML document in block style, with a newline at its end.
pub fn document(value: &Value) -> String {
    let mut text = String::new();
    match value {
        Value::Object(map) if !map.is_empty() => block(&mut text, value, 0),
        Value::Array(list) if !list.is_empty() => block(&mut text, value, 0),
        other => {
            scalar(&mut text, other);
            text.push('\n');
        }
    }
    text
}

fn block(text: &mut String, value: &Value, depth: usize) {
    let indent = "  ".repeat(depth);
    match value {
        Value::Object(map) => {
            let mut keys: Vec<&String> = map.keys().collect();
            keys.sort();
            for key in keys {
                let _ = write!(text, "{indent}{}:", plain_or_quoted(key));
                nested(text, &map[key], depth);
            }
        }
        Value::Array(list) => {
            for item in list {
                let mut nested_item = String::new();
                nested(&mut nested_item, item, depth);
                // What is nested begins on the line of its dash.
                let text_of_item = nested_item.trim_start();
                let _ = write!(text, "{indent}- {text_of_item}");
            }
        }
        _ => {}
    }
}

fn nested(text: &mut String, value: &Value, depth: usize) {
    let empty = match value {
        Value::Object(map) => map.is_empty(),
        Value::Array(list) => list.is_empty(),
        _ => true,
    };
    if empty {
        text.push(' ');
        scalar(text, value);
        text.push('\n');
    } else {
        text.push('\n');
        block(text, value, depth + 1);
    }
}

fn scalar(text: &mut String, value: &Value) {
    match value {
        Value::Null => text.push_str("null"),
        Value::Bool(switch) => text.push_str(if *switch { "true" } else { "false" }),
        Value::Number(number) => text.push_str(&number.to_string()),
        Value::String(string) => text.push_str(&plain_or_quoted(string)),
        Value::Array(_) => text.push_str("[]"),
        Value::Object(_) => text.push_str("{}"),
    }
}

/// A text as it is where no reader of YAML could take it for anything else, else in quotes.
pub fn plain_or_quoted(text: &str) -> String {
    if is_plain(text) { text.to_owned() } else { quoted(text) }
}

/// Whether a text without quotes is the same text to every reader of YAML, 1.1 too. Rather no than yes.
pub fn is_plain(text: &str) -> bool {
    const WORDS: [&str; 13] =
        ["y", "yes", "n", "no", "true", "false", "on", "off", "null", "nan", "inf", "infinity", "nil"];
    let sane = |c: char| c.is_ascii_alphanumeric() || "-_./@+".contains(c);
    let begins = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/') || text.starts_with("./");
    let word = begins && text.chars().all(|c| sane(c) || c == ':') && !text.ends_with(':');
    is_quantity(text) || (word && !WORDS.contains(&text.to_ascii_lowercase().as_str()))
}

/// A whole number with a unit, such as `20Gi`, `250m` or `30m`.
fn is_quantity(text: &str) -> bool {
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
    unit.len() < text.len() && ["Ki", "Mi", "Gi", "Ti", "m"].contains(&unit)
}

/// A text in double quotes, in one line of printable characters: JSON's escapes, and those for what YAML takes for the
/// end of a line.
pub fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => {
                let _ = write!(quoted, "\\u{:04x}", u32::from(character));
            }
            c if c.is_control() => {
                let _ = write!(quoted, "\\u{:04x}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn blocks_and_quotes() {
        let value = json!({
            "b": { "yes": "no", "list": ["a", { "k": 1, "l": [] }, ["x"]] },
            "a": { "empty": {}, "null": null, "number": 1.5, "text": "1:30", "url": "https://x.org/a", "blank": "" },
        });
        insta::assert_snapshot!(document(&value), @r#"
        a:
          blank: ""
          empty: {}
          "null": null
          number: 1.5
          text: "1:30"
          url: https://x.org/a
        b:
          list:
            - a
            - k: 1
              l: []
            - - x
          "yes": "no"
        "#);
    }

    fn value() -> impl Strategy<Value = Value> {
        let text = prop_oneof![
            any::<String>(),
            "[-#:{}\\[\\],&*!|>'\"%@`? \n\t]{0,6}",
            prop::sample::select(vec![
                "{{ .Values.x }}",
                "yes",
                "NO",
                "~",
                "0x1F",
                "1_000",
                "2024-01-01",
                "<<",
                "=",
                "'\"\n"
            ])
            .prop_map(str::to_owned),
        ];
        let leaf = prop_oneof![
            text.clone().prop_map(Value::String),
            any::<i64>().prop_map(Value::from),
            any::<bool>().prop_map(Value::from),
            Just(Value::Null),
        ];
        leaf.prop_recursive(4, 24, 4, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
                prop::collection::btree_map(text.clone(), inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_what_is_read(value in value()) {
            let text = document(&value);
            let read: Value = serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{error}:\n{text}"));
            prop_assert_eq!(read, value, "{}", text);
        }
    }
}

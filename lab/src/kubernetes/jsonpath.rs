//! The `JSONPath` templates of `kubectl` (k8s.io/client-go `util/jsonpath`), as far as people use them.

use serde_json::Value;

/// A parsed template.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Template(Vec<Part>);

#[derive(Debug, Clone, PartialEq)]
enum Part {
    Text(String),
    Path(Vec<Step>),
    Range(Vec<Step>, Vec<Part>),
}

#[derive(Debug, Clone, PartialEq)]
enum Step {
    Field(String),
    Index(i64),
    Slice(Option<i64>, Option<i64>),
    All,
    Deep(String),
    Filter(Vec<Step>, Option<(String, Value)>),
    Union(Vec<Step>),
}

impl Template {
    /// With or without braces around a single path: `{.items[*].metadata.name}`, `.metadata.name`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if !text.contains('{') {
            let path = if text.starts_with(['.', '[', '$']) { text.to_owned() } else { format!(".{text}") };
            return Ok(Self(vec![Part::Path(steps(&path)?)]));
        }
        let mut rest = text;
        let parts = parts(&mut rest, false)?;
        Ok(Self(parts))
    }

    /// The text the template makes of a value.
    pub(super) fn render(&self, root: &Value) -> Result<String, String> {
        let mut out = String::new();
        render(&self.0, root, &mut out)?;
        Ok(out)
    }

    /// The values the template's paths find.
    pub(super) fn find<'a>(&self, root: &'a Value) -> Vec<&'a Value> {
        let paths = self.0.iter().filter_map(|part| match part {
            Part::Path(steps) => Some(steps),
            _ => None,
        });
        paths.flat_map(|steps| walk(vec![root], steps).unwrap_or_default()).collect()
    }
}

fn render(parts: &[Part], root: &Value, out: &mut String) -> Result<(), String> {
    for part in parts {
        match part {
            Part::Text(text) => out.push_str(text),
            Part::Path(steps) => {
                let found: Vec<String> = walk(vec![root], steps)?.into_iter().map(show).collect();
                out.push_str(&found.join(" "));
            }
            Part::Range(steps, body) => {
                for item in walk(vec![root], steps)? {
                    render(body, item, out)?;
                }
            }
        }
    }
    Ok(())
}

fn show(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// Parses up to the end of the text or to the `{end}` of a range.
fn parts(rest: &mut &str, nested: bool) -> Result<Vec<Part>, String> {
    let mut found = Vec::new();
    while !rest.is_empty() {
        let Some(open) = rest.find('{') else {
            found.push(Part::Text((*rest).to_owned()));
            *rest = "";
            break;
        };
        if open > 0 {
            found.push(Part::Text(rest[..open].to_owned()));
        }
        let close = closing(&rest[open..]).ok_or("unclosed action")? + open;
        let action = rest[open + 1..close].trim().to_owned();
        *rest = &rest[close + 1..];
        if action == "end" {
            return if nested { Ok(found) } else { Err("not in range, nothing to end".to_owned()) };
        }
        if let Some(path) = action.strip_prefix("range ") {
            let path = steps(path.trim())?;
            found.push(Part::Range(path, parts(rest, true)?));
        } else if action.starts_with('"') || action.starts_with('\'') {
            found.push(Part::Text(unquote(&action)));
        } else {
            found.push(Part::Path(steps(&action)?));
        }
    }
    if nested { Err("unterminated range".to_owned()) } else { Ok(found) }
}

/// Where the action that opens at the start closes, outside quotes.
fn closing(text: &str) -> Option<usize> {
    let mut quote = None;
    for (at, letter) in text.char_indices() {
        match (quote, letter) {
            (None, '"' | '\'') => quote = Some(letter),
            (Some(open), letter) if open == letter => quote = None,
            (None, '}') => return Some(at),
            _ => {}
        }
    }
    None
}

fn unquote(text: &str) -> String {
    let inner = text.get(1..text.len().saturating_sub(1)).unwrap_or_default();
    inner.replace("\\n", "\n").replace("\\t", "\t").replace("\\\"", "\"")
}

fn steps(path: &str) -> Result<Vec<Step>, String> {
    let mut rest = path.trim_start_matches(['$', '@']);
    let mut found = Vec::new();
    while let Some(first) = rest.chars().next() {
        if let Some(after) = rest.strip_prefix("..") {
            let (name, left) = field(after);
            found.push(Step::Deep(name));
            rest = left;
        } else if let Some(after) = rest.strip_prefix(".[") {
            let (step, left) = bracket(after)?;
            found.push(step);
            rest = left;
        } else if let Some(after) = rest.strip_prefix('.') {
            let (name, left) = field(after);
            match name.as_str() {
                "" => {}
                "*" => found.push(Step::All),
                _ => found.push(Step::Field(name)),
            }
            rest = left;
        } else if let Some(after) = rest.strip_prefix('[') {
            let (step, left) = bracket(after)?;
            found.push(step);
            rest = left;
        } else {
            return Err(format!("unrecognized character in action: U+{:04X} '{first}'", u32::from(first)));
        }
    }
    Ok(found)
}

/// A field name up to the next unescaped dot or bracket.
fn field(text: &str) -> (String, &str) {
    let mut name = String::new();
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\\' => name.extend(letters.next().map(|(_, letter)| letter)),
            '.' | '[' => return (name, &text[at..]),
            _ => name.push(letter),
        }
    }
    (name, "")
}

fn bracket(text: &str) -> Result<(Step, &str), String> {
    let mut depth = 1;
    let mut quote = None;
    let end = text.char_indices().find_map(|(at, letter)| {
        match (quote, letter) {
            (None, '"' | '\'') => quote = Some(letter),
            (Some(open), letter) if open == letter => quote = None,
            (None, '[') => depth += 1,
            (None, ']') => depth -= 1,
            _ => {}
        }
        (depth == 0).then_some(at)
    });
    let end = end.ok_or("unterminated array")?;
    Ok((inside(text[..end].trim())?, &text[end + 1..]))
}

fn inside(text: &str) -> Result<Step, String> {
    if text == "*" {
        return Ok(Step::All);
    }
    if let Some(filter) = text.strip_prefix("?(") {
        return filter_step(filter.strip_suffix(')').ok_or("unterminated filter")?);
    }
    let wrong = || format!("invalid array index {text}");
    if text.contains(',') {
        let parts: Result<Vec<Step>, String> = text.split(',').map(|part| inside(part.trim())).collect();
        return parts.map(Step::Union);
    }
    if text.starts_with(['"', '\'']) {
        return Ok(Step::Field(unquote(text)));
    }
    if let Some((from, to)) = text.split_once(':') {
        let number = |text: &str| if text.is_empty() { Ok(None) } else { text.parse().map(Some).map_err(|_| wrong()) };
        return Ok(Step::Slice(number(from)?, number(to)?));
    }
    text.parse().map(Step::Index).map_err(|_| wrong())
}

fn filter_step(text: &str) -> Result<Step, String> {
    for operator in ["==", "!=", "<=", ">=", "<", ">"] {
        if let Some((left, right)) = text.split_once(operator) {
            let right = right.trim();
            let value = if right.starts_with(['"', '\'']) {
                Value::String(unquote(right))
            } else {
                serde_json::from_str(right).unwrap_or_else(|_| right.into())
            };
            return Ok(Step::Filter(steps(left.trim())?, Some((operator.to_owned(), value))));
        }
    }
    Ok(Step::Filter(steps(text.trim())?, None))
}

fn walk<'a>(mut here: Vec<&'a Value>, path: &[Step]) -> Result<Vec<&'a Value>, String> {
    for step in path {
        let mut next = Vec::new();
        for value in here {
            take(value, step, &mut next)?;
        }
        here = next;
    }
    Ok(here)
}

fn take<'a>(value: &'a Value, step: &Step, out: &mut Vec<&'a Value>) -> Result<(), String> {
    match step {
        Step::Field(name) => out.extend(value.get(name)),
        Step::All => match value {
            Value::Array(items) => out.extend(items),
            Value::Object(map) => out.extend(map.values()),
            _ => {}
        },
        Step::Index(index) => {
            let items = value.as_array().map_or(&[][..], Vec::as_slice);
            let found = place(*index, items.len()).and_then(|place| items.get(place));
            out.push(found.ok_or_else(|| format!("array index out of bounds: index {index}, length {}", items.len()))?);
        }
        Step::Slice(from, to) => {
            let items = value.as_array().map_or(&[][..], Vec::as_slice);
            let from = place(from.unwrap_or(0), items.len()).unwrap_or(0);
            let to = to.map_or(items.len(), |to| place(to, items.len()).unwrap_or(0)).min(items.len());
            out.extend(items.get(from..to).unwrap_or_default());
        }
        Step::Deep(name) => deep(value, name, out),
        Step::Filter(path, test) => {
            for item in value.as_array().into_iter().flatten() {
                let found = walk(vec![item], path)?;
                let fits = match test {
                    None => !found.is_empty(),
                    Some((operator, wanted)) => found.first().is_some_and(|found| compare(found, operator, wanted)),
                };
                if fits {
                    out.push(item);
                }
            }
        }
        Step::Union(steps) => {
            for step in steps {
                take(value, step, out)?;
            }
        }
    }
    Ok(())
}

fn place(index: i64, length: usize) -> Option<usize> {
    if index >= 0 { usize::try_from(index).ok() } else { length.checked_sub(usize::try_from(-index).ok()?) }
}

fn deep<'a>(value: &'a Value, name: &str, out: &mut Vec<&'a Value>) {
    if let Value::Object(map) = value {
        out.extend(map.get(name));
        for inner in map.values() {
            deep(inner, name, out);
        }
    } else if let Value::Array(items) = value {
        for inner in items {
            deep(inner, name, out);
        }
    }
}

fn compare(left: &Value, operator: &str, right: &Value) -> bool {
    let order = match (left, right) {
        (Value::Number(left), Value::Number(right)) => left.as_f64().partial_cmp(&right.as_f64()),
        (Value::String(left), Value::String(right)) => Some(left.cmp(right)),
        _ => None,
    };
    match operator {
        "==" => left == right || order.is_some_and(std::cmp::Ordering::is_eq),
        "!=" => left != right,
        "<" => order.is_some_and(std::cmp::Ordering::is_lt),
        ">" => order.is_some_and(std::cmp::Ordering::is_gt),
        "<=" => order.is_some_and(std::cmp::Ordering::is_le),
        _ => order.is_some_and(std::cmp::Ordering::is_ge),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Template;

    #[test]
    fn templates_render() {
        let root = json!({"items": [
            {"metadata": {"name": "a", "labels": {"k8s.io/x": "1"}}, "status": {"conditions": [{"type": "Ready", "status": "True"}], "n": 3}},
            {"metadata": {"name": "b"}, "status": {"conditions": [{"type": "Ready", "status": "False"}], "n": 5}}]});
        let cases = [
            ("{.items[*].metadata.name}", "a b"),
            ("{.items[0].metadata.name}", "a"),
            ("{.items[-1].metadata.name}", "b"),
            ("{range .items[*]}{.metadata.name}{\"\\t\"}{.status.n}{\"\\n\"}{end}", "a\t3\nb\t5\n"),
            ("{.items[?(@.metadata.name==\"b\")].status.n}", "5"),
            ("{.items[?(@.status.n>3)].metadata.name}", "b"),
            ("{.items[0].status.conditions[?(@.type=='Ready')].status}", "True"),
            ("{.items[0].metadata.labels.k8s\\.io/x}", "1"),
            ("{.items[0].metadata.labels['k8s.io/x']}", "1"),
            ("{..name}", "a b"),
            ("n={.items[0:1].status.n};", "n=3;"),
            ("{.items[0].nothing}", ""),
            ("{.items[0].status.conditions[0]}", r#"{"status":"True","type":"Ready"}"#),
        ];
        for (text, expected) in cases {
            assert_eq!(Template::parse(text).unwrap().render(&root).unwrap(), expected, "{text}");
        }
        assert!(Template::parse("{.items[5]}").unwrap().render(&root).is_err());
        assert!(Template::parse("{range .items[*]}").is_err());
    }
}

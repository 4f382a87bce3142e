//! Values given on the command line (helm.sh/helm `pkg/strvals`).

use serde_json::{Map, Value};

/// Puts `a.b=c,d[0]=e` into `values`; without types when `strings`.
///
/// # Errors
/// helm's words for what is wrong.
pub(super) fn set(values: &mut Value, text: &str, strings: bool) -> Result<(), String> {
    for piece in split(text, ',') {
        let mut parts = split(&piece, '=').into_iter();
        let key = parts.next().unwrap_or_default();
        let given: Vec<String> = parts.collect();
        if given.is_empty() {
            return Err(format!("failed parsing --set data: key \"{key}\" has no value"));
        }
        let value = value(&given.join("="), strings);
        put(values, &path(&key)?, value);
    }
    Ok(())
}

/// Splits where no backslash and no brace is in the way; backslashes stay for the next split, but not before `at`.
fn split(text: &str, at: char) -> Vec<String> {
    let mut parts = vec![String::new()];
    let (mut depth, mut escaped) = (0_u32, false);
    for letter in text.chars() {
        let last = parts.last_mut().expect("there is always one");
        if escaped {
            if letter != at || at != ',' {
                last.push('\\');
            }
            last.push(letter);
            escaped = false;
            continue;
        }
        match letter {
            '\\' => escaped = true,
            '{' => {
                depth += 1;
                last.push(letter);
            }
            '}' => {
                depth = depth.saturating_sub(1);
                last.push(letter);
            }
            _ if letter == at && depth == 0 => parts.push(String::new()),
            _ => last.push(letter),
        }
    }
    parts
}

/// One step on the way to a value.
enum Step {
    Key(String),
    Index(usize),
}

fn path(key: &str) -> Result<Vec<Step>, String> {
    let mut steps = Vec::new();
    for part in split(key, '.') {
        let part = part.replace("\\.", ".").replace('\\', "");
        let (name, rest) = part.split_once('[').map_or((part.as_str(), None), |(name, rest)| (name, Some(rest)));
        steps.push(Step::Key(name.to_owned()));
        for index in rest.into_iter().flat_map(|rest| rest.split('[')) {
            let number = index.trim_end_matches(']').parse();
            steps.push(Step::Index(
                number.map_err(|_| format!("failed parsing --set data: error parsing index: {index}"))?,
            ));
        }
    }
    Ok(steps)
}

fn put(here: &mut Value, steps: &[Step], value: Value) {
    match steps {
        [] => *here = value,
        [Step::Key(key), rest @ ..] => {
            if !here.is_object() {
                *here = Value::Object(Map::new());
            }
            if let Some(map) = here.as_object_mut() {
                put(map.entry(key.clone()).or_insert(Value::Null), rest, value);
            }
        }
        [Step::Index(index), rest @ ..] => {
            if !here.is_array() {
                *here = Value::Array(Vec::new());
            }
            if let Some(items) = here.as_array_mut() {
                if items.len() <= *index {
                    items.resize(index + 1, Value::Null);
                }
                put(&mut items[*index], rest, value);
            }
        }
    }
}

fn value(text: &str, strings: bool) -> Value {
    if let Some(inner) = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')) {
        let items = split(inner, ',').into_iter().filter(|item| !item.is_empty());
        return items.map(|item| value(&item, strings)).collect();
    }
    let plain = text.replace('\\', "");
    if strings {
        return plain.into();
    }
    match plain.as_str() {
        "true" => true.into(),
        "false" => false.into(),
        "null" => Value::Null,
        // A number that begins with a zero is a string, as a mode of a file should be.
        number if number != "0" && number.starts_with('0') => plain.into(),
        number => number.parse::<i64>().map_or_else(|_| plain.clone().into(), Value::from),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_have_types_unless_asked_otherwise() {
        let mut values = json!({});
        set(&mut values, "jiva.enabled=true,jiva.defaultPolicy.replicas=2,a.list={x,y},b[1].c=z", false).unwrap();
        set(&mut values, "filePermissions.UID=991,mode=0775", true).unwrap();
        set(&mut values, "mode2=0775", false).unwrap();
        set(&mut values, r"config=/nfsshare *(rw\,fsid=0\,sync)", false).unwrap();
        set(&mut values, r"annotations.openebs\.io/x=y", false).unwrap();
        assert_eq!(
            values,
            json!({"jiva": {"enabled": true, "defaultPolicy": {"replicas": 2}}, "a": {"list": ["x", "y"]}, "b": [null, {"c": "z"}],
                "filePermissions": {"UID": "991"}, "mode": "0775", "mode2": "0775", "config": "/nfsshare *(rw,fsid=0,sync)",
                "annotations": {"openebs.io/x": "y"}})
        );
        assert_eq!(
            set(&mut values, "novalue", false).unwrap_err(),
            "failed parsing --set data: key \"novalue\" has no value"
        );
    }
}

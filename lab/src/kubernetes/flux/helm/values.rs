//! The values of a release: references in their order, and what the object says itself on top (fluxcd/pkg
//! `chartutil/values.go`).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use crate::kubernetes::Kubernetes;
use crate::kubernetes::addons::merge_values;
use crate::kubernetes::store::Key;
use crate::kubernetes::value::{at, list, text};

impl Kubernetes {
    /// The values of a `HelmRelease`.
    ///
    /// # Errors
    /// What helm-controller says of a reference that cannot be resolved.
    pub(super) fn release_values(&self, namespace: &str, release: &Value) -> Result<Value, String> {
        let mut values = json!({});
        for reference in list(release, "/spec/valuesFrom") {
            let optional = *at(reference, "/optional") == true;
            match self.referenced(namespace, reference) {
                Ok(found) => merge_values(&mut values, &found),
                Err(_) if optional => {}
                Err(why) => return Err(why),
            }
        }
        merge_values(&mut values, at(release, "/spec/values"));
        Ok(values)
    }

    fn referenced(&self, namespace: &str, reference: &Value) -> Result<Value, String> {
        let (kind, name) = (text(reference, "/kind"), text(reference, "/name"));
        let field = match text(reference, "/valuesKey") {
            "" => "values.yaml",
            given => given,
        };
        let failed = |why: &str| {
            format!("could not resolve {kind} chart values reference '{namespace}/{name}' with key '{field}': {why}")
        };
        let plural = if kind == "Secret" { "secrets" } else { "configmaps" };
        let object = self.store.get(&Key::core(plural, namespace, name));
        let object = object.ok_or_else(|| failed(&format!("{plural} \"{name}\" not found")))?;
        let stated = object.pointer("/data").and_then(|data| data.get(field)).and_then(Value::as_str);
        let stated = stated.ok_or_else(|| failed(&format!("missing key '{field}' in {namespace}/{name}")))?;
        let content = if kind == "Secret" {
            String::from_utf8_lossy(&STANDARD.decode(stated).unwrap_or_default()).into_owned()
        } else {
            stated.to_owned()
        };
        let path = text(reference, "/targetPath");
        if !path.is_empty() {
            let literal = *at(reference, "/literal") == true;
            return Ok(placed(path, if literal { content.into() } else { typed(&content) }));
        }
        let read =
            crate::kubernetes::from_yaml(&content).map_err(|why| failed(&format!("unable to read values: {why}")))?;
        match read.into_iter().next().unwrap_or_default() {
            Value::Null => Ok(json!({})),
            found @ Value::Object(_) => Ok(found),
            _ => Err(failed("unable to read values: the document is no map")),
        }
    }
}

/// A value at the end of a path as `--set` takes it: dots part, a backslash before one takes it as a letter.
fn placed(path: &str, value: Value) -> Value {
    let path = path.replace("\\.", "\u{0}");
    path.rsplit('.').fold(value, |inner, name| {
        let mut map = Map::new();
        map.insert(name.replace('\u{0}', "."), inner);
        Value::Object(map)
    })
}

/// As `--set` reads a value.
fn typed(content: &str) -> Value {
    match content.trim() {
        "true" => true.into(),
        "false" => false.into(),
        "null" => Value::Null,
        number => number.parse::<i64>().map_or_else(|_| content.into(), Value::from),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_path_places_a_typed_value() {
        assert_eq!(placed("a.b\\.c.d", typed("7")), json!({"a": {"b.c": {"d": 7}}}));
        assert_eq!(placed("on", typed("true")), json!({"on": true}));
        assert_eq!(placed("name", typed("x y")), json!({"name": "x y"}));
    }
}

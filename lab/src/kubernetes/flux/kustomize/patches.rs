//! Patches of a `kustomization.yaml` and of `spec.patches`: strategic merges and JSON patches, by target.

use serde_json::Value;

use crate::kubernetes::patch::strategic;
use crate::kubernetes::value::{at, text};

/// Applies one entry: `patch` is its text, `target` selects; without one the patch names its object itself.
pub(super) fn apply(objects: &mut [Value], entry: &Value) -> Result<(), String> {
    let content = text(entry, "/patch");
    let documents = crate::kubernetes::from_yaml(content)
        .map_err(|why| format!("unable to parse SM or JSON patch from [{content}]: {why}"))?;
    for patch in documents.iter().filter(|patch| !patch.is_null()) {
        let named = at(entry, "/target").is_null();
        let mut hits = 0;
        for object in objects.iter_mut() {
            let fits = if named { is_of(object, patch) } else { selected(object, &entry["target"]) };
            if fits {
                one(object, patch)?;
                hits += 1;
            }
        }
        if named && hits == 0 {
            let (version, kind, name) =
                (text(patch, "/apiVersion"), text(patch, "/kind"), text(patch, "/metadata/name"));
            return Err(format!(
                "no resource matches strategic merge patch \"{kind}.{version}/{name}\": no matches for Id"
            ));
        }
    }
    Ok(())
}

fn one(object: &mut Value, patch: &Value) -> Result<(), String> {
    if patch.is_array() {
        let patch: json_patch::Patch = serde_json::from_value(patch.clone()).map_err(|why| why.to_string())?;
        return json_patch::patch(object, &patch).map_err(|why| why.to_string());
    }
    let custom = text(object, "/apiVersion")
        .split('/')
        .next()
        .is_some_and(|group| group.contains('.') && !group.ends_with(".k8s.io"));
    let identity = ["apiVersion", "kind"].map(|field| object[field].clone());
    let name = object["metadata"]["name"].clone();
    if custom {
        json_patch::merge(object, patch)
    } else {
        strategic(object, patch)
    }
    object["apiVersion"] = identity[0].clone();
    object["kind"] = identity[1].clone();
    object["metadata"]["name"] = name;
    Ok(())
}

fn is_of(object: &Value, patch: &Value) -> bool {
    let namespace = text(patch, "/metadata/namespace");
    ["/apiVersion", "/kind", "/metadata/name"].iter().all(|path| text(object, path) == text(patch, path))
        && (namespace.is_empty() || namespace == text(object, "/metadata/namespace"))
}

/// Whether a target's fields, those that are said, are the object's. Names may be regular expressions upstream; here only
/// the plain ones and `.*`.
fn selected(object: &Value, target: &Value) -> bool {
    let version = text(object, "/apiVersion");
    let (group, version) = version.split_once('/').unwrap_or(("", version));
    let fits = |field: &str, found: &str| {
        let wanted = text(target, field);
        wanted.is_empty() || wanted == ".*" || wanted == found
    };
    fits("/group", group)
        && fits("/version", version)
        && fits("/kind", text(object, "/kind"))
        && fits("/name", text(object, "/metadata/name"))
        && fits("/namespace", text(object, "/metadata/namespace"))
}

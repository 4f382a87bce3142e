//! `kustomize build` of a folder in a tree, as far as clusters' repositories use it, and the `kustomization.yaml` that
//! kustomize-controller generates where there is none (fluxcd/pkg `kustomize/kustomize_generator.go`).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::patches;
use crate::kubernetes::value::{entries, list, set, text};

/// Content by path.
pub(super) type Files = BTreeMap<String, Vec<u8>>;

/// The names under which a folder says what belongs to it.
const NAMES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];
/// The fields of a `kustomization.yaml` (kubernetes-sigs/kustomize `api/types/kustomization.go`); the first ones are
/// understood here.
const UNDERSTOOD: [&str; 8] =
    ["apiVersion", "kind", "metadata", "resources", "namespace", "patches", "commonAnnotations", "labels"];
const OTHERS: [&str; 20] = [
    "namePrefix",
    "nameSuffix",
    "commonLabels",
    "patchesStrategicMerge",
    "patchesJson6902",
    "images",
    "replicas",
    "replacements",
    "vars",
    "sortOptions",
    "components",
    "crds",
    "bases",
    "configMapGenerator",
    "secretGenerator",
    "helmGlobals",
    "helmCharts",
    "generatorOptions",
    "transformers",
    "generators",
];

/// Brings a path to the form in which trees have it: without a leading `./` or `/` and without a closing slash.
pub(super) fn normal(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/').filter(|part| !part.is_empty() && *part != ".") {
        if part == ".." {
            parts.pop();
        } else {
            parts.push(part);
        }
    }
    parts.join("/")
}

/// Whether there is such a folder.
pub(super) fn is_folder(files: &Files, folder: &str) -> bool {
    folder.is_empty() || files.keys().any(|path| path.starts_with(&format!("{folder}/")))
}

fn within(folder: &str, name: &str) -> String {
    normal(&format!("{folder}/{name}"))
}

fn kustomization_in(files: &Files, folder: &str) -> Option<String> {
    NAMES.iter().map(|name| within(folder, name)).find(|path| files.contains_key(path))
}

/// The objects of a folder. `work` is the directory the tree counts as unpacked in, for messages.
///
/// # Errors
/// What kustomize-controller says of a folder that cannot be built.
pub(super) fn build(files: &Files, folder: &str, work: &str) -> Result<Vec<Value>, String> {
    let builder = Builder { files, work };
    let built = if kustomization_in(files, folder).is_some() {
        builder.folder(folder).map_err(|why| format!("kustomize build failed: {why}"))
    } else {
        let resources = builder.generated(folder)?;
        builder.resources(folder, &resources).map_err(|why| format!("kustomize build failed: {why}"))
    };
    built.and_then(|objects| {
        let nameless = |object: &&Value| {
            ["/apiVersion", "/kind", "/metadata/name"].iter().any(|path| text(object, path).is_empty())
        };
        match objects.iter().find(nameless) {
            Some(object) => Err(format!("failed to decode Kubernetes apiVersion, kind and name from: {object}")),
            None => Ok(objects),
        }
    })
}

struct Builder<'a> {
    files: &'a Files,
    work: &'a str,
}

impl Builder<'_> {
    fn absolute(&self, path: &str) -> String {
        if path.is_empty() { self.work.to_owned() } else { format!("{}/{path}", self.work) }
    }

    /// What the generated `kustomization.yaml` lists: every YAML file below, and the folders that have one of their own.
    fn generated(&self, folder: &str) -> Result<Vec<String>, String> {
        let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let mut resources = BTreeSet::new();
        for (path, content) in self.files.range(prefix.clone()..).take_while(|(path, _)| path.starts_with(&prefix)) {
            let inner = &path[prefix.len()..];
            let own = inner
                .match_indices('/')
                .map(|(at, _)| &inner[..at])
                .find(|sub| kustomization_in(self.files, &within(folder, sub)).is_some());
            if let Some(sub) = own {
                resources.insert(sub.to_owned());
            } else if [".yaml", ".yml"].iter().any(|ending| inner.ends_with(ending)) {
                let readable = crate::kubernetes::from_yaml(&String::from_utf8_lossy(content)).and_then(|documents| {
                    let odd =
                        documents.iter().find(|document| !document.is_null() && text(document, "/kind").is_empty());
                    odd.map_or(Ok(()), |_| Err("Object 'Kind' is missing".to_owned()))
                });
                if let Err(why) = readable {
                    return Err(format!("failed to decode Kubernetes YAML from {}: {why}", self.absolute(path)));
                }
                resources.insert(inner.to_owned());
            }
        }
        Ok(resources.into_iter().collect())
    }

    /// A folder with a `kustomization.yaml`.
    fn folder(&self, folder: &str) -> Result<Vec<Value>, String> {
        let Some(path) = kustomization_in(self.files, folder) else {
            return Err(format!(
                "unable to find one of 'kustomization.yaml', 'kustomization.yml' or 'Kustomization' in directory '{}'",
                self.absolute(folder)
            ));
        };
        let content = String::from_utf8_lossy(&self.files[&path]).into_owned();
        let read = crate::kubernetes::from_yaml(&content).map_err(|why| format!("invalid Kustomization: {why}"))?;
        let said = read.into_iter().next().unwrap_or_default();
        for (field, _) in entries(&said, "") {
            if OTHERS.contains(&field.as_str()) {
                return Err(format!(
                    "the simulated kustomize does not know the field \"{field}\" of {}",
                    self.absolute(&path)
                ));
            }
            if !UNDERSTOOD.contains(&field.as_str()) {
                return Err(format!("invalid Kustomization: json: unknown field \"{field}\""));
            }
        }
        let resources: Vec<String> =
            list(&said, "/resources").iter().filter_map(|name| name.as_str().map(str::to_owned)).collect();
        let mut objects = self.resources(folder, &resources)?;
        for patch in list(&said, "/patches") {
            let mut patch = patch.clone();
            let file = text(&patch, "/path").to_owned();
            if !file.is_empty() {
                let path = within(folder, &file);
                let content = self.files.get(&path).ok_or_else(|| self.missing(&path))?;
                set(&mut patch, "/patch", String::from_utf8_lossy(content).into_owned());
            }
            patches::apply(&mut objects, &patch)?;
        }
        let namespace = text(&said, "/namespace");
        if !namespace.is_empty() {
            for object in &mut objects {
                move_to(object, namespace);
            }
        }
        for object in &mut objects {
            for (name, value) in entries(&said, "/commonAnnotations") {
                super::applying::label(object, "annotations", name, value);
            }
            for (name, value) in list(&said, "/labels").iter().flat_map(|labels| entries(labels, "/pairs")) {
                super::applying::label(object, "labels", name, value);
            }
        }
        Ok(objects)
    }

    fn missing(&self, path: &str) -> String {
        format!("open {}: no such file or directory", self.absolute(path))
    }

    /// Files and folders in the order in which they are named.
    fn resources(&self, folder: &str, names: &[String]) -> Result<Vec<Value>, String> {
        let mut objects: Vec<Value> = Vec::new();
        for name in names {
            let path = within(folder, name);
            let added = if let Some(content) = self.files.get(&path) {
                let documents = crate::kubernetes::from_yaml(&String::from_utf8_lossy(content))
                    .map_err(|why| format!("accumulating resources: accumulation err='accumulating resources from '{name}': MalformedYAMLError: {why} in File: {name}'"))?;
                documents.into_iter().filter(|document| !document.is_null()).flat_map(unlisted).collect()
            } else if is_folder(self.files, &path) {
                self.folder(&path)?
            } else {
                return Err(format!(
                    "accumulating resources: accumulation err='accumulating resources from '{name}': {}': must build at directory: not a valid directory: evalsymlink failure on '{}' : lstat {}: no such file or directory",
                    self.missing(&path),
                    self.absolute(&path),
                    self.absolute(&path)
                ));
            };
            for object in added {
                if objects.iter().any(|known| same(known, &object)) {
                    let (version, kind) = (text(&object, "/apiVersion"), text(&object, "/kind"));
                    let group = version.split_once('/').map_or("[noGrp]", |(group, _)| group);
                    return Err(format!(
                        "accumulating resources: accumulation err='merging resources from '{name}': may not add resource with an already registered id: {kind}.{}.{group}/{}.{}'",
                        version.rsplit('/').next().unwrap_or_default(),
                        text(&object, "/metadata/name"),
                        match text(&object, "/metadata/namespace") {
                            "" => "[noNs]",
                            namespace => namespace,
                        }
                    ));
                }
                objects.push(object);
            }
        }
        Ok(objects)
    }
}

fn same(one: &Value, other: &Value) -> bool {
    ["/apiVersion", "/kind", "/metadata/namespace", "/metadata/name"]
        .iter()
        .all(|path| text(one, path) == text(other, path))
}

/// The items of a `List`.
fn unlisted(document: Value) -> Vec<Value> {
    if text(&document, "/kind") == "List" { list(&document, "/items").to_vec() } else { vec![document] }
}

/// Kinds that live in no namespace, among those people write by hand.
const CLUSTER: [&str; 8] = [
    "Namespace",
    "CustomResourceDefinition",
    "ClusterRole",
    "ClusterRoleBinding",
    "PersistentVolume",
    "StorageClass",
    "PriorityClass",
    "IngressClass",
];

/// Puts an object into a namespace, if its kind lives in one; accounts named as subjects move along.
pub(super) fn move_to(object: &mut Value, namespace: &str) {
    let kind = text(object, "/kind").to_owned();
    if kind == "Namespace" {
        set(object, "/metadata/name", namespace);
    } else if !CLUSTER.contains(&kind.as_str()) {
        set(object, "/metadata/namespace", namespace);
    }
    if let Some(subjects) = object.get_mut("subjects").and_then(Value::as_array_mut) {
        for subject in subjects.iter_mut().filter(|subject| subject["kind"] == "ServiceAccount") {
            subject["namespace"] = json!(namespace);
        }
    }
}

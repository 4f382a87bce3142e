//! `kubectl get`.

use serde_json::{Value, json};

use super::arguments::Arguments;
use super::output::{self, Format};
use super::resources::{Wanted, collection, object_path, selection};
use super::{Printed, server_error};
use crate::kubernetes::Kubernetes;
use crate::kubernetes::value::{remove, text};

/// The objects found of one kind.
struct Found {
    wanted: Wanted,
    objects: Vec<Value>,
}

impl Kubernetes {
    pub(super) fn kubectl_get(&mut self, arguments: &Arguments) -> Printed {
        let format = match Format::parse(arguments.flag("output").unwrap_or_default()) {
            Ok(format) => format,
            Err(refusal) => return Printed::error(refusal),
        };
        let wanted = match self.wanted(&arguments.words) {
            Ok(wanted) => wanted,
            Err(refusal) => return Printed::error(refusal),
        };
        let by_name = wanted.iter().any(|wanted| !wanted.names.is_empty());
        if by_name && arguments.is_set("all-namespaces") && wanted.iter().any(|wanted| wanted.kind.namespaced) {
            return Printed::error("error: a resource cannot be retrieved by name across all namespaces\n");
        }
        let mut printed = Printed::default();
        let mut found = Vec::new();
        for wanted in wanted {
            let (objects, errors) = self.fetch(arguments, &wanted);
            printed.join(&errors);
            found.push(Found { wanted, objects });
        }
        let found = merge(found);
        match format {
            Format::Table { wide } => self.print_tables(arguments, &found, wide, &mut printed),
            Format::Name => {
                for Found { wanted, objects } in &found {
                    for object in objects {
                        let name = text(object, "/metadata/name");
                        printed.say(&format!("{}/{name}", wanted.kind.qualified_singular()));
                    }
                }
            }
            Format::Data(data) => {
                let single = by_name
                    && found.iter().map(|found| found.objects.len()).sum::<usize>() == 1
                    && arguments.words.len() <= 2;
                if by_name && found.iter().all(|found| found.objects.is_empty()) {
                    return printed;
                }
                let mut objects: Vec<Value> = found.into_iter().flat_map(|found| found.objects).collect();
                for object in &mut objects {
                    remove(object, "/metadata/managedFields");
                }
                let value = if single {
                    objects.remove(0)
                } else {
                    json!({"apiVersion": "v1", "items": objects, "kind": "List", "metadata": {"resourceVersion": ""}})
                };
                match data.print(&value) {
                    Ok(text) => printed.out.push_str(&text),
                    Err(refusal) => printed.join(&Printed::error(refusal)),
                }
            }
        }
        printed
    }

    /// The objects of one kind, and what the server said of those it did not give.
    fn fetch(&mut self, arguments: &Arguments, wanted: &Wanted) -> (Vec<Value>, Printed) {
        let mut objects = Vec::new();
        let mut errors = Printed::default();
        let namespace = arguments.namespace();
        if wanted.names.is_empty() {
            let target = format!("{}?{}", collection(&wanted.kind, namespace), selection(arguments));
            let response = self.ask("GET", &target, None);
            if response.status != 200 {
                errors.join(&Printed::error(server_error(&response, "")));
            }
            if let Value::Array(items) = response.json()["items"].take() {
                objects = items;
            }
            for object in &mut objects {
                object["apiVersion"] = wanted.kind.api_version().into();
                object["kind"] = wanted.kind.kind.as_str().into();
            }
        }
        for name in &wanted.names {
            let response = self.ask("GET", &object_path(&wanted.kind, namespace.unwrap_or("default"), name), None);
            match response.status {
                200 => objects.push(response.json()),
                404 if arguments.is_set("ignore-not-found") => {}
                _ => errors.join(&Printed::error(server_error(&response, ""))),
            }
        }
        (objects, errors)
    }

    fn print_tables(&self, arguments: &Arguments, found: &[Found], wide: bool, printed: &mut Printed) {
        let prefixed = found.len() > 1
            || arguments.words.first().is_some_and(|word| word == "all")
            || arguments.is_set("show-kind");
        let mut tables = Vec::new();
        for Found { wanted, objects } in found.iter().filter(|found| !found.objects.is_empty()) {
            let table = self.table(&wanted.kind, objects, "Metadata");
            let style = output::Style {
                wide,
                namespace: arguments.is_set("all-namespaces") && wanted.kind.namespaced,
                labels: arguments.is_set("show-labels"),
                headers: !arguments.is_set("no-headers"),
                prefix: prefixed.then(|| wanted.kind.qualified_singular()),
            };
            tables.push(output::table(&table, &style));
        }
        if tables.is_empty() && printed.status == 0 && !arguments.is_set("ignore-not-found") {
            let scoped = found.iter().any(|found| found.wanted.kind.namespaced);
            let text = match arguments.namespace() {
                Some(namespace) if scoped => format!("No resources found in {namespace} namespace.\n"),
                _ => "No resources found\n".to_owned(),
            };
            printed.err.push_str(&text);
        }
        printed.out.push_str(&tables.join("\n"));
    }
}

/// Puts the same kinds together: `pod/a pod/b` is one table.
fn merge(found: Vec<Found>) -> Vec<Found> {
    let mut merged: Vec<Found> = Vec::new();
    for next in found {
        match merged.iter_mut().find(|known| known.wanted.kind == next.wanted.kind) {
            Some(known) => known.objects.extend(next.objects),
            None => merged.push(next),
        }
    }
    merged
}

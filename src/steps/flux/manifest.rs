//! Flux's objects from a manifest to the API server.

use kube::Client;
use serde_json::Value;

use super::super::{Context, Failure};
use crate::kube::apply::{Applier, ApplyError, documents, established};

fn is_definition(object: &Value) -> bool {
    object["kind"] == "CustomResourceDefinition"
}

/// Applies a manifest: namespaces and definitions first, and the rest once the definitions are served.
pub(super) async fn apply(context: &Context, client: &Client, text: &str) -> Result<(), Failure> {
    let objects = documents(text).map_err(failure)?;
    let (first, rest): (Vec<&Value>, Vec<&Value>) =
        objects.iter().partition(|object| is_definition(object) || object["kind"] == "Namespace");
    let mut applier = Applier::new(client);
    for object in &first {
        applier.apply(object).await.map_err(failure)?;
    }
    let definitions = first.iter().filter(|object| is_definition(object));
    let names: Vec<&str> = definitions.filter_map(|object| object["metadata"]["name"].as_str()).collect();
    if !names.is_empty() {
        context.say(format!("{} definitions are applied", names.len()));
        established(client, &names, context.step.limit).await.map_err(failure)?;
    }
    for object in &rest {
        applier.apply(object).await.map_err(failure)?;
    }
    context.say(format!("{} objects are applied", objects.len()));
    Ok(())
}

/// An answer of the API server that may be another one soon stays one.
fn failure(error: ApplyError) -> Failure {
    match error {
        ApplyError::Refused { source: source @ kube::Error::Api(_), ref object } => {
            let text = format!("{object}: {}", crate::kube::error::message(&source));
            match &source {
                kube::Error::Api(status) if status.code >= 500 || status.code == 409 || status.code == 429 => {
                    source.into()
                }
                _ => Failure::failed(text),
            }
        }
        ApplyError::Refused { source, .. } => source.into(),
        other => Failure::failed(other.to_string()),
    }
}

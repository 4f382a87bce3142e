//! The request to reconcile now, as the `flux` program makes it.

use kube::Client;
use serde_json::{Map, Value, json};

use super::objects::path;
use crate::kube::request::merge;

/// The field manager of the `flux` program. What another one writes, the kustomize-controller takes away again
/// (fluxcd/kustomize-controller `docs/spec/v1/kustomizations.md`).
const MANAGER: &str = "flux-client-side-apply";

/// Asks for a reconciliation and returns the token by which the object tells that it has been handled. `also` names
/// further annotations of a `HelmRelease` that carry the same token: `reconcile.fluxcd.io/forceAt`, `…/resetAt`.
pub async fn request_reconcile(
    client: &Client,
    kind: &str,
    namespace: &str,
    name: &str,
    also: &[&str],
) -> kube::Result<String> {
    let token = jiff::Timestamp::now().to_string();
    let names = ["reconcile.fluxcd.io/requestedAt"].into_iter().chain(also.iter().copied());
    let annotations: Map<String, Value> = names.map(|name| (name.to_owned(), token.clone().into())).collect();
    let path = format!("{}?fieldManager={MANAGER}", path(kind, namespace, name));
    merge(client, &path, &json!({ "metadata": { "annotations": annotations } })).await?;
    Ok(token)
}

//! The secrets of the site, encrypted for the repository.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Secret;
use secrecy::SecretString;

use super::super::{Context, Failure};
use crate::kube::request;
use crate::mastodon::secrets::{self, SecretSet};
use crate::mastodon::{NAMESPACE, seal};

/// Reads what homeprov made from the cluster and encrypts it with the key on this machine; none while it is not there.
/// Passwords of the user's are in files of the user's, and stay out of it.
pub(super) async fn sealed(context: &Context) -> Result<Option<String>, Failure> {
    let Some(mastodon) = &context.inventory.mastodon else { return Ok(None) };
    let client = context.api().await?;
    let mut set = SecretSet::default();
    for (name, keys) in secrets::generated(mastodon) {
        let path = format!("/api/v1/namespaces/{NAMESPACE}/secrets/{name}");
        let found: Option<Secret> = request::get(&client, &path).await?;
        let mut data: BTreeMap<String, Vec<u8>> = found
            .and_then(|secret| secret.data)
            .unwrap_or_default()
            .into_iter()
            .map(|(key, value)| (key, value.0))
            .collect();
        for key in keys {
            match data.remove(key).map(String::from_utf8) {
                Some(Ok(value)) => set.insert(name, key, SecretString::from(value)),
                _ => return Ok(None),
            }
        }
    }
    let failed = |error: seal::SealError| Failure::failed(error.to_string());
    let recipient = seal::recipient(&context.state, &context.inventory.cluster.name).map_err(failed)?;
    let fingerprint = secrets::fingerprint(mastodon, &set);
    seal::seal(&set, &fingerprint, &recipient).map(Some).map_err(failed)
}

//! The secrets of the site, encrypted for the repository.

use super::super::{Context, Failure};
use crate::kube::mastodon::secrets::read;
use crate::mastodon::seal;
use crate::mastodon::secrets::{SecretSet, fingerprint, generated};

/// Reads what homeprov made from the cluster and encrypts it with the key on this machine; none while it is not there.
/// Passwords of the user's are in files of the user's, and stay out of it.
pub(super) async fn sealed(context: &Context) -> Result<Option<String>, Failure> {
    let Some(mastodon) = &context.inventory.mastodon else { return Ok(None) };
    let present = read(&context.api().await?).await?;
    let mut set = SecretSet::default();
    for (name, keys) in generated(mastodon) {
        for key in keys {
            let Some(value) = present.get(name, key) else { return Ok(None) };
            set.insert(name, key, value.clone());
        }
    }
    let failed = |error: seal::SealError| Failure::failed(error.to_string());
    let recipient = seal::recipient(&context.state, &context.inventory.cluster.name).map_err(failed)?;
    seal::seal(&set, &fingerprint(mastodon, &set), &recipient).map(Some).map_err(failed)
}

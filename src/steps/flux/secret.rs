//! The Secret Flux reads the repository with.

use std::collections::BTreeMap;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::ExposeSecret;
use serde_json::json;

use super::super::{Context, Failure, RustStep};
use super::{deploy_key, flux, held_up, repository};
use crate::facts::flux::FLUX;
use crate::facts::{Facts, repository::folder};
use crate::gitops::access;
use crate::inventory::model::Inventory;
use crate::kube::request;
use crate::plan::{Place, Verdict};

/// `Secret/flux-system` has the deploy key and the known hosts, or the user name and the password.
pub struct FluxSecret;

#[async_trait]
impl RustStep for FluxSecret {
    fn check(&self, inventory: &Inventory, facts: &Facts, _: &Place) -> Verdict {
        let Some((wanted, seen)) = repository(inventory, facts) else { return Verdict::Holds };
        if deploy_key::kept(wanted, facts) {
            return Verdict::Holds;
        }
        let Some(flux) = flux(facts) else { return Verdict::unknown("flux-installed") };
        if let Some(problem) = &seen.access_problem {
            return held_up(problem);
        }
        let Some(access) = &seen.access else { return Verdict::unknown("deploy-key") };
        match (&access.secret, &flux.secret) {
            (None, _) => Verdict::Holds,
            (Some(_), None) => Verdict::differs(format!("there is no Secret {FLUX}")),
            (Some(wanted), Some(seen)) if *wanted == seen.fingerprint => Verdict::Holds,
            (Some(_), Some(_)) => Verdict::differs(format!("the Secret {FLUX} has another key or other known hosts")),
        }
    }

    async fn apply(&self, context: &Context) -> Result<(), Failure> {
        let inventory = &context.inventory;
        let Some(wanted) = &inventory.flux else { return Ok(()) };
        let material = access::material(inventory, wanted, &folder(&context.state, inventory)).await;
        let material = material.map_err(|problem| Failure::failed(problem.reason))?;
        let Some(material) = material else { return Ok(()) };
        let data: BTreeMap<&str, String> =
            material.data.iter().map(|(key, value)| (key.as_str(), STANDARD.encode(value.expose_secret()))).collect();
        let client = context.api().await?;
        let path = format!("/api/v1/namespaces/{FLUX}/secrets/{FLUX}");
        let object = json!({
            "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
            "metadata": { "name": FLUX, "namespace": FLUX },
            "data": data,
        });
        request::apply(&client, &path, &object).await?;
        // What an earlier inventory needed would keep the fingerprint from being what it should.
        let seen: Option<k8s_openapi::api::core::v1::Secret> = request::get(&client, &path).await?;
        let left: serde_json::Map<String, serde_json::Value> = seen
            .and_then(|seen| seen.data)
            .unwrap_or_default()
            .into_keys()
            .filter(|key| !data.contains_key(key.as_str()))
            .map(|key| (key, serde_json::Value::Null))
            .collect();
        if !left.is_empty() {
            request::merge(&client, &path, &json!({ "data": left })).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{facts, inventory};
    use super::*;
    use crate::facts::flux::AccessSecret;

    #[test]
    fn another_key_is_put_in_and_the_clusters_own_kept() {
        let mut facts = facts();
        let mut inventory = inventory();
        let check = |inventory: &Inventory, facts: &Facts| FluxSecret.check(inventory, facts, &Place::Cluster);
        let secret = |facts: &mut Facts, secret| facts.cluster.as_mut().unwrap().flux.as_mut().unwrap().secret = secret;
        assert_eq!(check(&inventory, &facts), Verdict::Holds);
        secret(&mut facts, None);
        assert_eq!(check(&inventory, &facts), Verdict::differs("there is no Secret flux-system"));
        secret(&mut facts, Some(AccessSecret { fingerprint: "another".into(), key: true }));
        assert_eq!(check(&inventory, &facts), Verdict::Holds);
        inventory.flux.as_mut().unwrap().deploy_key = Some("/keys/flux".into());
        assert!(matches!(check(&inventory, &facts), Verdict::Differs { .. }));
    }
}

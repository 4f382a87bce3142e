//! What the addons apply.

mod chart;
mod cstor;
mod definitions;
mod hostpath;
mod jiva;
mod metallb;
mod nfs_provisioner;
mod openebs;
mod release;

pub use chart::{Chart, Release, merge_values};
pub(super) use chart::{full_name, mounted, printed, truth, variable};

use serde_json::Value;

use super::Kubernetes;
use super::types::Millis;

impl Kubernetes {
    /// Applies the manifest of the addon `metallb`, which has no pool; the lines `kubectl apply` prints.
    pub fn install_metallb(&mut self, now: Millis) -> String {
        self.apply_all(now, &metallb::manifest())
    }

    /// One attempt of the addon's script at `default-addresspool` and `default-advertise-all-pools`: what `kubectl apply`
    /// prints, on stdout when all went well and on stderr otherwise. `ranges` are separated by commas.
    pub fn create_pool(&mut self, now: Millis, ranges: &str) -> Result<String, String> {
        let (out, err, status) = self.kubectl_apply(now, &metallb::pool(ranges));
        if status == 0 { Ok(out) } else { Err(err) }
    }

    /// Applies the manifest of the addon `hostpath-storage`; the lines `kubectl apply` prints.
    pub fn install_hostpath_storage(&mut self, now: Millis) -> String {
        self.apply_all(now, &hostpath::manifest())
    }

    /// Whether a Deployment has the condition Available, as `kubectl wait --for=condition=available` sees it.
    pub fn available(&self, namespace: &str, deployment: &str) -> bool {
        let key = super::store::Key::new("apps", "deployments", namespace, deployment);
        self.store.get(&key).is_some_and(|deployment| super::value::condition(deployment, "Available") == "True")
    }

    fn apply_all(&mut self, now: Millis, objects: &[Value]) -> String {
        let (out, err, _) = self.kubectl_apply(now, objects);
        out + &err
    }
}

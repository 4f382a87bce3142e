//! Images that cannot be pulled, and the kubelet's patience with them (k8s.io/kubernetes
//! `pkg/kubelet/images/image_manager.go`).

use serde_json::Value;

use super::hindrance::Hindrance;
use super::program::{repository, tag};
use super::state::Pull;
use crate::kubernetes::Kubernetes;
use crate::kubernetes::types::{Fault, Millis};
use crate::kubernetes::value::text;

/// How long the kubelet shows a failed pull before it shows that it waits.
const SHOWN: Millis = 4_000;
/// The first pause before the next pull, and the longest.
const PAUSES: (Millis, Millis) = (10_000, 300_000);
/// How long the fault keeps an image away.
const IMAGE_AWAY: Millis = 360_000;
/// The newest version of Mastodon there is an image of.
const NEWEST: [u32; 3] = [4, 6, 3];

impl Kubernetes {
    /// A pull that fails, or the pause after it.
    pub(super) fn image_problem(&mut self, uid: &str, container: &Value) -> Option<Hindrance> {
        let image = text(container, "/image").to_owned();
        let Some(why) = self.pull_failure(&image) else {
            // A kubelet in its pause does not know yet that it would succeed now.
            let pull = self.programs.pulls.get(uid).copied()?;
            let next = pull.tried + pull.pause;
            if self.now >= next {
                self.programs.pulls.remove(uid);
                return None;
            }
            self.wake_at(next);
            return Some(self.back_off(uid, &image, pull));
        };
        let pull = self.programs.pulls.get(uid).copied();
        let due = pull.is_none_or(|pull| self.now >= pull.tried + pull.pause);
        if let Some(pull) = pull.filter(|_| !due) {
            let (shown, next) = (pull.tried + SHOWN, pull.tried + pull.pause);
            if self.now >= shown {
                self.wake_at(next);
                return Some(self.back_off(uid, &image, pull));
            }
            self.wake_at(shown);
            return Some(Hindrance { reason: "ErrImagePull", message: why, notes: Vec::new() });
        }
        let pause = pull.map_or(PAUSES.0, |pull| (pull.pause * 2).min(PAUSES.1));
        self.programs.pulls.insert(uid.to_owned(), Pull { tried: self.now, pause, told: false });
        self.wake_at(self.now + SHOWN);
        let notes = vec![
            ("Normal", "Pulling", format!("Pulling image \"{image}\"")),
            ("Warning", "Failed", format!("Failed to pull image \"{image}\": {why}")),
            ("Warning", "Failed", "Error: ErrImagePull".to_owned()),
        ];
        Some(Hindrance { reason: "ErrImagePull", message: why, notes })
    }

    fn back_off(&mut self, uid: &str, image: &str, pull: Pull) -> Hindrance {
        let message = format!("Back-off pulling image \"{image}\"");
        let mut notes = Vec::new();
        if !pull.told {
            notes = vec![
                ("Normal", "BackOff", message.clone()),
                ("Warning", "Failed", "Error: ImagePullBackOff".to_owned()),
            ];
            self.programs.pulls.insert(uid.to_owned(), Pull { told: true, ..pull });
        }
        Hindrance { reason: "ImagePullBackOff", message, notes }
    }

    /// What containerd says of an image it cannot get: those that Docker Hub no longer has (bitnami/charts issue 36318),
    /// versions of Mastodon that there are none of, and the one the fault keeps away.
    fn pull_failure(&mut self, image: &str) -> Option<String> {
        let (name, version) = (repository(image), tag(image));
        if self.faults.contains(&Fault::ImagePull) && name.ends_with("/redis") {
            let until = *self.programs.no_pull_until.get_or_insert(self.now + IMAGE_AWAY);
            if self.now < until {
                return Some(format!(
                    "failed to pull and unpack image \"{image}\": failed to copy: httpReadSeeker: failed open: unexpected status code https://registry-1.docker.io/v2/{name}/manifests/{version}: 429 Too Many Requests - Server message: toomanyrequests: You have reached your unauthenticated pull rate limit. https://www.docker.com/increase-rate-limit"
                ));
            }
        }
        let removed = name.starts_with("bitnami/") && version != "latest";
        let official = image.starts_with("ghcr.io/mastodon/") && !image.contains('@');
        (removed || official && !is_released(version)).then(|| {
            let has_registry = image.split('/').next().is_some_and(|host| host.contains('.'));
            let full = if has_registry { image.to_owned() } else { format!("docker.io/{image}") };
            format!("rpc error: code = NotFound desc = failed to pull and unpack image \"{full}\": failed to resolve reference \"{full}\": {full}: not found")
        })
    }
}

/// Whether there is an image of that version.
fn is_released(tag: &str) -> bool {
    if ["latest", "edge", "nightly"].contains(&tag) {
        return true;
    }
    let Some(version) = tag.strip_prefix('v') else { return false };
    let version = version.split('-').next().unwrap_or_default();
    let numbers: Option<Vec<u32>> = version.split('.').map(|part| part.parse().ok()).collect();
    numbers.is_some_and(|numbers| !numbers.is_empty() && numbers.len() <= 3 && numbers.as_slice() <= &NEWEST[..])
}

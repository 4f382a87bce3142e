//! Helm releases, installed and upgraded with the node's own helm.

use std::time::Duration;

use super::chart::Chart;
use super::seen;
use crate::facts::NodeFacts;
use crate::facts::storage::Release;
use crate::inventory::storage::Storage;
use crate::kube::{release, request};
use crate::ssh::Program;
use crate::steps::{Context, Failure};

/// The namespace of all releases here, the one of the addon.
pub const NAMESPACE: &str = "openebs";
/// Where `MicroK8s` keeps what is not tied to a revision.
const COMMON: &str = "/var/snap/microk8s/common";
/// A release that has been pending for longer than any installation takes was cut off.
const CUT_OFF: Duration = Duration::from_secs(20 * 60);

/// One `--set` each.
pub type Values = Vec<(&'static str, String)>;

/// The values the addon installs `OpenEBS` with (canonical/microk8s-community-addons `addons/openebs/enable`).
pub fn openebs_values(storage: &Storage, kubelet_root: &str) -> Values {
    // The templates put the directory and what lies in it together without a slash between them.
    let kubelet = format!("{kubelet_root}/");
    vec![
        ("cstor.enabled", "true".to_owned()),
        ("jiva.enabled", "true".to_owned()),
        ("jiva.defaultPolicy.replicas", storage.replicas.to_string()),
        ("legacy.enabled", "false".to_owned()),
        ("cstor.cleanup.image.tag", "latest".to_owned()),
        ("cstor.csiNode.kubeletDir", kubelet.clone()),
        ("jiva.csiNode.kubeletDir", kubelet),
        ("localprovisioner.basePath", format!("{COMMON}/var/openebs/local")),
        ("ndm.sparse.path", format!("{COMMON}/var/openebs/sparse")),
        ("varDirectoryPath.baseDir", format!("{COMMON}/var/openebs")),
    ]
}

/// The kubelet's root directory on a node, `MicroK8s`' own where it was not seen.
pub fn kubelet_root(node: &NodeFacts) -> String {
    node.kubelet_root.clone().unwrap_or_else(|| format!("{COMMON}/var/lib/kubelet"))
}

/// Installs a release, or upgrades the one that is there, from a chart that was found to be readable.
pub async fn upgrade(context: &Context, node: &str, chart: &Chart<'_>, values: &Values) -> Result<(), Failure> {
    let source = chart.found(context, node).await?;
    make_way(context, chart.release).await?;
    let mut argv: Vec<String> =
        ["/snap/bin/microk8s", "helm3", "upgrade", "--install", chart.release].map(str::to_owned).to_vec();
    argv.extend(source);
    argv.extend(["--namespace", NAMESPACE, "--create-namespace"].map(str::to_owned));
    for (name, value) in values {
        argv.extend(["--set".to_owned(), format!("{name}={value}")]);
    }
    let ended = context.job(node, &argv.join(" "), Program::command(argv.clone())).await?;
    match ended.status {
        0 => Ok(()),
        _ if ended.output.contains("another operation (install/upgrade/rollback) is in progress") => {
            Err(Failure::Busy { reason: format!("helm works on the release {} already", chart.release) })
        }
        _ if ended.output.contains("has no deployed releases") => {
            forget(context, chart.release).await?;
            Err(Failure::failed(format!(
                "helm would not go on from an earlier, failed release {}; its records were removed, what it installed was not",
                chart.release
            )))
        }
        status => Err(Failure::command(&format!("`helm upgrade --install {}`", chart.release), status, &ended.output)),
    }
}

/// Helm refuses to touch a release while one of its revisions is pending, also for ever after it was cut off. The record
/// of such a revision is removed: what it installed stays and is taken over.
async fn make_way(context: &Context, name: &str) -> Result<(), Failure> {
    let Some((namespace, release)) = seen(&context.facts).and_then(|seen| seen.release(name)) else { return Ok(()) };
    if !release.pending() {
        return Ok(());
    }
    if !cut_off(release, context.facts.observed_at) {
        return Err(Failure::Busy { reason: format!("the release {name} is being worked on ({})", release.status) });
    }
    context.say(format!("revision {} of {name} was cut off; its record is removed", release.revision));
    let path = format!("/api/v1/namespaces/{namespace}/secrets/{}", release.secret);
    Ok(request::delete(&context.api().await?, &path).await?)
}

fn cut_off(release: &Release, now: jiff::Timestamp) -> bool {
    release.at.is_some_and(|at| now.duration_since(at) > jiff::SignedDuration::try_from(CUT_OFF).unwrap_or_default())
}

/// Removes the records of all revisions of a release; its objects carry its name and are taken over by the next one.
async fn forget(context: &Context, name: &str) -> Result<(), Failure> {
    Ok(release::forget(&context.api().await?, NAMESPACE, name, |_| true).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kubelet_directory_ends_with_a_slash() {
        let values =
            openebs_values(&Storage { replicas: 2, ..Storage::default() }, "/var/snap/microk8s/common/var/lib/kubelet");
        let value = |name: &str| values.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str());
        assert_eq!(value("jiva.csiNode.kubeletDir"), Some("/var/snap/microk8s/common/var/lib/kubelet/"));
        assert_eq!(value("jiva.defaultPolicy.replicas"), Some("2"));
    }

    #[test]
    fn only_an_old_pending_release_was_cut_off() {
        let at: jiff::Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let release = Release { secret: "s".into(), revision: 1, status: "pending-install".into(), at: Some(at) };
        assert!(!cut_off(&release, "2026-01-01T00:19:00Z".parse().unwrap()));
        assert!(cut_off(&release, "2026-01-01T00:21:00Z".parse().unwrap()));
        assert!(!cut_off(&Release { at: None, ..release }, "2027-01-01T00:00:00Z".parse().unwrap()));
    }
}

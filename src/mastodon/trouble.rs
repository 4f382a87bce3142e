//! What a pod's trouble means and what to do.

use crate::facts::mastodon::{Trouble, TroubleKind};

/// Cause and remedy, with the cluster's own words.
pub fn text(trouble: &Trouble) -> String {
    let mut text = format!("{}: {}", trouble.pod, trouble.message);
    text.extend(trouble.events.iter().flat_map(|event| ["\n  event: ", event.as_str()]));
    text.extend(trouble.log.iter().flat_map(|line| ["\n  log: ", line.as_str()]));
    text + "\n  what to do: " + &remedy(trouble)
}

fn remedy(trouble: &Trouble) -> String {
    let pod = &trouble.pod;
    let told = trouble.events.join("\n");
    match trouble.kind {
        TroubleKind::Image if told.contains("toomanyrequests") || told.contains("429") => {
            "the registry's limit is reached: it is tried again by itself; a login or a mirror raises the limit"
                .to_owned()
        }
        TroubleKind::Image if told.contains("not found") || told.contains("manifest unknown") => {
            "the registry has no such image: check `image` in [mastodon], or name another in [mastodon.values]"
                .to_owned()
        }
        TroubleKind::Image => {
            "it is tried again by itself; if it stays, see whether the nodes reach the registry and resolve its name"
                .to_owned()
        }
        TroubleKind::Configuration => {
            "a Secret or a ConfigMap it needs is not complete: `homeprov plan` shows which".to_owned()
        }
        TroubleKind::Crash => format!("`microk8s kubectl -n mastodon logs {pod} --previous` shows all of its log"),
        TroubleKind::Memory => "give it more in [mastodon.resources]".to_owned(),
        TroubleKind::Unscheduled if trouble.message.contains("nsufficient") => {
            "no node has so much left: ask for less in [mastodon.resources], or add a node".to_owned()
        }
        TroubleKind::Unscheduled => {
            format!(
                "`microk8s kubectl -n mastodon describe pod {pod}` shows what each node lacks; a claim without a volume, an affinity or a taint"
            )
        }
        TroubleKind::Volume if told.contains("already mounted") || told.contains("Multi-Attach") => {
            "another node has the volume still: it is let go when that node answers again".to_owned()
        }
        TroubleKind::Volume => {
            "`homeprov status` shows how its volume stands, `homeprov verify storage` whether volumes work at all"
                .to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn troubles_are_told_with_what_to_do() {
        let image = Trouble {
            pod: "mastodon-redis-master-0".into(),
            container: Some("redis".into()),
            kind: TroubleKind::Image,
            message: "the image docker.io/bitnamilegacy/redis:8 cannot be pulled".into(),
            events: vec!["Failed: Failed to pull image \"docker.io/bitnamilegacy/redis:8\": not found".into()],
            log: vec![],
        };
        insta::assert_snapshot!(text(&image));
        let crash = Trouble {
            pod: "mastodon-web-5d9".into(),
            container: Some("mastodon-web".into()),
            kind: TroubleKind::Crash,
            message: "it keeps ending with status 1".into(),
            events: vec!["BackOff: Back-off restarting failed container".into()],
            log: vec!["ActiveRecord::ConnectionNotEstablished".into()],
        };
        insta::assert_snapshot!(text(&crash));
    }
}

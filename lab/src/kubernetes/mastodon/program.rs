//! Which program a container runs, by its image and command.

use serde_json::Value;

use crate::kubernetes::value::{list, text};

/// The programs in the images of Mastodon and its databases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Program {
    /// `PostgreSQL`.
    Database,
    /// Redis.
    Redis,
    /// Elasticsearch.
    Search,
    /// Puma.
    Web,
    /// The streaming API.
    Streaming,
    /// Sidekiq.
    Sidekiq,
    /// Anything that runs to its end, with its words.
    Command(Vec<String>),
}

/// The repository of an image, without registry, tag and digest: `bitnamilegacy/redis`.
pub(super) fn repository(image: &str) -> &str {
    let name = image.split('@').next().unwrap_or_default();
    let name = match name.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => name,
        _ => name,
    };
    match name.split_once('/') {
        Some((registry, rest)) if registry.contains(['.', ':']) || registry == "localhost" => rest,
        _ => name,
    }
}

/// The tag of an image; empty where it has none.
pub(super) fn tag(image: &str) -> &str {
    let name = image.split('@').next().unwrap_or_default();
    name.rsplit_once(':').map_or("", |(_, tag)| if tag.contains('/') { "" } else { tag })
}

impl Program {
    /// The program of a container; none for one that is not Mastodon's.
    pub(super) fn of(container: &Value) -> Option<Self> {
        let (owner, name) = repository(text(container, "/image")).rsplit_once('/')?;
        let bitnami = owner.contains("bitnami");
        match name {
            "postgresql" if bitnami => Some(Self::Database),
            "redis" if bitnami => Some(Self::Redis),
            "elasticsearch" if bitnami => Some(Self::Search),
            "mastodon-streaming" if owner.contains("mastodon") => Some(Self::Streaming),
            "mastodon" if owner.contains("mastodon") => Some(Self::rails(container)),
            _ => None,
        }
    }

    fn rails(container: &Value) -> Self {
        let words = ["/command", "/args"].into_iter().flat_map(|field| list(container, field));
        let words: Vec<String> = words.filter_map(Value::as_str).map(str::to_owned).collect();
        let says = |word: &str| words.iter().any(|known| known == word);
        if says("puma") {
            Self::Web
        } else if says("sidekiq") {
            Self::Sidekiq
        } else {
            Self::Command(words)
        }
    }

    /// Whether it stays connected to the database as long as it runs.
    pub(super) const fn keeps_connections(&self) -> bool {
        matches!(self, Self::Web | Self::Streaming | Self::Sidekiq)
    }

    /// Whether it reads the keys of Rails.
    pub(super) const fn is_rails(&self) -> bool {
        matches!(self, Self::Web | Self::Sidekiq | Self::Command(_))
    }
}

/// The container of a pod whose program decides about the pod; none for a pod that is not simulated here.
pub(super) fn main_container(pod: &Value) -> Option<(&Value, Program)> {
    list(pod, "/spec/containers").iter().find_map(|container| Some((container, Program::of(container)?)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Program, repository, tag};

    #[test]
    fn images_are_taken_apart() {
        for (image, name, version) in [
            ("ghcr.io/mastodon/mastodon:v4.6.3", "mastodon/mastodon", "v4.6.3"),
            ("docker.io/bitnamilegacy/redis:8.2@sha256:00", "bitnamilegacy/redis", "8.2"),
            ("localhost:32000/a/b", "a/b", ""),
            ("busybox", "busybox", ""),
        ] {
            assert_eq!((repository(image), tag(image)), (name, version), "{image}");
        }
    }

    #[test]
    fn the_command_tells_the_program() {
        let program = |image: &str, command: &[&str]| Program::of(&json!({"image": image, "command": command}));
        assert_eq!(program("ghcr.io/mastodon/mastodon:v4.6.3", &["bundle", "exec", "puma"]), Some(Program::Web));
        assert_eq!(
            program("ghcr.io/mastodon/mastodon:v4.6.3", &["rake", "db:migrate"]),
            Some(Program::Command(vec!["rake".to_owned(), "db:migrate".to_owned()]))
        );
        assert_eq!(program("docker.io/bitnamilegacy/postgresql:16", &[]), Some(Program::Database));
        assert_eq!(program("openebs/jiva:3.3.0", &[]), None);
    }
}

//! A cluster that the chart's objects are put into by hand, without helm.

use serde_json::{Value, json};

use crate::kubernetes::mastodon::{Hook, Rendered, render};
use crate::kubernetes::tests::bench::Bench;
use crate::kubernetes::{Fault, Millis, Release};

pub(super) const RELEASE: Release<'_> = Release { name: "mastodon", namespace: "mastodon" };
pub(super) const PODS: &str = "/api/v1/namespaces/mastodon/pods";

/// Values that leave out what a small cluster has no room for, with secrets that exist.
pub(super) fn values() -> Value {
    json!({
        "mastodon": {"local_domain": "example.org", "web_domain": "social.example.org", "secrets": {"existingSecret": "mastodon-secrets"},
            "s3": {"enabled": true, "bucket": "media", "endpoint": "https://s3.example.org", "hostname": "s3.example.org", "existingSecret": "mastodon-s3"}},
        "elasticsearch": {"enabled": false},
        "redis": {"architecture": "standalone", "auth": {"existingSecret": "mastodon-redis"}, "master": {"persistence": {"enabled": false}}},
        "postgresql": {"auth": {"existingSecret": "mastodon-postgresql"}},
        "ingress": {"hosts": [{"host": "social.example.org", "paths": [{"path": "/"}]}], "tls": []},
    })
}

impl Bench {
    /// A cluster with a class for claims, the namespace and its Secrets.
    pub(super) fn for_mastodon(nodes: u8, faults: &[Fault]) -> Self {
        let mut bench = Self::settled(nodes);
        for fault in faults {
            bench.cluster.set_fault(*fault, true);
        }
        bench.cluster.install_hostpath_storage(bench.now);
        bench.pass(20_000);
        bench.put(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "mastodon"}}));
        let keys = [
            "SECRET_KEY_BASE",
            "OTP_SECRET",
            "VAPID_PRIVATE_KEY",
            "VAPID_PUBLIC_KEY",
            "ACTIVE_RECORD_ENCRYPTION_PRIMARY_KEY",
            "ACTIVE_RECORD_ENCRYPTION_DETERMINISTIC_KEY",
            "ACTIVE_RECORD_ENCRYPTION_KEY_DERIVATION_SALT",
        ];
        bench.secret("mastodon-secrets", &keys);
        bench.secret("mastodon-s3", &["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]);
        bench.secret("mastodon-redis", &["redis-password"]);
        bench.secret("mastodon-postgresql", &["password", "postgres-password"]);
        bench
    }

    pub(super) fn secret(&mut self, name: &str, keys: &[&str]) {
        let data: Value = keys.iter().map(|key| ((*key).to_owned(), json!(format!("{name} {key}")))).collect();
        self.put(&json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": "mastodon"}, "stringData": data}));
    }

    pub(super) fn put(&mut self, object: &Value) {
        let (_, err, status) = self.kubectl("apply -f -", &object.to_string());
        assert_eq!(status, 0, "{err}");
    }

    /// Puts the release's objects in, as helm does without waiting.
    pub(super) fn install(&mut self, values: &Value) -> Rendered {
        let rendered = render(RELEASE, values, 1).expect("it renders");
        for object in &rendered.objects {
            self.cluster.release_create(self.now, object).expect("it is taken");
        }
        rendered
    }

    /// Puts the hooks of an event in, and waits for each to end.
    pub(super) fn run_hooks(&mut self, hooks: &[Hook], event: &str, longest: Millis) {
        let mut due: Vec<&Hook> = hooks.iter().filter(|hook| hook.events.contains(&event)).collect();
        due.sort_by_key(|hook| hook.weight);
        for hook in due {
            self.cluster.release_create(self.now, &hook.object).expect("it is taken");
            self.pass(longest);
        }
    }

    /// An installed and migrated Mastodon that is ready.
    pub(super) fn running() -> Self {
        let mut bench = Self::for_mastodon(1, &[]);
        let rendered = bench.install(&values());
        bench.pass(60_000);
        bench.run_hooks(&rendered.hooks, "post-install", 90_000);
        assert!(bench.ready("mastodon-web"), "{}", bench.kubectl("-n mastodon get pods", "").0);
        bench
    }

    /// The only pod whose name begins so.
    pub(super) fn pod(&mut self, prefix: &str) -> Value {
        let pods = self.get(PODS);
        let mut found = pods["items"].as_array().expect("a list").iter().filter(|pod| name(pod).starts_with(prefix));
        let pod = found.next().cloned().expect("a pod of that name");
        assert!(found.next().is_none(), "more than one {prefix}");
        pod
    }

    pub(super) fn ready(&mut self, prefix: &str) -> bool {
        let pod = self.pod(prefix);
        let conditions = pod["status"]["conditions"].as_array().cloned().unwrap_or_default();
        conditions.iter().any(|one| one["type"] == "Ready" && one["status"] == "True")
    }

    /// The state of a pod's only container.
    pub(super) fn container(&mut self, prefix: &str) -> Value {
        self.pod(prefix)["status"]["containerStatuses"][0].clone()
    }

    /// The reasons and messages of the events about pods that begin so.
    pub(super) fn told(&mut self, prefix: &str) -> Vec<String> {
        let events = self.get("/api/v1/namespaces/mastodon/events");
        let events = events["items"].as_array().expect("a list").iter();
        let about = events
            .filter(|event| event["involvedObject"]["name"].as_str().is_some_and(|name| name.starts_with(prefix)));
        about
            .map(|event| {
                format!(
                    "{} {}",
                    event["reason"].as_str().unwrap_or_default(),
                    event["message"].as_str().unwrap_or_default()
                )
            })
            .collect()
    }

    /// What a command in a pod prints, and its status.
    pub(super) fn exec(&mut self, prefix: &str, command: &str) -> (String, String, i32) {
        let pod = self.pod(prefix);
        let words: Vec<String> = command.split_whitespace().map(str::to_owned).collect();
        let done = self.cluster.exec(self.now, "mastodon", name(&pod), "", &words, b"").expect("it runs");
        (String::from_utf8(done.stdout).expect("text"), String::from_utf8(done.stderr).expect("text"), done.status)
    }
}

pub(super) fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().expect("a name")
}

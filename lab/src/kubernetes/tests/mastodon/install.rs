//! A first installation, in the order in which things really come up.

use serde_json::json;

use super::bench::{name, values};
use crate::kubernetes::tests::bench::Bench;

#[test]
fn web_waits_for_the_schema_and_the_schema_for_the_hook() {
    let mut bench = Bench::for_mastodon(1, &[]);
    let rendered = bench.install(&values());
    bench.pass(12_000);
    assert!(!bench.ready("mastodon-postgresql"), "it initialises");
    bench.pass(48_000);
    assert!(bench.ready("mastodon-postgresql") && bench.ready("mastodon-redis"));
    assert!(bench.ready("mastodon-streaming"), "streaming reads no tables at its start");
    assert!(!bench.ready("mastodon-web"), "there is no schema");
    bench.run_hooks(&rendered.hooks, "post-install", 60_000);
    assert!(bench.ready("mastodon-web"));
    assert_eq!(bench.container("mastodon-web")["restartCount"], 0);
    let job = bench.get("/apis/batch/v1/namespaces/mastodon/jobs/mastodon-db-post-migrate");
    assert_eq!(job["status"]["succeeded"], 1);
    assert!(bench.ready("mastodon-sidekiq-all-queues"));
}

#[test]
fn without_the_hook_web_is_killed_by_its_startup_probe() {
    let mut bench = Bench::for_mastodon(1, &[]);
    bench.install(&values());
    bench.pass(190_000);
    let web = bench.container("mastodon-web");
    assert_eq!(web["restartCount"], 1, "{web}");
    let told = bench.told("mastodon-web");
    assert!(
        told.iter().any(|line| line == "Killing Container mastodon-web failed startup probe, will be restarted"),
        "{told:#?}"
    );
    assert!(
        told.iter().any(|line| line == "Unhealthy Startup probe failed: HTTP probe failed with statuscode: 500"),
        "{told:#?}"
    );
    bench.pass(900_000);
    let web = bench.container("mastodon-web");
    assert!(web["restartCount"].as_i64() > Some(2));
}

#[test]
fn a_migration_without_a_database_fails_and_is_tried_again() {
    let mut bench = Bench::for_mastodon(1, &[]);
    let rendered = bench.install(&values());
    bench.run_hooks(&rendered.hooks, "post-install", 25_000);
    bench.pass(120_000);
    let job = bench.get("/apis/batch/v1/namespaces/mastodon/jobs/mastodon-db-post-migrate");
    assert_eq!(job["status"]["failed"], 1, "{}", job["status"]);
    assert_eq!(job["status"]["succeeded"], 1, "{}", job["status"]);
    let pods = bench.get(super::bench::PODS);
    let failed =
        pods["items"].as_array().unwrap().iter().find(|pod| pod["status"]["phase"] == "Failed").expect("a failed one");
    let log = bench.kubectl(&format!("-n mastodon logs {}", name(failed)), "").0;
    assert!(log.contains("ActiveRecord::ConnectionNotEstablished"), "{log}");
}

#[test]
fn the_database_is_on_the_volume_and_knows_its_password() {
    let mut bench = Bench::running();
    let pod = bench.pod("mastodon-postgresql");
    bench.delete(&format!("{}/{}", super::bench::PODS, name(&pod)));
    bench.pass(60_000);
    assert!(bench.ready("mastodon-postgresql") && bench.ready("mastodon-web"), "the schema is still there");
    // A new password in the Secret is none in the database.
    bench.put(&json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "mastodon-postgresql", "namespace": "mastodon"}, "stringData": {"password": "another"}}));
    let web = bench.pod("mastodon-web");
    bench.delete(&format!("{}/{}", super::bench::PODS, name(&web)));
    bench.pass(60_000);
    assert!(!bench.ready("mastodon-web"));
    let (_, err, status) = bench.exec("mastodon-web", "tootctl accounts modify alice");
    assert!(err.contains("FATAL:  password authentication failed for user \"mastodon\""), "{err}");
    assert_eq!(status, 1);
}

#[test]
fn a_missing_secret_keeps_containers_from_being_made() {
    let mut bench = Bench::for_mastodon(1, &[]);
    bench.delete("/api/v1/namespaces/mastodon/secrets/mastodon-secrets");
    bench.delete("/api/v1/namespaces/mastodon/secrets/mastodon-s3");
    bench.install(&values());
    bench.pass(30_000);
    let waiting = bench.container("mastodon-web")["state"]["waiting"].clone();
    assert_eq!(
        waiting,
        json!({"reason": "CreateContainerConfigError", "message": "secret \"mastodon-secrets\" not found"})
    );
    bench.secret("mastodon-secrets", &["SECRET_KEY_BASE"]);
    bench.secret("mastodon-s3", &["AWS_SECRET_ACCESS_KEY"]);
    bench.pass(15_000);
    let waiting = bench.container("mastodon-web")["state"]["waiting"].clone();
    assert_eq!(waiting["message"], "couldn't find key AWS_ACCESS_KEY_ID in Secret mastodon/mastodon-s3");
    let web = bench.pod("mastodon-web");
    let (_, err, status) = bench.kubectl(&format!("-n mastodon logs {}", name(&web)), "");
    assert!(err.contains("is waiting to start: CreateContainerConfigError") && status == 1, "{err}");
}

#[test]
fn jobs_that_mount_claims_of_one_node_go_where_rails_is() {
    let mut bench = Bench::for_mastodon(3, &[]);
    let mut values = values();
    values["mastodon"]["s3"]["enabled"] = false.into();
    values["mastodon"]["createAdmin"] = json!({"enabled": true, "username": "alice", "email": "alice@example.org"});
    let rendered = bench.install(&values);
    bench.pass(60_000);
    let mut hooks = rendered.hooks;
    for hook in &mut hooks {
        hook.object["spec"]["template"]["metadata"]["labels"] = json!({"job": "hook"});
    }
    bench.run_hooks(&hooks, "post-install", 60_000);
    let node = |pod: &serde_json::Value| pod["spec"]["nodeName"].clone();
    assert_eq!(node(&bench.pod("mastodon-create-admin")), node(&bench.pod("mastodon-web")));
    assert_eq!(bench.pod("mastodon-create-admin")["status"]["phase"], "Succeeded");
    assert_eq!(bench.exec("mastodon-web", "tootctl accounts modify alice").0, "OK\n");
}

#[test]
fn nothing_of_it_runs_outside_of_the_simulation() {
    let mut bench = Bench::for_mastodon(1, &[]);
    bench.cluster.run_containers_outside();
    let rendered = bench.install(&values());
    bench.pass(60_000);
    let job = rendered.hooks.iter().find(|hook| hook.events.contains(&"post-install")).expect("a migration");
    bench.cluster.release_create(bench.now, &job.object).expect("it is taken");
    bench.pass(8_000);
    assert_eq!(bench.pod("mastodon-db-post-migrate")["status"]["phase"], "Running");
    assert!(bench.cluster.storage_view().containers.is_empty());
    bench.pass(60_000);
    assert_eq!(bench.pod("mastodon-db-post-migrate")["status"]["phase"], "Succeeded");
}

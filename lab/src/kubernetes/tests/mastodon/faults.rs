//! Databases that come back slowly, images and keys that are not there.

use serde_json::{Value, json};

use super::bench::{name, values};
use crate::kubernetes::Fault;
use crate::kubernetes::tests::bench::Bench;

fn generous() -> Value {
    let mut values = values();
    values["postgresql"]["primary"] = json!({"startupProbe": {"enabled": true, "initialDelaySeconds": 10, "periodSeconds": 10, "timeoutSeconds": 5, "failureThreshold": 90}});
    values
}

#[test]
fn a_slow_database_does_not_survive_the_default_probes() {
    let mut bench = Bench::for_mastodon(1, &[Fault::DbSlowStart]);
    bench.install(&values());
    bench.pass(100_000);
    let told = bench.told("mastodon-postgresql-0");
    assert!(
        told.iter().any(|line| line == "Killing Container postgresql failed liveness probe, will be restarted"),
        "{told:#?}"
    );
    assert!(
        told.iter().any(|line| line == "Unhealthy Liveness probe failed: 127.0.0.1:5432 - rejecting connections"),
        "{told:#?}"
    );
    bench.pass(60_000);
    let database = bench.container("mastodon-postgresql");
    assert_eq!(database["state"]["waiting"]["reason"], "CrashLoopBackOff", "{database}");
    assert_eq!(database["lastState"]["terminated"]["exitCode"], 1);
    let log = bench.kubectl("-n mastodon logs mastodon-postgresql-0", "").0;
    assert!(log.contains("PANIC:  could not locate a valid checkpoint record"), "{log}");
    // Neither time nor patience heals it, nor a new pod on the same volume.
    bench.cluster.set_fault(Fault::DbSlowStart, false);
    bench.delete(&format!("{}/mastodon-postgresql-0", super::bench::PODS));
    bench.pass(600_000);
    assert!(!bench.ready("mastodon-postgresql"));
}

#[test]
fn a_slow_database_survives_a_patient_startup_probe() {
    let mut bench = Bench::for_mastodon(1, &[Fault::DbSlowStart]);
    let rendered = bench.install(&generous());
    bench.pass(290_000);
    assert!(!bench.ready("mastodon-postgresql"));
    bench.pass(60_000);
    assert!(bench.ready("mastodon-postgresql"));
    assert_eq!(bench.container("mastodon-postgresql")["restartCount"], 0);
    bench.run_hooks(&rendered.hooks, "post-install", 400_000);
    assert!(bench.ready("mastodon-web"), "{}", bench.kubectl("-n mastodon get pods", "").0);
    // And again at the next start.
    bench.delete(&format!("{}/mastodon-postgresql-0", super::bench::PODS));
    bench.pass(250_000);
    assert!(!bench.ready("mastodon-postgresql"));
    bench.pass(100_000);
    assert!(bench.ready("mastodon-postgresql"));
}

#[test]
fn an_image_that_cannot_be_pulled_comes_in_the_end() {
    let mut bench = Bench::for_mastodon(1, &[Fault::ImagePull]);
    let mut values = values();
    values["redis"]["image"] = json!({"tag": "8.2.1"});
    bench.install(&values);
    bench.pass(30_000);
    let waiting = bench.container("mastodon-redis")["state"]["waiting"].clone();
    assert!(["ErrImagePull", "ImagePullBackOff"].contains(&waiting["reason"].as_str().unwrap()), "{waiting}");
    let told = bench.told("mastodon-redis");
    assert!(
        told.iter().any(|line| line == "BackOff Back-off pulling image \"docker.io/bitnamilegacy/redis:8.2.1\""),
        "{told:#?}"
    );
    assert!(
        told.iter()
            .any(|line| line.starts_with("Failed Failed to pull image") && line.contains("429 Too Many Requests")),
        "{told:#?}"
    );
    assert!(told.iter().any(|line| line == "Failed Error: ImagePullBackOff"), "{told:#?}");
    bench.pass(720_000);
    assert!(bench.ready("mastodon-redis"), "{}", bench.container("mastodon-redis"));
}

#[test]
fn images_that_docker_hub_no_longer_has_never_come() {
    let mut bench = Bench::for_mastodon(1, &[]);
    let mut values = values();
    values["elasticsearch"] = json!({"enabled": true, "master": {"replicaCount": 1, "masterOnly": false, "persistence": {"enabled": false}},
        "data": {"replicaCount": 0}, "coordinating": {"replicaCount": 0}, "ingest": {"replicaCount": 0}});
    bench.install(&values);
    bench.pass(600_000);
    let search = bench.pod("mastodon-elasticsearch-master");
    let status = &search["status"]["initContainerStatuses"][0]["state"]["waiting"];
    assert_eq!(status["reason"], "ImagePullBackOff", "{}", search["status"]);
    let table = bench.kubectl("-n mastodon get pods", "").0;
    assert!(table.contains("Init:ImagePullBackOff"), "{table}");
    values["elasticsearch"]["sysctlImage"] = json!({"enabled": false});
    let mut bench = Bench::for_mastodon(1, &[]);
    bench.install(&values);
    bench.pass(180_000);
    assert!(bench.ready("mastodon-elasticsearch-master"));
}

#[test]
fn a_key_is_lost_once_and_rails_does_not_start_without_it() {
    let mut bench = Bench::for_mastodon(1, &[Fault::MissingSecretKey]);
    bench.pass(5_000);
    let secret = bench.get("/api/v1/namespaces/mastodon/secrets/mastodon-secrets");
    assert_eq!(secret["data"].as_object().unwrap().len(), 6);
    assert!(secret["data"]["OTP_SECRET"].is_null());
    bench.install(&values());
    bench.pass(60_000);
    let sidekiq = bench.pod("mastodon-sidekiq");
    let log = bench.kubectl(&format!("-n mastodon logs --previous {}", name(&sidekiq)), "").0;
    assert!(log.contains("KeyError: key not found: \"OTP_SECRET\""), "{log}");
    bench.secret("mastodon-secrets", &["OTP_SECRET"]);
    bench.pass(10_000);
    let secret = bench.get("/api/v1/namespaces/mastodon/secrets/mastodon-secrets");
    assert!(secret["data"]["OTP_SECRET"].is_string(), "not again");
    bench.pass(300_000);
    assert_eq!(bench.container("mastodon-sidekiq")["ready"], true);
}

#[test]
fn what_ran_on_a_node_is_started_again_after_its_boot() {
    let mut bench = Bench::running();
    bench.view("nuc1").reachable = false;
    bench.view("nuc1").connected = false;
    bench.pass(90_000);
    bench.view("nuc1").boot_id = "another".to_owned();
    bench.view("nuc1").reachable = true;
    bench.view("nuc1").connected = true;
    bench.pass(180_000);
    assert!(bench.ready("mastodon-web"), "{}", bench.kubectl("-n mastodon get pods", "").0);
    assert_eq!(bench.container("mastodon-postgresql")["restartCount"], 1);
}

//! Containers that run outside of the simulation.

use serde_json::{Value, json};

use super::bench::{JIVA, JOBS, PODS};
use crate::kubernetes::tests::bench::Bench;
use crate::kubernetes::{Request, StorageView};

fn only_pod(bench: &mut Bench) -> Value {
    let pods = bench.get(PODS);
    let pods = pods["items"].as_array().unwrap();
    assert_eq!(pods.len(), 1, "{pods:?}");
    pods[0].clone()
}

fn bare(restart: &str, more: &Value) -> Value {
    let mut spec =
        json!({"restartPolicy": restart, "containers": [{"name": "main", "image": "busybox:1.37", "args": ["true"]}]});
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    spec
}

fn job(name: &str, spec: &Value, more: &Value) -> Value {
    let mut object = json!({"metadata": {"name": name}, "spec": {"template": {"spec": spec}}});
    object["spec"].as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    object
}

fn condition(job: &Value, kind: &str) -> String {
    let conditions = job["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let found = conditions.iter().find(|condition| condition["type"] == kind && condition["status"] == "True");
    found.map_or_else(String::new, |condition| condition["reason"].as_str().unwrap().to_owned())
}

#[test]
fn a_jobs_output_is_its_log_and_its_status_its_end() {
    let mut bench = Bench::settled(1);
    bench.cluster.run_containers_outside();
    bench.post(JOBS, &job("j", &bare("Never", &json!({})), &json!({})));
    bench.pass(10_000);
    let pod = only_pod(&mut bench);
    assert_eq!(pod["status"]["phase"], "Running");
    let (name, uid) = (pod["metadata"]["name"].as_str().unwrap(), pod["metadata"]["uid"].as_str().unwrap());
    for part in ["one\ntw", "o\nthree\n"] {
        bench.cluster.container_wrote(bench.now, uid, "main", part.as_bytes());
    }
    let mut log = |query: &str| {
        let response = bench.send(&Request::new("GET", &format!("{PODS}/{name}/log{query}")));
        (response.status, String::from_utf8(response.body).unwrap())
    };
    assert_eq!(log(""), (200, "one\ntwo\nthree\n".to_owned()));
    assert_eq!(log("?container=main&tailLines=2"), (200, "two\nthree\n".to_owned()));
    assert_eq!(log("?tailLines=0&follow=true").1, "");
    assert_eq!(log("?tailLines=9").1, "one\ntwo\nthree\n");
    assert_eq!(log("?container=other").0, 400);
    assert_eq!(bench.kubectl("logs job/j --tail=1", "").0, "three\n");
    bench.pass(120_000);
    assert_eq!(only_pod(&mut bench)["status"]["phase"], "Running", "nobody but its process ends it");
    bench.end("j", 0);
    bench.pass(1_000);
    assert_eq!(only_pod(&mut bench)["status"]["phase"], "Succeeded");
    assert_eq!(condition(&bench.get(&format!("{JOBS}/j")), "Complete"), "CompletionsReached");
    assert_eq!(bench.kubectl("logs job/j --tail=1", "").0, "three\n", "the log stays");
    assert_eq!(bench.cluster.storage_view(), StorageView::default());
}

#[test]
fn a_failing_job_is_tried_again_up_to_its_limit() {
    let mut bench = Bench::settled(1);
    bench.cluster.run_containers_outside();
    bench.post(JOBS, &job("j", &bare("Never", &json!({})), &json!({"backoffLimit": 1, "ttlSecondsAfterFinished": 30})));
    bench.pass(10_000);
    bench.end("j", 3);
    bench.pass(2_000);
    let pod = only_pod(&mut bench);
    assert_eq!(pod["status"]["phase"], "Failed");
    assert_eq!(pod["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"], 3);
    bench.pass(20_000);
    bench.end("j", 4);
    bench.pass(2_000);
    let done = bench.get(&format!("{JOBS}/j"));
    assert_eq!((condition(&done, "Failed"), &done["status"]["failed"]), ("BackoffLimitExceeded".to_owned(), &json!(2)));
    bench.pass(40_000);
    assert_eq!(bench.status(&format!("{JOBS}/j")), 404);
}

#[test]
fn a_job_past_its_deadline_is_ended() {
    let mut bench = Bench::settled(1);
    bench.cluster.run_containers_outside();
    bench.post(JOBS, &job("j", &bare("Never", &json!({})), &json!({"activeDeadlineSeconds": 20})));
    bench.pass(25_000);
    let run = bench.run_of("j").unwrap();
    assert!(run.ending);
    assert_eq!(condition(&bench.get(&format!("{JOBS}/j")), "Failed"), "DeadlineExceeded");
    bench.end("j", 137);
    bench.pass(2_000);
    assert!(bench.get(PODS)["items"].as_array().unwrap().is_empty());
}

#[test]
fn a_container_is_restarted_where_the_pod_says_so() {
    let mut bench = Bench::settled(1);
    bench.cluster.run_containers_outside();
    bench.post(JOBS, &job("j", &bare("OnFailure", &json!({})), &json!({"backoffLimit": 2})));
    bench.pass(10_000);
    bench.end("j", 1);
    bench.pass(1_000);
    assert!(bench.run_of("j").is_none());
    bench.pass(12_000);
    assert!(bench.run_of("j").is_some());
    assert_eq!(only_pod(&mut bench)["status"]["containerStatuses"][0]["restartCount"], 1);
    bench.end("j", 0);
    bench.pass(1_000);
    assert_eq!(condition(&bench.get(&format!("{JOBS}/j")), "Complete"), "CompletionsReached");
}

#[test]
fn a_pod_deleted_by_force_is_gone_at_once_its_process_and_mounts_later() {
    let mut bench = Bench::with_openebs(3, 3, &[]);
    bench.cluster.run_containers_outside();
    bench.claim("data", JIVA);
    bench.job("writer", "data", "nuc1");
    bench.pass(60_000);
    let run = bench.run_of("writer").unwrap();
    bench.delete(&format!("{JOBS}/writer?propagationPolicy=Orphan"));
    bench.delete(&format!("{PODS}/{}?gracePeriodSeconds=0", run.pod));
    bench.pass(1_000);
    assert_eq!(bench.status(&format!("{PODS}/{}", run.pod)), 404);
    let ending = bench.run_of("writer").unwrap();
    assert!(ending.ending && ending.grace_seconds == 0);
    assert_eq!(bench.pod_mounts().len(), 1, "still mounted under the process");
    bench.end("writer", 137);
    bench.pass(2_000);
    assert!(bench.mounts().is_empty());
    assert!(bench.cluster.storage_view().containers.is_empty());
}

#[test]
fn a_bare_pod_that_ends_runs_outside_too_but_no_server_does() {
    let mut bench = Bench::settled(1);
    bench.cluster.run_containers_outside();
    let user =
        json!({"securityContext": {"runAsUser": 991}, "volumes": [{"name": "d", "hostPath": {"path": "/var/snap"}}]});
    let mut spec = bare("Never", &user);
    spec["containers"][0]["volumeMounts"] =
        json!([{"name": "d", "mountPath": "/host", "readOnly": true, "subPath": "microk8s"}]);
    bench.post(PODS, &json!({"metadata": {"name": "look-a"}, "spec": spec}));
    bench.post(PODS, &json!({"metadata": {"name": "serve-a"}, "spec": bare("Always", &json!({}))}));
    bench.pass(10_000);
    let runs = bench.cluster.storage_view().containers;
    assert_eq!(runs.len(), 1);
    assert_eq!((runs[0].user, runs[0].volumes[0].host_path.as_str()), (Some(991), "/var/snap/microk8s"));
    assert!(runs[0].volumes[0].read_only);
    bench.delete(&format!("{PODS}/look-a"));
    bench.pass(40_000);
    assert_eq!(bench.status(&format!("{PODS}/look-a")), 200, "it is there until its process is not");
    bench.end("look", 0);
    bench.pass(1_000);
    assert_eq!(bench.status(&format!("{PODS}/look-a")), 404);
}

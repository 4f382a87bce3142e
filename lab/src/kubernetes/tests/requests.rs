//! Verbs, errors and options of single requests.

use serde_json::{Value, json};

use super::bench::{APPLY, Bench, JSON, MERGE, STRATEGIC, config_map, deployment};
use crate::kubernetes::Request;

const MAPS: &str = "/api/v1/namespaces/default/configmaps";

#[test]
fn a_fresh_cluster_has_what_microk8s_brings() {
    let mut bench = Bench::settled(1);
    let service = bench.get("/api/v1/namespaces/default/services/kubernetes");
    assert_eq!(service["spec"]["clusterIP"], "10.152.183.1");
    assert_eq!(service["spec"]["ports"][0]["port"], 443);
    let dns = bench.get("/api/v1/namespaces/kube-system/services/kube-dns");
    assert_eq!(dns["spec"]["clusterIP"], "10.152.183.10");
    let ports: Vec<(&Value, &Value)> =
        dns["spec"]["ports"].as_array().unwrap().iter().map(|port| (&port["port"], &port["protocol"])).collect();
    assert_eq!(json!(ports), json!([[53, "UDP"], [53, "TCP"], [9153, "TCP"]]));
    for namespace in ["default", "kube-node-lease", "kube-public", "kube-system"] {
        assert_eq!(bench.status(&format!("/api/v1/namespaces/{namespace}/serviceaccounts/default")), 200);
        assert_eq!(bench.status(&format!("/api/v1/namespaces/{namespace}/configmaps/kube-root-ca.crt")), 200);
    }
}

#[test]
fn create_read_update_delete() {
    let mut bench = Bench::settled(0);
    let made = bench.post(MAPS, &config_map("a", &json!({"x": "1"})));
    assert_eq!(made["metadata"]["namespace"], "default");
    assert!(made["metadata"]["uid"].as_str().is_some_and(|uid| uid.len() == 36));
    let mut changed = made.clone();
    changed["data"]["x"] = "2".into();
    let (status, updated) = bench.write("PUT", &format!("{MAPS}/a"), JSON, &changed);
    assert_eq!((status, &updated["data"]["x"]), (200, &json!("2")));
    let (status, conflict) = bench.write("PUT", &format!("{MAPS}/a"), JSON, &changed);
    assert_eq!((status, &conflict["reason"]), (409, &json!("Conflict")));
    assert_eq!(
        conflict["message"],
        "Operation cannot be fulfilled on configmaps \"a\": the object has been modified; please apply your changes to the latest version and try again"
    );
    assert_eq!(bench.delete(&format!("{MAPS}/a"))["status"], "Success");
    assert_eq!(bench.status(&format!("{MAPS}/a")), 404);
}

#[test]
fn errors_are_status_objects() {
    let mut bench = Bench::settled(0);
    bench.post(MAPS, &config_map("a", &json!({})));
    let missing = bench.send(&Request::new("GET", "/apis/apps/v1/namespaces/default/deployments/x")).json();
    assert_eq!(
        missing,
        json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "reason": "NotFound", "code": 404,
            "message": "deployments.apps \"x\" not found", "details": {"name": "x", "group": "apps", "kind": "deployments"}})
    );
    let cases = [
        ("POST", MAPS, config_map("a", &json!({})), 409, "configmaps \"a\" already exists"),
        (
            "POST",
            "/api/v1/namespaces/gone/configmaps",
            config_map("a", &json!({})),
            404,
            "namespaces \"gone\" not found",
        ),
        ("POST", "/api/v1/namespaces/default/pods", config_map("b", &json!({})), 400, "cannot be handled as a Pod"),
        ("GET", "/apis/nosuch.io/v1/things", json!({}), 404, "the server could not find the requested resource"),
        (
            "POST",
            "/api/v1/namespaces/default/services",
            json!({"metadata": {"name": "s"}, "spec": {}}),
            422,
            "Service \"s\" is invalid: spec.ports: Required value",
        ),
        (
            "POST",
            "/api/v1/namespaces",
            json!({"metadata": {"name": "Upper"}}),
            422,
            "a lowercase RFC 1123 label must consist of",
        ),
        ("DELETE", "/api/v1/namespaces/default", json!({}), 403, "this namespace may not be deleted"),
        ("PUT", "/api/v1/namespaces", json!({}), 405, "does not allow this method"),
    ];
    for (method, target, body, code, text) in cases {
        let (status, answer) = bench.write(method, target, JSON, &body);
        assert_eq!((status, &answer["code"]), (code, &json!(code)), "{method} {target}: {answer}");
        assert!(answer["message"].as_str().unwrap().contains(text), "{answer}");
    }
}

#[test]
fn every_kind_of_patch_works_and_others_are_refused() {
    let mut bench = Bench::settled(0);
    bench.post(MAPS, &config_map("a", &json!({"x": "1", "y": "2"})));
    let target = format!("{MAPS}/a");
    let (_, merged) = bench.write("PATCH", &target, MERGE, &json!({"data": {"x": null, "z": "3"}}));
    assert_eq!(merged["data"], json!({"y": "2", "z": "3"}));
    let (_, patched) = bench.write(
        "PATCH",
        &target,
        "application/json-patch+json",
        &json!([{"op": "replace", "path": "/data/y", "value": "9"}]),
    );
    assert_eq!(patched["data"]["y"], "9");
    let (status, _) = bench.write(
        "PATCH",
        &target,
        "application/json-patch+json",
        &json!([{"op": "test", "path": "/data/y", "value": "0"}]),
    );
    assert_eq!(status, 422);
    let (_, strategic) = bench.write("PATCH", &target, STRATEGIC, &json!({"metadata": {"labels": {"l": "1"}}}));
    assert_eq!(strategic["metadata"]["labels"]["l"], "1");
    let (status, refused) = bench.write("PATCH", &target, "application/xml", &json!({}));
    assert_eq!((status, &refused["reason"]), (415, &json!("UnsupportedMediaType")));
    let (status, _) = bench.write("PATCH", &format!("{MAPS}/gone"), MERGE, &json!({}));
    assert_eq!(status, 404);
}

#[test]
fn a_patch_that_changes_nothing_makes_no_new_version() {
    let mut bench = Bench::settled(0);
    let made = bench.post(MAPS, &config_map("a", &json!({"x": "1"})));
    let (_, same) = bench.write("PATCH", &format!("{MAPS}/a"), MERGE, &json!({"data": {"x": "1"}}));
    assert_eq!(made["metadata"]["resourceVersion"], same["metadata"]["resourceVersion"]);
}

#[test]
fn server_side_apply_creates_conflicts_and_forces() {
    let mut bench = Bench::settled(0);
    let target = |manager: &str, more: &str| format!("{MAPS}/a?fieldManager={manager}{more}");
    let with =
        |value: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"x": value}});
    let (status, made) = bench.write("PATCH", &target("one", ""), APPLY, &with("1"));
    assert_eq!((status, &made["metadata"]["managedFields"][0]["operation"]), (201, &json!("Apply")));
    assert_eq!(made["metadata"]["managedFields"][0]["fieldsV1"]["f:data"], json!({"f:x": {}}));
    let (status, conflict) = bench.write("PATCH", &target("two", ""), APPLY, &with("2"));
    assert_eq!((status, &conflict["reason"]), (409, &json!("Conflict")));
    let (status, forced) = bench.write("PATCH", &target("two", "&force=true"), APPLY, &with("2"));
    assert_eq!((status, &forced["data"]["x"]), (200, &json!("2")));
    let yaml = b"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  y: \"3\"\n".to_vec();
    let mut request = Request::new("PATCH", &target("two", ""));
    request.content_type = Some(APPLY.to_owned());
    request.body = yaml;
    assert_eq!(bench.send(&request).json()["data"], json!({"y": "3"}), "two dropped x and was its only owner");
}

#[test]
fn dry_runs_change_nothing() {
    let mut bench = Bench::settled(1);
    let before = bench.cluster.resource_version();
    let (status, made) = bench.write("POST", &format!("{MAPS}?dryRun=All"), JSON, &config_map("a", &json!({})));
    assert_eq!((status, made["metadata"]["uid"].is_string()), (201, true));
    let (status, _) =
        bench.write("PATCH", "/api/v1/nodes/nuc1?dryRun=All", MERGE, &json!({"metadata": {"labels": {"x": "y"}}}));
    assert_eq!(status, 200);
    bench.send(&Request::new("DELETE", "/api/v1/nodes/nuc1?dryRun=All"));
    assert_eq!(bench.cluster.resource_version(), before);
}

#[test]
fn lists_select_and_generated_names_differ() {
    let mut bench = Bench::settled(2);
    for _ in 0..2 {
        bench.post(MAPS, &json!({"metadata": {"generateName": "probe-", "labels": {"of": "me"}}}));
    }
    let names = bench.get(&format!("{MAPS}?labelSelector=of%3Dme"));
    let names: Vec<&str> =
        names["items"].as_array().unwrap().iter().map(|item| item["metadata"]["name"].as_str().unwrap()).collect();
    assert_eq!(names.len(), 2);
    assert!(names[0] != names[1] && names.iter().all(|name| name.len() == "probe-".len() + 5));
    let pods = bench.get("/api/v1/pods?fieldSelector=spec.nodeName%3Dnuc2,status.phase%3DRunning");
    let nodes: Vec<&Value> = pods["items"].as_array().unwrap().iter().map(|pod| &pod["spec"]["nodeName"]).collect();
    assert!(!nodes.is_empty() && nodes.iter().all(|node| **node == "nuc2"));
    assert_eq!(pods["kind"], "PodList");
    let (status, _) = bench.write("DELETE", &format!("{MAPS}?labelSelector=of%3Dme"), JSON, &json!({}));
    assert_eq!(status, 200);
    assert_eq!(bench.get(&format!("{MAPS}?labelSelector=of%3Dme"))["items"], json!([]));
}

#[test]
fn status_is_a_subresource_and_generation_counts_specs() {
    let mut bench = Bench::settled(1);
    let path = "/apis/apps/v1/namespaces/default/deployments";
    let made = bench.post(path, &deployment("d", 1, "i:1"));
    assert_eq!(made["metadata"]["generation"], 1);
    let (_, after) = bench.write(
        "PATCH",
        &format!("{path}/d"),
        MERGE,
        &json!({"status": {"replicas": 99}, "spec": {"replicas": 2}}),
    );
    assert_eq!((&after["metadata"]["generation"], &after["status"]["replicas"]), (&json!(2), &Value::Null));
    let (_, after) = bench.write(
        "PATCH",
        &format!("{path}/d/status"),
        MERGE,
        &json!({"status": {"replicas": 7}, "spec": {"replicas": 5}}),
    );
    assert_eq!(
        (&after["spec"]["replicas"], &after["status"]["replicas"], &after["metadata"]["generation"]),
        (&json!(2), &json!(7), &json!(2))
    );
    let scale = bench.get(&format!("{path}/d/scale"));
    assert_eq!((&scale["kind"], &scale["spec"]["replicas"]), (&json!("Scale"), &json!(2)));
    let (_, scaled) = bench.write("PATCH", &format!("{path}/d/scale"), MERGE, &json!({"spec": {"replicas": 3}}));
    assert_eq!(scaled["spec"]["replicas"], 3);
}

#[test]
fn finalizers_hold_objects_and_namespaces_take_their_content_along() {
    let mut bench = Bench::settled(1);
    let mut held = config_map("held", &json!({}));
    held["metadata"]["finalizers"] = json!(["example.com/x"]);
    bench.post(MAPS, &held);
    assert_eq!(bench.delete(&format!("{MAPS}/held"))["metadata"]["deletionTimestamp"].as_str().map(str::len), Some(20));
    assert_eq!(bench.status(&format!("{MAPS}/held")), 200);
    bench.write("PATCH", &format!("{MAPS}/held"), MERGE, &json!({"metadata": {"finalizers": null}}));
    assert_eq!(bench.status(&format!("{MAPS}/held")), 404);

    bench.post("/api/v1/namespaces", &json!({"metadata": {"name": "photos"}}));
    bench.pass(100);
    bench.post("/apis/apps/v1/namespaces/photos/deployments", &deployment("d", 2, "i:1"));
    bench.pass(10_000);
    assert_eq!(bench.delete("/api/v1/namespaces/photos")["status"]["phase"], "Terminating");
    let (status, refused) =
        bench.write("POST", "/api/v1/namespaces/photos/configmaps", JSON, &config_map("late", &json!({})));
    assert_eq!(status, 403);
    assert!(refused["message"].as_str().unwrap().contains("because it is being terminated"));
    bench.pass(20_000);
    assert_eq!(bench.status("/api/v1/namespaces/photos"), 404);
    assert!(bench.cluster.objects("pods").iter().all(|pod| pod["metadata"]["namespace"] != "photos"));
}

#[test]
fn deletion_reaches_dependents_as_asked() {
    let path = "/apis/apps/v1/namespaces/default/deployments";
    for (policy, sets_left, pods_left) in [("Background", 0, 0), ("Foreground", 0, 0), ("Orphan", 1, 2)] {
        let mut bench = Bench::settled(1);
        bench.post(path, &deployment("d", 2, "i:1"));
        bench.pass(10_000);
        bench.send(&Request::new("DELETE", &format!("{path}/d?propagationPolicy={policy}")));
        if policy == "Foreground" {
            assert_eq!(bench.status(&format!("{path}/d")), 200, "the owner goes last");
        }
        bench.pass(10_000);
        assert_eq!(bench.status(&format!("{path}/d")), 404, "{policy}");
        let left = |bench: &mut Bench, target: &str| bench.get(target)["items"].as_array().unwrap().len();
        assert_eq!(left(&mut bench, "/apis/apps/v1/namespaces/default/replicasets"), sets_left, "{policy}");
        assert_eq!(left(&mut bench, "/api/v1/namespaces/default/pods"), pods_left, "{policy}");
    }
}

#[test]
fn definitions_serve_their_kind_after_a_moment_and_take_it_away() {
    let mut bench = Bench::settled(0);
    let crd = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    bench.post(crd, &json!({"metadata": {"name": "books.shelf.io"}, "spec": {"group": "shelf.io", "scope": "Namespaced",
        "names": {"kind": "Book", "plural": "books", "shortNames": ["bk"]}, "versions": [{"name": "v1", "served": true, "storage": true,
            "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": {"type": "object", "properties": {
                "pages": {"type": "integer"}, "lent": {"type": "boolean", "default": false}}}}}}}]}}));
    assert_eq!(bench.status("/apis/shelf.io/v1/namespaces/default/books"), 404);
    bench.pass(1_000);
    let definition = bench.get(&format!("{crd}/books.shelf.io"));
    assert!(
        definition["status"]["conditions"]
            .as_array()
            .unwrap()
            .iter()
            .any(|c| c["type"] == "Established" && c["status"] == "True")
    );
    let book = bench.post(
        "/apis/shelf.io/v1/namespaces/default/books",
        &json!({"metadata": {"name": "b"}, "spec": {"pages": 3, "typo": 1}}),
    );
    assert_eq!(book["spec"], json!({"pages": 3, "lent": false}));
    let wrong = json!({"metadata": {"name": "c"}, "spec": {"pages": "many"}});
    assert_eq!(bench.write("POST", "/apis/shelf.io/v1/namespaces/default/books", JSON, &wrong).0, 422);
    assert_eq!(bench.write("PATCH", "/apis/shelf.io/v1/namespaces/default/books/b", STRATEGIC, &json!({})).0, 415);
    assert!(bench.get("/apis")["groups"].as_array().unwrap().iter().any(|group| group["name"] == "shelf.io"));
    bench.delete(&format!("{crd}/books.shelf.io"));
    bench.pass(1_000);
    assert_eq!(bench.status("/apis/shelf.io/v1/namespaces/default/books"), 404);
}

#[test]
fn services_get_addresses_and_ports_of_their_own() {
    let mut bench = Bench::settled(0);
    let path = "/api/v1/namespaces/default/services";
    let service = |name: &str, spec: Value| json!({"metadata": {"name": name}, "spec": spec});
    let plain = bench.post(path, &service("a", json!({"ports": [{"port": 80}]})));
    assert!(plain["spec"]["clusterIP"].as_str().unwrap().starts_with("10.152.183."));
    assert_eq!((&plain["spec"]["type"], &plain["spec"]["ports"][0]["targetPort"]), (&json!("ClusterIP"), &json!(80)));
    let open = bench.post(path, &service("b", json!({"type": "NodePort", "ports": [{"port": 80}]})));
    let port = open["spec"]["ports"][0]["nodePort"].as_i64().unwrap();
    assert!((30_000..=32_767).contains(&port));
    let taken = service("c", json!({"type": "NodePort", "ports": [{"port": 80, "nodePort": port}]}));
    let (status, refused) = bench.write("POST", path, JSON, &taken);
    assert_eq!(status, 422);
    assert!(refused["message"].as_str().unwrap().ends_with("provided port is already allocated"));
    let headless = bench.post(path, &service("d", json!({"clusterIP": "None", "ports": [{"port": 80}]})));
    assert_eq!(headless["spec"]["clusterIPs"], json!(["None"]));
    let (status, moved) =
        bench.write("PATCH", &format!("{path}/a"), MERGE, &json!({"spec": {"clusterIP": "10.152.183.77"}}));
    assert_eq!(status, 422, "{moved}");
    let dns = service("e", json!({"clusterIP": "10.152.183.10", "ports": [{"port": 80}]}));
    assert_eq!(bench.write("POST", path, JSON, &dns).0, 422);
}

#[test]
fn discovery_and_health_answer() {
    let mut bench = Bench::settled(0);
    assert_eq!(bench.get("/version")["gitVersion"], "v1.36.2");
    for path in ["/healthz", "/livez", "/readyz", "/readyz/etcd"] {
        let response = bench.send(&Request::new("GET", path));
        assert_eq!((response.status, response.body.as_slice()), (200, b"ok".as_slice()), "{path}");
    }
    let verbose = bench.send(&Request::new("GET", "/readyz?verbose"));
    assert!(
        String::from_utf8(verbose.body)
            .unwrap()
            .ends_with("[+]poststarthook/apiservice-registration-controller ok\nreadyz check passed\n")
    );
    let core = bench.get("/api/v1");
    let nodes = core["resources"].as_array().unwrap().iter().find(|resource| resource["name"] == "nodes").unwrap();
    assert_eq!(
        (&nodes["kind"], &nodes["namespaced"], &nodes["shortNames"]),
        (&json!("Node"), &json!(false), &json!(["no"]))
    );
    assert_eq!(bench.get("/openapi/v3")["paths"]["apis/apps/v1"]["serverRelativeURL"], "/openapi/v3/apis/apps/v1");
    let may = bench.post("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", &json!({"spec": {}}));
    assert_eq!(may["status"]["allowed"], true);
}

//! What lands in the repository: every file of every example, against the schemas of what Flux 2.9 and Kubernetes take.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use homeprov::gitops::header::{Author, author, cluster};
use homeprov::gitops::render::{Content, File, files};
use homeprov::inventory;
use homeprov::inventory::model::{Access, Inventory, Tls};
use homeprov::mastodon::values;
use proptest::prelude::*;
use serde_json::{Value, json};

/// The least that makes a site of an inventory without one.
const SITE: &str = r#"
[flux]
repository = "ssh://git@github.com/alice/home"

[mastodon]
local_domain = "example.org"
admin = { username = "alice", email = "alice@example.org" }
ingress = { tls_secret = "example-org-tls" }
"#;

/// Every example, with a site where it has none, and the valid inventories with one.
fn inventories() -> Vec<(String, Inventory)> {
    let mut named = Vec::new();
    for path in ["home", "five-nodes", "single", "social"].map(|name| format!("inventory/{name}.toml")) {
        named.push(path);
    }
    for name in ["mastodon", "mastodon-issuer", "mastodon-outside"] {
        named.push(format!("tests/inventory/valid/{name}.toml"));
    }
    let load = |path: String| {
        let mut text = fs::read_to_string(&path).expect("the file");
        if !text.contains("\n[mastodon]") {
            text.push_str(SITE);
            if !text.contains("\n[metallb]") {
                text.push_str("\n[metallb]\npool = \"192.168.1.240/29\"\n");
            }
        }
        let loaded = inventory::parse(Path::new(&path), text);
        let loaded = loaded.unwrap_or_else(|invalid| panic!("{}", invalid.render(false, 100)));
        (Path::new(&path).file_stem().unwrap().to_str().unwrap().to_owned(), loaded.inventory)
    };
    named.into_iter().map(load).collect()
}

fn inventory_named(name: &str) -> Inventory {
    static ALL: LazyLock<Vec<(String, Inventory)>> = LazyLock::new(inventories);
    ALL.iter().find(|(known, _)| known == name).expect("there is one").1.clone()
}

fn texts(inventory: &Inventory) -> BTreeMap<String, String> {
    let text = |file: File| match file.content {
        Content::Text(text) => Some((file.path, text)),
        Content::Components { .. } | Content::Sealed { .. } => None,
    };
    files(inventory, Some("0123")).into_iter().filter_map(text).collect()
}

/// The objects of a manifest.
fn objects(text: &str) -> Vec<Value> {
    let documents =
        text.split("\n---\n").filter(|part| part.lines().any(|line| !line.is_empty() && !line.starts_with('#')));
    documents
        .map(|document| serde_saphyr::from_str(document).unwrap_or_else(|error| panic!("{error}:\n{document}")))
        .collect()
}

fn object(inventory: &Inventory, path: &str) -> Value {
    let text = texts(inventory).remove(path).unwrap_or_else(|| panic!("there is no {path}"));
    objects(&text).remove(0)
}

/// The values that Helm gets.
fn chart_values(inventory: &Inventory) -> Value {
    let path =
        format!("{}/configmap-mastodon-helm-chart-value-overrides.yaml", inventory.mastodon.as_ref().unwrap().path);
    let map = object(inventory, &path);
    serde_saphyr::from_str(map["data"]["values.yaml"].as_str().expect("values")).expect("YAML")
}

#[test]
fn every_example_renders_to_these_files() {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("gitops");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| {
        for (name, inventory) in inventories() {
            let shown = files(&inventory, Some("0123")).into_iter().map(|file| match file.content {
                Content::Text(text) => format!("==> {}\n{text}", file.path),
                other => format!("==> {}\n{other:?}\n", file.path),
            });
            insta::assert_snapshot!(name, shown.collect::<Vec<_>>().join("\n"));
        }
    });
}

#[test]
fn every_manifest_is_what_its_api_version_takes() {
    let schema = |object: &Value| {
        let api = object["apiVersion"].as_str().expect("a version").replace('/', "_");
        let path = format!("tests/schemas/{api}_{}.json", object["kind"].as_str().expect("a kind"));
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        jsonschema::draft202012::new(&serde_json::from_str(&text).expect("JSON")).expect("a schema")
    };
    let mut kinds = std::collections::BTreeSet::new();
    for (name, inventory) in inventories() {
        for (path, text) in texts(&inventory) {
            assert_eq!((author(&text), cluster(&text)), (Author::Homeprov, Some(inventory.cluster.name.as_str())));
            let objects = objects(&text);
            assert!(!objects.is_empty(), "{name}: {path} holds nothing");
            for object in objects {
                let faults: Vec<String> =
                    schema(&object).iter_errors(&object).map(|e| format!("{} {e}", e.instance_path())).collect();
                assert!(faults.is_empty(), "{name}: {path}: {faults:?}\n{text}");
                kinds.insert(format!(
                    "{}_{}",
                    object["apiVersion"].as_str().unwrap().replace('/', "_"),
                    object["kind"].as_str().unwrap()
                ));
            }
        }
    }
    let schemas = fs::read_dir("tests/schemas").unwrap().count();
    assert_eq!(kinds.len(), schemas, "each schema is used: {kinds:?}");
}

#[test]
fn the_tree_is_the_one_of_the_guides() {
    let inventory = inventory_named("mastodon");
    let paths =
        |fingerprint| files(&inventory, fingerprint).into_iter().map(|file| file.path).collect::<Vec<_>>().join("\n");
    insta::assert_snapshot!(paths(Some("0123")), @r"
    clusters/home/flux-system/gotk-components.yaml
    clusters/home/flux-system/gotk-sync.yaml
    clusters/home/flux-system/kustomization.yaml
    clusters/home/gitrepositories/gitrepository-mastodon.yaml
    clusters/home/kustomizations/kustomization-mastodon.yaml
    clusters/home/namespaces/namespace-mastodon.yaml
    mastodon/configmap-mastodon-helm-chart-value-overrides.yaml
    mastodon/helmrelease-mastodon.yaml
    mastodon/persistentvolumeclaim-mastodon-assets.yaml
    mastodon/persistentvolumeclaim-mastodon-system.yaml
    mastodon/secrets-mastodon.age
    ");
    assert!(!paths(None).contains(".age"), "there are no secrets yet");
    let mut bare = inventory.clone();
    bare.mastodon = None;
    assert_eq!(files(&bare, None).len(), 3, "Flux alone");
    bare.flux = None;
    assert_eq!(files(&bare, None), []);
    // With object storage nothing mounts a volume for media.
    assert!(!texts(&inventory_named("mastodon-outside")).keys().any(|path| path.contains("persistentvolumeclaim")));
}

#[test]
fn health_is_that_of_the_deployments_there_are() {
    let names = |inventory: &Inventory| {
        let path = "clusters/home/kustomizations/kustomization-mastodon.yaml";
        let checks = object(inventory, path)["spec"]["healthChecks"].clone();
        checks.as_array().unwrap().iter().map(|check| check["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let (plain, workers) = (inventory_named("mastodon"), inventory_named("mastodon-issuer"));
    assert_eq!(names(&plain), ["mastodon-web", "mastodon-streaming", "mastodon-sidekiq-all-queues"]);
    let two = ["mastodon-web", "mastodon-streaming", "mastodon-sidekiq-all", "mastodon-sidekiq-mail"];
    assert_eq!(names(&workers), two);
    assert_eq!(values::deployments(workers.mastodon.as_ref().unwrap()), two);
}

#[test]
fn nothing_that_holds_data_is_ever_pruned_or_uninstalled() {
    for (name, inventory) in inventories() {
        for (path, text) in texts(&inventory) {
            for object in objects(&text) {
                let kind = object["kind"].as_str().unwrap();
                if ["Namespace", "PersistentVolumeClaim", "HelmRelease"].contains(&kind) {
                    let prune = &object["metadata"]["annotations"]["kustomize.toolkit.fluxcd.io/prune"];
                    assert_eq!(prune, "disabled", "{name}: {path}");
                }
                if kind == "HelmRelease" {
                    let bundled = inventory.mastodon.as_ref().unwrap().bundled_postgresql();
                    for action in ["install", "upgrade"] {
                        let action = &object["spec"][action];
                        assert_eq!(action["strategy"]["name"], "RetryOnFailure");
                        assert_eq!(action["disableWait"].as_bool().unwrap_or(false), bundled);
                    }
                }
            }
        }
    }
}

#[test]
fn databases_get_the_time_they_need_on_volumes_that_keep_data() {
    for (name, inventory) in inventories() {
        let site = inventory.mastodon.as_ref().unwrap();
        let values = chart_values(&inventory);
        let mut probes = 0;
        for path in [
            "/postgresql/primary",
            "/redis/master",
            "/elasticsearch/master",
            "/elasticsearch/data",
            "/elasticsearch/coordinating",
            "/elasticsearch/ingest",
        ] {
            let Some(part) = values.pointer(path) else { continue };
            let probe = &part["startupProbe"];
            let seconds = probe["periodSeconds"].as_u64().unwrap() * probe["failureThreshold"].as_u64().unwrap();
            assert!(probe["enabled"] == true && seconds >= u64::from(site.startup_seconds), "{name}: {path}");
            if let Some(class) = part.pointer("/persistence/storageClass") {
                assert_ne!(class, "openebs-rwx", "{name}: {path}: databases never lie on NFS");
            }
            probes += 1;
        }
        let bundled = values["postgresql"]["enabled"] == true;
        assert_eq!(probes, 2 * usize::from(bundled) + 4 * usize::from(site.elasticsearch), "{name}");
    }
}

#[test]
fn pods_that_share_a_volume_of_one_node_stay_together() {
    for (name, inventory) in inventories() {
        let site = inventory.mastodon.as_ref().unwrap();
        let values = chart_values(&inventory);
        let together = site.access == Access::Rwo && site.s3.is_none();
        for part in ["web", "sidekiq"] {
            let affinity = values["mastodon"][part]
                .pointer("/affinity/podAffinity/requiredDuringSchedulingIgnoredDuringExecution");
            assert_eq!(affinity.is_some(), together, "{name}: {part}");
        }
        let claim = values.pointer("/mastodon/persistence/system");
        assert_eq!(claim.is_some(), site.s3.is_none(), "{name}");
        if let Some(claim) = claim {
            // The chart keeps its jobs together with the pods by this word.
            assert_eq!(claim, &json!({ "accessMode": site.access.mode(), "existingClaim": "mastodon-system" }));
        }
    }
}

#[test]
fn what_the_chart_puts_in_without_quotes_brings_its_own() {
    let values = chart_values(&inventory_named("mastodon-issuer"));
    assert_eq!(values["mastodon"]["locale"], "\"no\"", "Norwegian, and not false");
    assert_eq!(values["timezone"], "Europe/Oslo");
    let values = chart_values(&inventory_named("mastodon-outside"));
    assert_eq!(values["mastodon"]["s3"]["bucket"], "\"20240101\"");
    assert_eq!(values["mastodon"]["s3"]["multipart_threshold"], "52428801");
    assert_eq!(values["postgresql"]["auth"]["database"], "\"on\"");
    assert_eq!(values["postgresql"]["direct"], json!({ "hostname": "192.168.1.5", "port": 5432 }));
    assert_eq!(values["mastodon"]["preparedStatements"], false, "a pooler");
    let extra = json!({ "S3_PERMISSION": "", "S3_SIGNATURE_VERSION": "v4", "S3_FORCE_SINGLE_REQUEST": "true" });
    assert_eq!(values["mastodon"]["extraEnvVars"], extra);
    assert_eq!(values["mastodon"]["smtp"]["from_address"], "Mastodon at home <notifications@example.org>");
}

/// What the chart makes of the values where everything is outside: the variables each program finds its database by.
#[test]
fn the_charts_programs_find_what_is_outside() {
    use homeprov_lab::kubernetes::{Release, mastodon::render};
    let values = chart_values(&inventory_named("mastodon-outside"));
    let release = Release { name: "mastodon", namespace: "mastodon" };
    let rendered = render(release, &values, 1).expect("the chart takes the values");
    let of_kind = |kind: &str| rendered.objects.iter().filter(move |object| object["kind"] == kind).collect::<Vec<_>>();
    assert_eq!(of_kind("StatefulSet"), Vec::<&Value>::new(), "nothing of it runs in the cluster");
    assert_eq!(of_kind("PersistentVolumeClaim"), Vec::<&Value>::new());
    let shared = of_kind("ConfigMap").into_iter().find(|map| map["metadata"]["name"] == "mastodon-env").expect("one");
    for (name, wanted) in [
        ("DB_HOST", "pooler.lan"),
        ("DB_PORT", "6432"),
        ("DB_NAME", "on"),
        ("DB_USER", "mastodon-home"),
        ("PREPARED_STATEMENTS", "false"),
        ("REDIS_HOST", "192.168.1.6"),
        ("REDIS_PORT", "6379"),
        ("S3_ENDPOINT", "https://storage.googleapis.com"),
        ("S3_HOSTNAME", "storage.googleapis.com"),
        ("S3_BUCKET", "20240101"),
        ("S3_ALIAS_HOST", "media.example.org"),
        ("S3_MULTIPART_THRESHOLD", "52428801"),
        ("S3_SIGNATURE_VERSION", "v4"),
        ("S3_FORCE_SINGLE_REQUEST", "true"),
        ("S3_PERMISSION", ""),
    ] {
        // A template puts it into YAML as it is, where quotes of its own are read away.
        let text = shared["data"][name].as_str().unwrap_or_else(|| panic!("there is no {name}"));
        let read = if text.starts_with('"') { serde_saphyr::from_str(text).expect("YAML") } else { text.to_owned() };
        assert_eq!(read, wanted, "{name}");
    }
    // Migrations go past the pooler, with Mastodon's own role and password.
    let migrations: Vec<&Value> =
        rendered.hooks.iter().map(|hook| &hook.object).filter(|object| object["kind"] == "Job").collect();
    assert!(migrations.len() >= 3, "prepared before, migrated before and after");
    for job in migrations {
        let containers = job.pointer("/spec/template/spec/containers").and_then(Value::as_array).expect("containers");
        let variables = containers[0]["env"].as_array().expect("variables");
        let variable = |name: &str| variables.iter().find(|variable| variable["name"] == name).expect(name);
        assert_eq!(variable("DB_HOST")["value"], "192.168.1.5");
        assert_eq!(variable("DB_PORT")["value"], "5432");
        let password = json!({ "secretKeyRef": { "name": "mastodon-postgresql", "key": "password" } });
        assert_eq!(variable("DB_PASS")["valueFrom"], password);
    }
    for deployment in of_kind("Deployment") {
        let text = deployment.to_string();
        for secret in ["mastodon-postgresql", "mastodon-redis"] {
            assert!(text.contains(secret), "{}: {secret}", deployment["metadata"]["name"]);
        }
    }
}

fn hostile() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[-#:{}\\[\\],&*!|>'\"%@`?$~ \n\r\t\u{85}\u{2028}\\\\]{0,12}",
        prop::sample::select(vec![
            "{{ .Values.x }}",
            "{{this}}",
            "{{{values}}}",
            "${VAR}",
            "yes",
            "No",
            "~",
            "null",
            "0x1F",
            "1_000",
            "1:30",
            "2024-01-01",
            "---\nkind: Secret",
            "|",
            "'\"\n",
            " lead",
            "trail ",
            "\u{feff}x",
            "été",
            "漢字",
            "🐘",
        ])
        .prop_map(str::to_owned),
    ]
}

proptest! {
    // Each case renders all files several times.
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever stands in the inventory's texts arrives as it is, in manifests that hold what they should and no more.
    #[test]
    fn hostile_texts_arrive_as_they_are(text in hostile(), other in hostile(), key in hostile()) {
        let mut inventory = inventory_named("mastodon-outside");
        let flux = inventory.flux.as_mut().unwrap();
        flux.branch.clone_from(&text);
        let site = inventory.mastodon.as_mut().unwrap();
        site.image.clone_from(&text);
        site.smtp.as_mut().unwrap().from_address.clone_from(&other);
        site.ingress.class.clone_from(&text);
        site.ingress.tls = Tls::Secret(other.clone());
        site.s3.as_mut().unwrap().bucket.clone_from(&text);
        site.values = serde_json::Map::from_iter([("extra".to_owned(), json!({ &key: [&text, { &other: &text }] }))]);
        let sync = object(&inventory, "clusters/home/flux-system/gotk-sync.yaml");
        prop_assert_eq!(&sync["spec"]["ref"], &json!({ "branch": text }));
        let values = chart_values(&inventory);
        prop_assert_eq!(&values["image"]["tag"], &text);
        prop_assert_eq!(&values["mastodon"]["smtp"]["from_address"], &other);
        prop_assert_eq!(&values["ingress"]["ingressClassName"], &text);
        prop_assert_eq!(&values["ingress"]["tls"][0]["secretName"], &other);
        prop_assert_eq!(&values["extra"], &json!({ &key: [&text, { &other: &text }] }));
        // The chart's template puts this one between nothing but blanks.
        let bucket = format!("S3_BUCKET: {}", values["mastodon"]["s3"]["bucket"].as_str().unwrap());
        let read: Value = serde_saphyr::from_str(&bucket).unwrap();
        prop_assert_eq!(&read["S3_BUCKET"], &text);
    }
}

//! A site in the simulated homelab: what the chart renders to, without Flux, and people who have used it.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use homeprov::engine;
use homeprov::error::ExitCode;
use homeprov::inventory::Inventory;
use homeprov::mastodon::secrets::{SecretSet, generate};
use homeprov::mastodon::{seal, values};
use homeprov_lab::kubernetes::Release;
use homeprov_lab::kubernetes::mastodon::render;
use homeprov_lab::world::{Exec, FaultKind, Os};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::homelab::Printed;
use super::session::{House, inventory, recipe, text, with_storage};

const KUBECTL: [&str; 2] = ["/snap/bin/microk8s", "kubectl"];
/// Where the users' files are.
pub const FILES: &str = "/opt/mastodon/public/system";

const TABLES: &str = r#"
[flux]
repository = "ssh://git@git.example.org/home.git"
[mastodon]
local_domain = "social.example.org"
[mastodon.admin]
username = "alice"
email = "alice@example.org"
"#;

/// The inventory of a house with a site.
fn with_site(plain: &str) -> Arc<Inventory> {
    inventory(&format!("{plain}{TABLES}"))
}

/// What `kubectl` printed, and its status.
pub async fn kubectl(house: &House, words: &[&str], stdin: &[u8]) -> (String, i32) {
    let mut said = Vec::new();
    let argv: Vec<&str> = KUBECTL.iter().chain(words).copied().collect();
    let exec = Exec { stdin: stdin.to_vec(), ..Exec::root(&argv) };
    let status = house
        .lab
        .run("nuc1", exec, |printed| match printed {
            Printed::Out(bytes) | Printed::Err(bytes) => said.extend_from_slice(bytes),
        })
        .await;
    (String::from_utf8_lossy(&said).into_owned(), status)
}

async fn apply(house: &House, object: &Value) {
    let (said, status) = kubectl(house, &["apply", "-f", "-"], object.to_string().as_bytes()).await;
    assert_eq!(status, 0, "{said}\n{object:#}");
}

/// A script in a pod of the site.
pub async fn in_pod(house: &House, pod: &str, script: &str, stdin: &str) -> String {
    let words = ["exec", "-i", "-n", "mastodon", pod, "--", "sh", "-c", script];
    let (said, status) = kubectl(house, &words, stdin.as_bytes()).await;
    assert_eq!(status, 0, "{script}: {said}");
    said
}

/// SQL in the site's database.
pub async fn sql(house: &House, statements: &str) -> String {
    let script = "PGPASSWORD=$POSTGRES_PASSWORD psql -XqAt -v ON_ERROR_STOP=1 -U mastodon -d mastodon_production";
    in_pod(house, "mastodon-postgresql-0", script, statements).await
}

/// One node with a site that alice and others have used.
pub async fn used(faults: &[FaultKind]) -> House {
    let plain = with_storage(&text(1, 0), "[storage]\nengine = \"hostpath\"");
    used_on(House::new(1, 0, Os::Ubuntu2404, &[], 1), &plain, faults).await
}

/// Three nodes with the same site, whose files are on shares of volumes that are kept.
pub async fn used_with_shares() -> House {
    used_on(House::three(&[]), &with_storage(&text(3, 0), ""), &[]).await
}

async fn used_on(mut house: House, plain: &str, faults: &[FaultKind]) -> House {
    house.inventory = inventory(plain);
    let ran = house.up().await;
    assert_eq!(ran.outcome.code, ExitCode::Done, "{:?}\n{}", ran.outcome, ran.tail());
    house.inventory = with_site(plain);
    entrance(&house).await;
    install(&house).await;
    let made = in_pod(
        &house,
        "deploy/mastodon-web",
        "tootctl accounts create alice --email alice@example.org --confirmed --role Owner",
        "",
    )
    .await;
    assert!(made.contains("OK"), "{made}");
    sql(
        &house,
        "INSERT INTO statuses SELECT generate_series(1, 12);\nINSERT INTO follows SELECT generate_series(1, 3);\n\
         INSERT INTO media_attachments SELECT generate_series(1, 4);\n",
    )
    .await;
    for (path, text) in [
        ("accounts/avatars/1/face.png", "face"),
        ("media_attachments/files/1/cat.jpg", "cat"),
        ("media_attachments/files/2/dog.jpg", "dog"),
        ("site_uploads/1/banner.png", "banner"),
        ("cache/media_attachments/9/far.jpg", "far away"),
        ("cache/custom_emojis/3/blobcat.png", "blobcat"),
    ] {
        put(&house, path, text).await;
    }
    house.lab.with(|world| faults.iter().for_each(|fault| world.inject((*fault).into())));
    house
}

/// Writes one of the users' files.
pub async fn put(house: &House, path: &str, text: &str) {
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let script = format!("mkdir -p {FILES}/{folder} && cat >{FILES}/{path}");
    in_pod(house, "deploy/mastodon-web", &script, text).await;
}

/// The users' files with what is in them.
pub async fn files(house: &House) -> Vec<(String, String)> {
    let list = in_pod(house, "deploy/mastodon-web", &format!("find {FILES} -type f"), "").await;
    let mut found = Vec::new();
    for path in list.lines() {
        let text = in_pod(house, "deploy/mastodon-web", &format!("cat {path}"), "").await;
        found.push((path[FILES.len() + 1..].to_owned(), text));
    }
    found
}

/// An ingress controller with an address of the pool.
async fn entrance(house: &House) {
    let mut steps = recipe();
    steps.steps.retain(|step| ["ingress-enabled", "ingress-address"].contains(&step.id.as_str()));
    let (session, _received) = house.session(steps);
    let outcome = engine::up(&session).await;
    assert_eq!(outcome.code, ExitCode::Done, "{outcome:?}");
}

async fn install(house: &House) {
    let wanted = house.inventory.mastodon.as_ref().expect("a site");
    apply(house, &json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "mastodon" } })).await;
    let set = generate(wanted, &SecretSet::default(), &SecretSet::default()).expect("secrets");
    // As the step does that seals them for Git.
    seal::recipient(house.state(), &house.inventory.cluster.name).expect("a key");
    for name in set.names() {
        let data: serde_json::Map<String, Value> = set
            .of(name)
            .map(|(key, value)| (key.to_owned(), Value::from(secrecy::ExposeSecret::expose_secret(value))))
            .collect();
        let metadata = json!({ "name": name, "namespace": "mastodon" });
        apply(house, &json!({ "apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": data })).await;
    }
    let (mode, class) = match house.inventory.nodes.len() {
        1 => ("ReadWriteOnce", "microk8s-hostpath"),
        _ => ("ReadWriteMany", "openebs-rwx"),
    };
    for claim in ["mastodon-assets", "mastodon-system"] {
        let spec = json!({ "accessModes": [mode], "storageClassName": class, "resources": { "requests": { "storage": "1Gi" } } });
        let metadata = json!({ "name": claim, "namespace": "mastodon" });
        apply(
            house,
            &json!({ "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec }),
        )
        .await;
    }
    let release = Release { name: "mastodon", namespace: "mastodon" };
    let rendered = render(release, &values::values(&house.inventory, wanted), 1).expect("the chart renders");
    for object in &rendered.objects {
        apply(house, object).await;
    }
    sleep(Duration::from_secs(90)).await;
    for hook in rendered.hooks.iter().filter(|hook| hook.events.contains(&"post-install")) {
        apply(house, &hook.object).await;
    }
    sleep(Duration::from_secs(240)).await;
    let (pods, _) = kubectl(house, &["get", "pods", "-n", "mastodon"], b"").await;
    assert_eq!(pods.matches("1/1").count(), 5, "{pods}");
}

/// Lets the ingress controller lead to the site, or to nothing.
pub async fn lead_in(house: &House, there: bool) {
    let wanted = house.inventory.mastodon.as_ref().expect("a site");
    let release = Release { name: "mastodon", namespace: "mastodon" };
    let rendered = render(release, &values::values(&house.inventory, wanted), 1).expect("the chart renders");
    let ingresses: Vec<&Value> = rendered.objects.iter().filter(|object| object["kind"] == "Ingress").collect();
    assert!(!ingresses.is_empty(), "the chart has one");
    for object in ingresses {
        if there {
            apply(house, object).await;
            continue;
        }
        let name = object["metadata"]["name"].as_str().expect("a name");
        let (said, status) = kubectl(house, &["delete", "ingress", "-n", "mastodon", name], b"").await;
        assert_eq!(status, 0, "{said}");
    }
}

/// Flux looks after the site and fails at it, again and again: its values lack what the chart asks for, so that nothing of it is applied.
pub async fn failing_release(house: &House) {
    let (said, status) =
        kubectl(house, &["apply", "-f", "-"], homeprov_lab::kubernetes::flux::manifest().as_bytes()).await;
    assert_eq!(status, 0, "{said}");
    sleep(Duration::from_secs(120)).await;
    let chart = &house.inventory.mastodon.as_ref().expect("a site").chart;
    apply(
        house,
        &json!({
            "apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "GitRepository",
            "metadata": { "name": "mastodon", "namespace": "flux-system" },
            "spec": { "interval": "1h", "ref": { "commit": chart.commit }, "url": chart.repository },
        }),
    )
    .await;
    let strategy = json!({ "strategy": { "name": "RetryOnFailure", "retryInterval": "2m" } });
    let values = json!({ "mastodon": { "local_domain": "lab.example" }, "elasticsearch": { "enabled": false } });
    let source = json!({ "kind": "GitRepository", "name": "mastodon", "namespace": "flux-system" });
    apply(
        house,
        &json!({
            "apiVersion": "helm.toolkit.fluxcd.io/v2", "kind": "HelmRelease",
            "metadata": { "name": "mastodon", "namespace": "mastodon" },
            "spec": { "interval": "15m", "releaseName": "mastodon", "install": strategy, "upgrade": strategy, "values": values,
                "chart": { "spec": { "chart": "./", "sourceRef": source } } },
        }),
    )
    .await;
    sleep(Duration::from_secs(60)).await;
}

/// The folders in a folder, by name.
pub fn folders(place: &Path) -> Vec<String> {
    let entries = fs::read_dir(place).into_iter().flatten();
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("text")).collect();
    names.sort();
    names
}

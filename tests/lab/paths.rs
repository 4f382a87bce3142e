//! The ways through [flux] and [mastodon] that are taken less often: a key of homeprov's own, a Flux that was there before,
//! search, object storage, mail that wants a login.

use crate::harness::{Ran, lab};
use crate::row::Row;

/// One node and volumes on its disk: nothing here is about copies.
const SITE: &str = "--nodes 1 --storage hostpath --mastodon on";

/// `kubectl` on the first node.
const TOOLS: &str = r#"
cd $(mktemp -d)
D=$(dirname $I)
URL=$(sed -n 's/^repository = "\(.*\)"/\1/p' $I)
key=$(sed -n 's/^identity = "\(.*\)"/\1/p' $I)
on() { a=$1; shift; ssh -F none -i "$key" -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR root@10.77.0.$a "$@"; }
kubectl() { on 11 /snap/bin/microk8s kubectl "$@"; }
commits() { rm -rf repository; git clone -q "$URL" repository; git -C repository log --format='%an: %s'; }
"#;

/// Nobody names a key: homeprov makes one, says where it belongs, and goes on when it is there.
const OWN_KEY: &str = r#"
sed -i '/^deploy_key/d; s/^local_domain = .*/&\nelasticsearch = true/' $I
echo hunter2-one >mail-password; chmod 600 mail-password
sed -i "s|^port = 465|port = 587|; s|^tls = true|tls = false\nstarttls = \"always\"\nlogin = \"alice\"\npassword_file = \"$PWD/mail-password\"|" $I
homeprov up $I >out 2>&1 & up=$!
for i in $(seq 600); do kill -0 $up || break; grep -q 'ssh-ed25519 ' out && break; sleep 1; done
part waits; sleep 15; kill -0 $up && echo waits
grep -om1 'ssh-ed25519 [A-Za-z0-9+/=]*' out >cluster.pub
homeprov-lab git add-key cluster.pub
wait $up; echo up=$?
part up; cat out
part search; kubectl get statefulset mastodon-elasticsearch-master -n mastodon -o "jsonpath='{.status.readyReplicas}'"; echo
kubectl get statefulset mastodon-elasticsearch-master -n mastodon -o "jsonpath='{.spec.template.spec.containers[0].startupProbe.failureThreshold}'"; echo
on 11 cat /etc/sysctl.d/91-homeprov-search.conf; on 11 sysctl -n vm.max_map_count
pods() { kubectl get pods -n mastodon --sort-by=.metadata.name -o "jsonpath='{range .items[*]}{.metadata.name}{\"\\n\"}{end}'" | grep -E 'web|sidekiq|streaming|postgresql'; }
part before; pods
echo hunter2-two >mail-password
part changed; homeprov up $I; echo changed=$?
part after; pods
part again; homeprov up $I; echo again=$?
part journals; cat $XDG_STATE_HOME/homeprov/runs/*/events.jsonl
part history; commits >/dev/null; git -C repository log -p --all
part end
"#;

fn lines_of(ran: &Ran, part: &str, word: &str) -> Vec<String> {
    let part = ran.part(part);
    part.lines().filter(|line| line.contains(word)).map(str::to_owned).collect()
}

#[test]
fn a_key_of_homeprovs_own_is_waited_for_and_a_changed_password_takes_effect() {
    let row = Row::of("the cluster's key is not on the Git server yet", "while `up` waits for it");
    let ran = lab(SITE, &format!("{TOOLS}{OWN_KEY}"));
    ran.expect(ran.part("waits").contains("waits"), "`up` should wait for the key");
    ran.expect(ran.code_of("up") == 0, "and go on once it is there");
    let up = ran.part("up");
    ran.expect(
        up.contains("Add this public key") && up.contains("authorized_keys"),
        "it should say where the key belongs",
    );
    ran.expect(up.contains("answers at https://lab.example"), "the site should answer");
    // The mail server of the lab lets nobody in: a warning, and no more.
    ran.expect(up.contains("refuses the login alice: it says `535"), "the login should have been tried under TLS");
    let search = ran.part("search");
    let search: Vec<&str> = search.trim().lines().collect();
    let ready = search.first() == Some(&"1") && search.get(1) == Some(&"90");
    ran.expect(ready, "search should be ready, and be given fifteen minutes to start");
    // Ubuntu's own default is more than is needed, and is left as it is.
    let maps = search.get(3).and_then(|number| number.parse::<u32>().ok()).is_some_and(|number| number >= 262_144);
    ran.expect(search.get(2) == Some(&"vm.max_map_count=262144") && maps, "it should have its memory maps");
    ran.expect(ran.code_of("changed") == 0 && ran.code_of("again") == 0, "both later runs should succeed");
    for restarted in ["web", "sidekiq"] {
        let (before, after) = (lines_of(&ran, "before", restarted), lines_of(&ran, "after", restarted));
        ran.expect(!before.is_empty() && before != after, &format!("{restarted} should have been started again"));
    }
    for kept in ["streaming", "postgresql"] {
        let (before, after) = (lines_of(&ran, "before", kept), lines_of(&ran, "after", kept));
        ran.expect(!before.is_empty() && before == after, &format!("{kept} should have been left alone"));
    }
    ran.expect(ran.part("changed").contains("refuses the login"), "the new password should have been tried");
    ran.expect(ran.part("again").contains("nothing to do"), "and then there is nothing left to do");
    ran.expect(!ran.text.contains("hunter2"), "no password should be told, in Git, journals or anywhere");
    ran.expect(ran.part("history").contains("kind: HelmRelease"), "there should have been something to look at");
    row.ended("converged: waited for, then went on by itself");
}

/// What `flux bootstrap git` of an older release leaves behind (fluxcd/flux2 `pkg/bootstrap`), done by hand.
const BOOTSTRAP: &str = r#"
sed '/^\[flux\]/,$d' $I >bare.toml
homeprov up bare.toml >bare 2>&1; echo bare=$?
deploy=$(sed -n 's/^deploy_key = "\(.*\)"/\1/p' $I)
sed 's/v2\.9\.4/v2.8.1/g' $D/flux-install.yaml >gotk-components.yaml
cat >gotk-sync.yaml <<Y
# This manifest was generated by flux. DO NOT EDIT.
---
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: { name: flux-system, namespace: flux-system }
spec: { interval: 1m0s, ref: { branch: main }, secretRef: { name: flux-system }, url: "$URL" }
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: { name: flux-system, namespace: flux-system }
spec: { interval: 10m0s, path: ./clusters/lab, prune: true, sourceRef: { kind: GitRepository, name: flux-system } }
Y
printf '%s\n' 'apiVersion: kustomize.config.k8s.io/v1beta1' 'kind: Kustomization' 'resources:' '- gotk-components.yaml' '- gotk-sync.yaml' >kustomization.yaml
git clone -q "$URL" repository; mkdir -p repository/clusters/lab/flux-system
cp gotk-components.yaml gotk-sync.yaml kustomization.yaml repository/clusters/lab/flux-system/
git -C repository checkout -q -B main; git -C repository add .
git -C repository -c user.name=Flux -c user.email=flux@lab.example commit -q -m 'Add Flux v2.8.1 component manifests'
git -C repository push -q origin main; echo pushed=$?
kubectl apply --server-side -f - <gotk-components.yaml >/dev/null
b64() { base64 -w0; }
{ printf 'apiVersion: v1\nkind: Secret\nmetadata: { name: flux-system, namespace: flux-system }\ndata:\n'
  echo "  identity: $(b64 <$deploy)"; echo "  identity.pub: $(ssh-keygen -y -f $deploy | b64)"
  echo "  known_hosts: $(grep '^10.77.0.1 ' $D/known_hosts | b64)"; } | kubectl apply -f - >/dev/null
sleep 2; kubectl apply -f - <gotk-sync.yaml >/dev/null
for i in $(seq 120); do kubectl get kustomizations -n flux-system | grep -q 'main@sha1' && break; sleep 1; done
own() { kubectl get secret flux-system -n flux-system -o "jsonpath='{.data}'" | sha256sum; }
part secret; own
"#;

/// Media in a bucket of Google's, whose endpoint is the lab's.
const BUCKET: &str = r#"
sed -i '/^deploy_key/d; /^assets_size/d; /^system_size/d' $I
echo GOOG1EXAMPLE >s3-id; echo s3cret-key-of-the-bucket >s3-key; chmod 600 s3-id s3-key
cat >>$I <<T

[mastodon.s3]
bucket = "lab-media"
endpoint = "https://10.77.0.1:9000"
access_key_file = "$PWD/s3-id"
secret_key_file = "$PWD/s3-key"
permission = ""
signature = "v4"
single_request = true
multipart_threshold = 52_428_801
alias_host = "media.lab.example"
T
part up; homeprov up $I; echo up=$?
part kept; own
part again; homeprov up $I; echo again=$?
part commits; commits
part files; for file in gotk-components.yaml gotk-sync.yaml kustomization.yaml; do cmp $file repository/clusters/lab/flux-system/$file && echo same; done
part version; kubectl get deployment source-controller -n flux-system -o "jsonpath='{.metadata.labels.app\.kubernetes\.io/version}'"; echo
part keys; find $XDG_STATE_HOME/homeprov -name deploy-key
part environment; kubectl get configmap mastodon-env -n mastodon -o yaml; kubectl get deployment mastodon-web -n mastodon -o yaml
part claims; kubectl get pvc -n mastodon
part text; git -C repository log -p --all; cat $XDG_STATE_HOME/homeprov/runs/*/events.jsonl
part end
"#;

#[test]
fn a_flux_that_was_there_is_kept_and_media_lie_in_a_bucket() {
    let row = Row::of("Flux of another release runs already", "before the first `up` with [flux]");
    let ran = lab(SITE, &format!("{TOOLS}{BOOTSTRAP}{BUCKET}"));
    ran.expect(ran.code_of("bare") == 0 && ran.code_of("pushed") == 0, "the cluster and its Flux should be there");
    ran.expect(ran.code_of("up") == 0 && ran.code_of("again") == 0, "homeprov should work with it");
    ran.expect(ran.part("again").contains("nothing to do"), "the second time there should be nothing to do");
    let up = ran.part("up");
    ran.expect(up.contains("Flux v2.8.1 runs in the cluster and is kept"), "what homeprov does should be said");
    ran.expect(
        up.contains("gotk-sync.yaml in the repository was there before homeprov"),
        "and which files are left alone",
    );
    ran.expect(up.contains("answers at https://lab.example"), "the site should answer");
    ran.expect(ran.part("version").trim() == "v2.8.1", "the release should be the same");
    ran.expect(
        ran.part("files").lines().filter(|line| *line == "same").count() == 3,
        "its files should be as they were",
    );
    ran.expect(ran.part("secret") == ran.part("kept") && ran.part("secret").len() > 60, "and so should its key");
    ran.expect(ran.part("keys").trim().is_empty(), "no other key should have been made");
    ran.expect(ran.part("commits").lines().count() == 2, "one commit of homeprov's on top of Flux's own");
    let environment = ran.part("environment");
    for line in [
        "S3_ENABLED: \"true\"",
        "S3_ENDPOINT: https://10.77.0.1:9000",
        "S3_ALIAS_HOST: media.lab.example",
        "S3_MULTIPART_THRESHOLD: \"52428801\"",
        "S3_PERMISSION: \"\"",
        "S3_SIGNATURE_VERSION: v4",
        "S3_FORCE_SINGLE_REQUEST: \"true\"",
        "name: mastodon-s3",
    ] {
        ran.expect(environment.contains(line), line);
    }
    ran.expect(!ran.part("claims").contains("mastodon-system"), "there should be no volume for media");
    ran.expect(up.contains("object storage: https://10.77.0.1:9000 answers"), "the endpoint should have been asked");
    ran.expect(
        !ran.part("text").contains("s3cret-key") && !up.contains("s3cret-key"),
        "the bucket's key is told nowhere",
    );
    row.ended("converged: kept, and said so");
}

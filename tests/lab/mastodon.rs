//! From an empty repository to a site that answers, and what may go wrong on the way.

mod backup;
mod faults;
mod kills;
mod power;
mod traces;

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::harness::{Ran, lab};

/// Three nodes, volumes, and an inventory with [flux] and [mastodon].
const SITE: &str = "--nodes 3 --storage default --mastodon on";

/// `kubectl` on the first node; `visit PATH` asks the site for a page through its address of the pool.
const TOOLS: &str = r#"
cd $(mktemp -d)
URL=$(sed -n 's/^repository = "\(.*\)"/\1/p' $I)
key=$(sed -n 's/^identity = "\(.*\)"/\1/p' $I)
on() { a=$1; shift; ssh -F none -i "$key" -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR root@10.77.0.$a "$@"; }
kubectl() { on 11 /snap/bin/microk8s kubectl "$@"; }
address() { kubectl get services -n ingress -o "jsonpath='{.items[*].status.loadBalancer.ingress[0].ip}'"; }
visit() { curl -sk -o page -w '%{http_code}\n' --resolve lab.example:443:$(address) "https://lab.example$1"; }
"#;

/// `up`, and again, with a look at everything that could tell a secret.
fn built() -> Ran {
    lab(
        SITE,
        &format!(
            r#"{TOOLS}
            # Every command line of every process of the homelab and of this machine's part of it, ten times a second.
            touch watching
            while [ -e watching ]; do cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\0' '\n' | sort -u >>argv; sleep 0.1; done &
            homeprov up $I >out 2>err; echo up=$?
            rm watching; wait
            part out; cat out
            part err; cat err
            part second; homeprov up --json $I >second; echo second=$?; tail -n 1 second
            part verify; homeprov verify app $I; echo verify=$?
            part status; homeprov status $I
            part visits; visit /; visit /health; visit /api/v1/streaming/health; visit /nowhere
            git clone -q "$URL" repository
            part commits; git -C repository log --format='%an: %s'
            part tree; git -C repository ls-files
            part history; git -C repository log -p --all
            part dry; for file in $(git -C repository ls-files | grep 'yaml$' | grep -v '/kustomization.yaml$'); do
              kubectl apply --dry-run=server -f - <repository/$file || echo "refused: $file"
            done
            part argv; sort -u argv
            part journals; cat $XDG_STATE_HOME/homeprov/runs/*/events.jsonl
            homeprov log --bundle=report.tar.gz >bundle
            part bundle; cat bundle; tar -xzOf report.tar.gz
            deploy_key=$(sed -n 's/^deploy_key = "\(.*\)"/\1/p' $I)
            part keys; cat $deploy_key $XDG_STATE_HOME/homeprov/clusters/*/age.key
            part readable; find $XDG_STATE_HOME -type f -perm /077 | xargs -r grep -lF -f $deploy_key
            part secrets; kubectl get secrets -n mastodon -o json
            part end"#
        ),
    )
}

/// The values of the Secrets, as their users see them.
fn secrets(ran: &Ran) -> BTreeSet<String> {
    let list: serde_json::Value = serde_json::from_str(&ran.part("secrets")).expect("the Secrets as JSON");
    let wanted = ["mastodon-secrets", "mastodon-postgresql", "mastodon-redis"];
    let items = list["items"].as_array().expect("items").iter();
    let ours = items.filter(|item| wanted.iter().any(|name| item["metadata"]["name"] == *name));
    let values = ours.flat_map(|item| item["data"].as_object().expect("data").values());
    let decoded = values.map(|value| STANDARD.decode(value.as_str().expect("text")).expect("base64"));
    decoded.map(|bytes| String::from_utf8(bytes).expect("text")).collect()
}

/// The lines of the private keys on this machine: the deploy key's, and that of the sealed secrets.
fn keys(ran: &Ran) -> BTreeSet<String> {
    let text = ran.part("keys");
    let lines = text.lines().filter(|line| line.len() > 16 && !line.starts_with(['#', '-']));
    // What every key without a passphrase begins with is no secret.
    lines.filter(|line| !line.starts_with("b3BlbnNzaC1rZXktdjE")).map(str::to_owned).collect()
}

/// A secret as it is, and as Base64 and URLs write it.
fn forms(secret: &str) -> [String; 3] {
    let base64 = STANDARD.encode(secret);
    let percent = secret.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    [secret.to_owned(), base64[..secret.len() * 8 / 6].to_owned(), percent]
}

#[test]
fn an_empty_repository_becomes_a_site() {
    let ran = built();
    ran.expect(ran.code_of("up") == 0, "up should succeed");
    let out = ran.part("out");
    ran.expect(out.contains("Mastodon v4.6.3 answers at https://lab.example"), "up should end with the site");
    let password = out.split("password: ").nth(1).and_then(|rest| rest.split_whitespace().next()).unwrap_or_default();
    ran.expect(password.len() >= 16, "and with the owner's password");
    ran.expect(ran.code_of("second") == 0, "the second up should succeed");
    let second = ran.part("second");
    let last: serde_json::Value = serde_json::from_str(second.lines().last().unwrap_or_default()).expect("an event");
    assert_eq!(last["applied"], 0, "the second up should change nothing: {second}");
    ran.expect(ran.code_of("verify") == 0, "the site should be verified");
    assert_eq!(ran.part("visits").trim().lines().collect::<Vec<_>>(), ["200", "200", "200", "404"], "{}", ran.text);
    let commits = ran.part("commits");
    ran.expect(commits.lines().count() == 1, "one commit is enough");
    for file in [
        "clusters/lab/flux-system/gotk-components.yaml",
        "clusters/lab/flux-system/gotk-sync.yaml",
        "clusters/lab/flux-system/kustomization.yaml",
        "clusters/lab/gitrepositories/gitrepository-mastodon.yaml",
        "clusters/lab/namespaces/namespace-mastodon.yaml",
        "clusters/lab/kustomizations/kustomization-mastodon.yaml",
    ] {
        ran.expect(ran.part("tree").lines().any(|line| line == file), file);
    }
    let dry = ran.part("dry");
    ran.expect(!dry.contains("refused:") && dry.contains("helmrelease"), "the API server should take every manifest");

    let mut secrets = secrets(&ran);
    ran.expect(secrets.len() >= 9, "there should be secrets to look for");
    let keys = keys(&ran);
    ran.expect(keys.len() >= 4, "and private keys");
    ran.expect(ran.part("readable").is_empty(), "the deploy key is in a file that others can read");
    secrets.extend(keys);
    for part in ["out", "err", "second", "verify", "status", "history", "argv", "journals", "bundle"] {
        let text = ran.part(part);
        ran.expect(
            part == "second" || !text.trim().is_empty(),
            &format!("there should be something to look at: {part}"),
        );
        let told = secrets.iter().filter(|secret| forms(secret).iter().any(|form| text.contains(form))).count();
        assert_eq!(told, 0, "{told} secrets are told in {part}");
        assert!(part == "out" || !text.contains(password), "the owner's password is told in {part}");
    }
    assert_eq!(out.matches(password).count(), 1, "the owner's password should be told once");
}

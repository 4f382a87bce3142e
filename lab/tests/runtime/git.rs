//! The Git server beside the nodes, and Flux's controllers that fetch from it.

use super::lab::Lab;

const SITE: [&str; 4] = ["--mastodon", "on", "--storage", "hostpath"];

/// A clone in `$work` with one commit pushed.
const CLONE: &str = r#"work=$HOME/clone
URL=$(setting repository)
export GIT_CONFIG_GLOBAL=$HOME/gitconfig
git config --global user.name Alice; git config --global user.email alice@lab.example
git config --global init.defaultBranch main
all() { "$@" 2>&1; }
git init --quiet $work; cd $work; git remote add origin $URL
mkdir -p clusters/lab
printf 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: tea, namespace: default}\ndata: {price: "2"}\n' >clusters/lab/tea.yaml
git add .; git commit --quiet -m 'Sell tea'
"#;

#[test]
fn ones_own_key_writes_and_a_deploy_key_reads() {
    let said = Lab::of(1).with(&SITE).run(&format!(
        r#"{CLONE}
        show push all git push --quiet origin main
        KEY=$(setting deploy_key)
        KNOWN=$(setting known_hosts)
        with() {{ GIT_SSH_COMMAND="ssh -F none -i $1 -o IdentitiesOnly=yes -o BatchMode=yes -o UserKnownHostsFile=$KNOWN" git "${{@:2}}" 2>&1; }}
        show read with $KEY ls-remote --heads $URL
        show write with $KEY push origin HEAD:refs/heads/other
        show elsewhere all git ls-remote ssh://git@10.77.0.1/homelab/other.git
        show shell all ssh -i $(setting identity) -o IdentitiesOnly=yes -o UserKnownHostsFile=$KNOWN git@10.77.0.1 id
        ssh-keygen -q -t ed25519 -N '' -f $HOME/fresh
        show stranger with $HOME/fresh ls-remote $URL
        show added "$LAB" git add-key $HOME/fresh.pub
        show known with $HOME/fresh ls-remote --heads $URL
        show nonsense all "$LAB" git add-key $LAB_INVENTORY"#
    ));
    assert_eq!((said.status("push"), said.text("push")), (0, ""), "{said:?}");
    assert!(said.text("read").ends_with("refs/heads/main"), "{said:?}");
    assert!(
        said.text("write").contains("ERROR: The key you are authenticating with has been marked as read only."),
        "{said:?}"
    );
    assert!(said.text("elsewhere").contains("ERROR: Repository not found."), "{said:?}");
    assert_eq!((said.status("shell"), said.text("shell")), (1, "Invalid command: 'id'"), "{said:?}");
    assert!(said.text("stranger").contains("Permission denied (publickey)"), "{said:?}");
    assert_eq!(said.status("added"), 0);
    assert_eq!(said.text("known"), said.text("read"));
    assert_eq!(said.status("nonsense"), 1);
}

#[test]
fn somebody_pushes_first_and_the_server_comes_back() {
    // Forty minutes in ten seconds.
    let lab = Lab::of(1).with(&SITE).with(&["--fault", "git-push-rejected", "--fault", "git-down", "--speed", "240"]);
    let said = lab.run(&format!(
        r"{CLONE}
        show down all git ls-remote $URL
        for try in $(seq 100); do git ls-remote $URL >/dev/null 2>&1 && break; sleep 0.2; done
        show first all git push origin main
        git fetch --quiet origin; git rebase --quiet origin/main
        show second all git push --quiet origin main
        show authors git log --format=%an"
    ));
    assert!(said.text("down").contains("port 22: Connection refused"), "{said:?}");
    assert_eq!(said.status("first"), 1);
    assert!(said.text("first").contains("! [rejected]        main -> main (fetch first)"), "{said:?}");
    assert_eq!((said.status("second"), said.text("second")), (0, ""), "{said:?}");
    assert_eq!(said.text("authors"), "Alice|Bob");
}

#[test]
fn flux_fetches_what_was_pushed_and_applies_it() {
    let said = Lab::of(1).with(&SITE).with(&["--state", "cluster"]).run(&format!(
        r#"{CLONE}
        git push --quiet origin main
        kubectl() {{ on nuc1 "/snap/bin/microk8s kubectl $*"; }}
        components=$(setting components)
        show sum sha256sum --check --quiet <<<"$(setting checksum)  $components"
        installs() {{ kubectl apply --server-side -f - <"$components" | grep -c "created\|serverside-applied"; }}
        show install installs
        secret() {{ printf 'apiVersion: v1\nkind: Secret\nmetadata: {{name: flux-system, namespace: flux-system}}\ndata: {{identity: %s, known_hosts: %s}}\n' \
            $(base64 -w0 <"$(setting deploy_key)") $(grep '^10.77.0.1 ' "$(setting known_hosts)" | base64 -w0) | kubectl apply -f -; }}
        show secret secret
        sync() {{ printf 'apiVersion: source.toolkit.fluxcd.io/v1\nkind: GitRepository\nmetadata: {{name: flux-system, namespace: flux-system}}\nspec: {{interval: 1m, url: "%s", ref: {{branch: main}}, secretRef: {{name: flux-system}}}}\n---\napiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {{name: flux-system, namespace: flux-system}}\nspec: {{interval: 10m, path: ./clusters/lab, prune: true, sourceRef: {{kind: GitRepository, name: flux-system}}}}\n' $URL | kubectl apply -f -; }}
        until_so sync
        show source kubectl -n flux-system wait --for=condition=Ready gitrepository/flux-system --timeout=300s
        show kustomization kubectl -n flux-system wait --for=condition=Ready kustomization/flux-system --timeout=300s
        show revision kubectl -n flux-system get gitrepository flux-system -o 'jsonpath={{.status.artifact.revision}}'
        show head git rev-parse HEAD
        show price kubectl get configmap tea -o 'jsonpath={{.data.price}}'
        show table kubectl -n flux-system get gitrepositories"#
    ));
    assert_eq!(said.status("sum"), 0, "{said:?}");
    assert_eq!(said.text("install"), "32", "{said:?}");
    assert_eq!(said.status("source"), 0, "{said:?}");
    assert_eq!(said.status("kustomization"), 0, "{said:?}");
    assert_eq!(said.text("revision"), format!("main@sha1:{}", said.text("head")));
    assert_eq!(said.text("price"), "2");
    assert!(said.text("table").contains("stored artifact for revision 'main@sha1:"), "{said:?}");
}

//! A site is saved, spoiled and put back, over real ssh connections and under Flux.

use super::{SITE, TOOLS};
use crate::harness::lab;

#[test]
fn a_site_is_put_back_as_it_was_saved() {
    let ran = lab(
        SITE,
        &format!(
            r#"{TOOLS}
            F=/opt/mastodon/public/system
            web() {{ on 11 /snap/bin/microk8s kubectl exec -i -n mastodon deploy/mastodon-web -- sh -c "\"$1\""; }}
            sql() {{ on 11 /snap/bin/microk8s kubectl exec -i -n mastodon mastodon-postgresql-0 -- sh -c "'PGPASSWORD=\$POSTGRES_PASSWORD psql -XqAt -U mastodon -d mastodon_production'"; }}
            counts() {{ echo 'SELECT count(*) FROM statuses;' | sql; echo 'SELECT count(*) FROM users;' | sql; web "find $F -type f"; web "cat $F/accounts/1/face.png"; }}
            behind() {{ kubectl get persistentvolumeclaims,deployments,jivavolumes -n openebs -o "jsonpath='{{range .items[*]}}{{.kind}}/{{.metadata.name}} {{end}}'"; kubectl get persistentvolumes -o "jsonpath='{{range .items[*]}}{{.metadata.name}}={{.spec.claimRef.name}} {{end}}'"; echo; }}
            homeprov up $I >out 2>err; echo up=$?
            echo 'INSERT INTO statuses SELECT generate_series(1, 12);' | sql
            echo face | web "mkdir -p $F/accounts/1 $F/cache/9 && cat >$F/accounts/1/face.png && echo far >$F/cache/9/far.jpg"
            part before; counts
            part backup; homeprov backup $I backups --keep 2; echo backup=$?
            B=$(ls -d backups/20*)
            part verify; homeprov backup --verify $B; echo verify=$?
            part modes; find backups -perm /077
            echo 'DELETE FROM statuses;' | sql
            echo other | web "cat >$F/accounts/1/face.png && rm -r $F/cache && mkdir -p $F/new && echo new >$F/new/file"
            part spoiled; counts
            part behind_before; behind
            part rehearse; homeprov restore --rehearse $I $B; echo rehearse=$?
            part untouched; counts
            part namespaces; kubectl get namespaces,persistentvolumes -o "jsonpath='{{range .items[*]}}{{.metadata.name}} {{.spec.claimRef.namespace}} {{end}}'"; echo
            part behind_after; behind
            part restore; homeprov restore --yes $I $B; echo restore=$?
            part after; counts
            part flux; kubectl get kustomizations,helmreleases -A -o "jsonpath='{{range .items[*]}}{{.metadata.name}}={{.spec.suspend}} {{end}}'"; echo
            part again; homeprov up $I; echo again=$?
            part end"#
        ),
    );
    for command in ["up", "backup", "verify", "rehearse", "restore", "again"] {
        ran.expect(ran.code_of(command) == 0, &format!("{command} should succeed"));
    }
    ran.expect(ran.part("modes").is_empty(), "backups are for their owner alone");
    ran.expect(ran.part("before").contains("12"), "there should be something to save");
    ran.expect(ran.part("spoiled") != ran.part("before"), "the site should have been spoiled");
    ran.expect(ran.part("untouched") == ran.part("spoiled"), "a rehearsal should leave the site alone");
    ran.expect(
        ran.part("rehearse").contains("✔ cluster  web is ready on the restored data"),
        "and show that it would be one",
    );
    let left = ran.part("namespaces");
    ran.expect(left.contains("mastodon") && !left.contains("rehearsal"), "nothing of it should be left");
    ran.expect(
        ran.part("behind_after") == ran.part("behind_before"),
        "and nothing of what the shares of its files were made on",
    );
    ran.expect(ran.part("after") == ran.part("before"), "the site should be as it was");
    ran.expect(!ran.part("flux").contains("true"), "nothing should stay suspended");
    ran.expect(ran.part("restore").contains("✔ cluster  the site answers at its address"), "it should have been asked");
    ran.expect(ran.part("again").contains("nothing to do"), "and nothing should be left to do");
}

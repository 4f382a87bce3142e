//! A backup whose stream is cut off, and a restore that is killed again and again: over real SSH connections and under Flux.

use super::{SITE, TOOLS};
use crate::harness::lab;
use crate::row::Row;

/// The steps of a restore at which it is killed, half a second after each began for the first time.
const AT: [&str; 6] = [
    "restore-stopped",
    "restore-dump-copied",
    "restore-database",
    "restore-swapped",
    "restore-serving",
    "restore-fetched",
];

/// Runs a restore again and again; each is killed at the first of the steps `$AT` that none was killed at before.
const KILLS: &str = r#"
mkfifo pipe; : >killed; : >log; : >errors; code=
for run in 1 2 3 4 5 6 7 8 9; do
  homeprov restore --yes --json $I $B >pipe 2>>errors & pid=$!
  now=
  while read -r line; do
    printf '%s\n' "$line" >>log
    case $line in *'"event":"step-started"'*) ;; *) continue ;; esac
    step=${line#*'"step":"'}; step=${step%%'"'*}
    case " $AT " in *" $step "*) ;; *) continue ;; esac
    grep -qx -- "$step" killed && continue
    sleep 0.5; kill -KILL $pid && { echo "$step" >>killed; now=1; }
    break
  done <pipe
  wait $pid; code=$?
  [ -n "$now" ] || break
done
echo "restored=$code"; echo "runs=$run"
"#;

#[test]
fn a_stream_that_is_cut_off_and_a_restore_that_is_killed() {
    let cut = Row::of("truncated-stream", "during the dump of the second `backup`, in the lab");
    let killed = Row::of("the program gets SIGKILL", "inside six steps of `restore`, one after another, in the lab");
    let ran = lab(
        SITE,
        &format!(
            r#"{TOOLS}
            F=/opt/mastodon/public/system; AT="{at}"
            web() {{ on 11 /snap/bin/microk8s kubectl exec -i -n mastodon deploy/mastodon-web -- sh -c "\"$1\""; }}
            sql() {{ on 11 /snap/bin/microk8s kubectl exec -i -n mastodon mastodon-postgresql-0 -- sh -c "'PGPASSWORD=\$POSTGRES_PASSWORD psql -XqAt -U mastodon -d mastodon_production'"; }}
            counts() {{ echo 'SELECT count(*) FROM statuses;' | sql; echo 'SELECT count(*) FROM users;' | sql; web "find $F -type f"; web "cat $F/accounts/1/face.png"; }}
            homeprov up -q $I >out; echo up=$?
            echo 'INSERT INTO statuses SELECT generate_series(1, 1200);' | sql
            echo face | web "mkdir -p $F/accounts/1 $F/cache/9 && cat >$F/accounts/1/face.png && echo far >$F/cache/9/far.jpg"
            part before; counts
            part first; homeprov backup $I backups --keep 1; echo first=$?
            part had; find backups -mindepth 1 | sort
            homeprov-lab fault truncated-stream
            part cut; homeprov backup $I backups --keep 1; echo cut=$?
            part has; find backups -mindepth 1 | sort
            B=$(ls -d backups/20*)
            part verify; homeprov backup --verify $B; echo verify=$?
            echo 'DELETE FROM statuses;' | sql
            echo other | web "cat >$F/accounts/1/face.png && rm -r $F/cache && mkdir -p $F/new && echo new >$F/new/file"
            part spoiled; counts
            part kills; {KILLS}
            part killed; cat killed
            part errors; cat errors; tail -n 3 log
            part after; counts
            part left; web "ls -A $F"; echo 'SELECT datname FROM pg_database;' | sql; kubectl get pods -n mastodon -o name
            part flux; kubectl get kustomizations,helmreleases -A -o "jsonpath='{{range .items[*]}}{{.metadata.name}}={{.spec.suspend}} {{end}}'"; echo
            part visit; visit /
            part again; homeprov up $I; echo again=$?
            part end"#,
            at = AT.join(" ")
        ),
    );
    ran.expect(ran.code_of("up") == 0 && ran.code_of("first") == 0, "there should be a site and a backup of it");
    ran.expect(ran.code_of("cut") == 6, "a stream that is cut off should be an error");
    ran.expect(ran.part("cut").contains("was cut off on its way"), "that says so");
    ran.expect(
        ran.part("has") == ran.part("had") && ran.part("had").contains("manifest.json"),
        "the earlier one stays",
    );
    ran.expect(ran.code_of("verify") == 0, "whole");
    cut.ended("exit code 6: was cut off on its way; the earlier backup stays, nothing of this one");

    ran.expect(ran.part("spoiled") != ran.part("before"), "the site should have been spoiled");
    assert_eq!(ran.part("killed").lines().collect::<Vec<_>>(), AT, "{}", ran.text);
    ran.expect(ran.code_of("restored") == 0, "the run that is left alone should end it");
    ran.expect(ran.part("before").contains("1200") && ran.part("after") == ran.part("before"), "as it was");
    let left = ran.part("left");
    ran.expect(left.contains("mastodon_production\n") && left.contains("accounts"), "the site should be there");
    for word in ["homeprov", "_before"] {
        ran.expect(!left.contains(word), &format!("nothing of the restore should be left: {word}"));
    }
    ran.expect(!ran.part("flux").contains("true"), "nothing should stay suspended");
    ran.expect(ran.part("visit").trim() == "200", "the site should answer");
    ran.expect(ran.code_of("again") == 0 && ran.part("again").contains("nothing to do"), "and nothing be left to do");
    killed.ended("six kills; ended by the same command, rows and files as they were saved");
}

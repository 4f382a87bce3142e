//! SIGKILL of the real program inside each kind of step, one after another on the same machines: the run that is left
//! alone ends as an unbroken one does, nothing is done again that held, and nothing is run twice at once.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::harness::{Ran, lab};
use crate::row::Row;

/// Starts `up` again and again; each is killed at the first step that none was killed at before. What they reported is
/// kept, with a line before each run.
const KILLS: &str = r#"
cd "$(mktemp -d)"; : >seen; : >log; : >errors; mkfifo pipe; run=0; code=
while [ -z "$code" ] && [ $run -lt 90 ]; do
  run=$((run + 1)); echo "{\"event\":\"begins\",\"run\":$run}" >>log
  homeprov up --json "$I" >pipe 2>>errors & pid=$!
  killed=
  while read -r line; do
    printf '%s\n' "$line" >>log
    case $line in *'"event":"step-started"'*) ;; *) continue ;; esac
    step=${line#*'"step":"'}; step=${step%%'"'*}
    if ! grep -qx -- "$step" seen; then kill -KILL $pid; echo "$step" >>seen; killed=1; break; fi
  done <pipe
  wait $pid; status=$?
  [ -n "$killed" ] || code=$status
done
part log; cat log
part commands; homeprov-lab commands
part end; echo "end=$code"; tail -n 5 errors
part again; homeprov up "$I"; echo "again=$?"
part status; homeprov status "$I"
sleep 6
part left; for line in /proc/[0-9]*/cmdline; do tr '\0' ' ' <$line 2>/dev/null | grep -- "$XDG_RUNTIME_DIR/homeprov-"; done; ls -d "$XDG_RUNTIME_DIR"/homeprov-* 2>/dev/null
part done
"#;

/// Programs of which two at once on a machine do harm.
const ALONE: [&str; 5] = ["snap install", "microk8s join", "microk8s enable", "microk8s stop", "apt-get install"];

/// Steps that hold for good once they hold: a data store that restarts may shake what stands on it.
const LASTING: [&str; 6] = [
    "snap-installed",
    "identity-recorded",
    "members-joined",
    "metallb-enabled",
    "openebs-installed",
    "iscsi-installed",
];

fn json(text: &str) -> Vec<Value> {
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// The programs that ran while the same one ran on the same machine.
fn doubled(ran: &Ran) -> Vec<String> {
    let mut ends: BTreeMap<String, u64> = BTreeMap::new();
    let mut doubled = Vec::new();
    for command in json(&ran.part("commands")) {
        let argv: Vec<&str> = command["argv"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let line = argv.iter().map(|word| word.rsplit('/').next().unwrap_or(word)).collect::<Vec<_>>().join(" ");
        let Some(alone) = ALONE.iter().find(|alone| line.starts_with(*alone)) else { continue };
        let began = command["began"].as_u64().expect("a time");
        let key = format!("{}: {alone}", command["machine"]);
        if ends.get(&key).is_some_and(|ended| *ended > began) {
            doubled.push(format!("{line} on {} at {began} ms", command["machine"]));
        }
        ends.insert(key, command["ended"].as_u64().unwrap_or(u64::MAX));
    }
    doubled
}

/// In `make matrix`.
#[test]
fn a_run_killed_inside_each_kind_of_step_is_continued() {
    let row = Row::of("the program gets SIGKILL", "inside each kind of step, one after another, on the lab");
    let ran = lab("--nodes 3 --storage default", KILLS);
    ran.expect(ran.code_of("end") == 0, "the run that is left alone should succeed");
    ran.expect(ran.code_of("again") == 0 && ran.part("again").contains("nothing to do"), "and leave nothing to do");
    let status = ran.part("status");
    for words in ["highly available (3 of 3", "announced; 3 of 3 speakers ready"] {
        ran.expect(status.contains(words), words);
    }

    let mut held: BTreeSet<String> = BTreeSet::new();
    let mut kinds: BTreeSet<String> = BTreeSet::new();
    let mut again = Vec::new();
    let mut runs = 0;
    for event in json(&ran.part("log")) {
        let at = format!("{} at {}", event["step"], event["place"]);
        let step = event["step"].as_str().unwrap_or_default().to_owned();
        match event["event"].as_str() {
            Some("begins") => runs += 1,
            Some("step-holds") => _ = held.insert(at),
            Some("step-started") => {
                if LASTING.contains(&step.as_str()) && held.contains(&at) {
                    again.push(at);
                }
                kinds.insert(step);
            }
            _ => {}
        }
    }
    ran.expect(
        runs == kinds.len() + 1,
        &format!("one kill for each of {} kinds of step, not {runs} runs", kinds.len()),
    );
    for step in ["snap-installed", "members-joined", "metallb-enabled", "openebs-installed", "storage-proven"] {
        ran.expect(kinds.contains(step), &format!("{step} is among {kinds:?}"));
    }
    assert_eq!(again, Vec::<String>::new(), "what held was done again\n{}", ran.part("log"));
    assert_eq!(doubled(&ran), Vec::<String>::new(), "\n{}", ran.part("commands"));
    ran.expect(ran.part("left").trim().is_empty(), "no ssh and no sockets are left");
    row.ended(format!("{} kills; the last run converged, nothing done twice, nothing left", kinds.len()));
}

//! Each fault of the site leaves the trace that it struck, is told to the user in words that name it, and ends in a site
//! that answers, or in cause and remedy.

use super::traces::Traces;
use super::{SITE, TOOLS};
use crate::harness::{Ran, lab};
use crate::row::Row;

/// `up` ends with this code, and with the cause and the remedy.
fn ends(fault: &str, code: i32, told: &[&str]) -> Ran {
    let ran = lab(&format!("{SITE} --fault {fault}"), &format!("{TOOLS}part up; homeprov up $I; echo up=$?\npart end"));
    ran.expect(ran.code_of("up") == code, &format!("it should end with exit code {code}"));
    for words in told {
        ran.expect(ran.part("up").contains(words), &format!("it should say: {words}"));
    }
    ran.expect(!ran.part("up").contains("answers at"), "and claim nothing");
    ran
}

#[test]
fn somebody_who_pushed_first_is_built_upon() {
    let row = Row::of("somebody else pushes first", "between homeprov's look at the repository and its push");
    let traces = Traces::of("git-push-rejected");
    traces.converged();
    let commits = traces.commits();
    traces.is(commits.len() == 2, "there should be two commits");
    traces.is(commits[1] == "Bob: Say what this repository is for", "Bob's is kept as it was");
    traces.is(commits[0].starts_with("homeprov: Write "), "homeprov's stands on top of it");
    row.ended("converged: homeprov's commit on top of theirs");
}

#[test]
fn a_git_server_that_was_away_is_waited_for() {
    let row =
        Row::of("the Git server does not answer", "from the start, until forty minutes after it was first needed");
    let still = "while ! grep -q 'Connection refused' told; do homeprov-lab fault git-down; sleep 2; done";
    let traces = Traces::with("git-down", still, "");
    traces.converged();
    traces.is(traces.part("git-server").trim() == "down\nup", "the server should be away, then there for good");
    let told = traces.told(&["the cluster may read the repository", "Connection refused"]);
    traces.is(told.contains("10.77.0.1") && told.contains("for up to"), "server and limit should be named");
    traces.in_order("Connection refused", "✔ cluster  the repository has what homeprov wants in it");
    row.ended(format!("converged: waited for, {}", told.split("for up to").last().unwrap_or_default().trim()));
}

#[test]
fn an_object_that_cannot_be_applied_for_a_while_is_told() {
    let row = Row::of("the API server refuses what Flux applies", "at its first two attempts");
    let traces = Traces::of("flux-reconcile-fails");
    traces.converged();
    traces.seen("ReconciliationFailed", |line| {
        line.starts_with("Kustomization/mastodon ReconciliationFailed: HelmRelease/mastodon/mastodon dry-run failed")
    });
    traces.told(&["HelmRelease/mastodon/mastodon dry-run failed", "database is locked"]);
    traces.in_order("database is locked", "✔ cluster  Mastodon is installed as the repository says");
    row.ended("converged: Flux's message told while it lasted");
}

#[test]
fn a_failed_installation_is_tried_again_without_uninstalling() {
    let row = Row::of("the installation of the HelmRelease fails", "at its last object, once");
    let traces = Traces::of("helm-install-fails-once");
    traces.converged();
    traces.seen("InstallFailed", |line| line.starts_with("HelmRelease/mastodon InstallFailed: Helm install failed"));
    traces.is(traces.history() == ["2 deployed", "1 failed"], "an upgrade should follow the failed installation");
    traces.told(&["InstallFailed", "connection refused"]);
    row.ended("converged: tried again as an upgrade, nothing uninstalled");
}

#[test]
fn an_installation_without_databases_is_begun_anew() {
    let row = Row::of("the installation of the HelmRelease fails", "before the databases are there, once");
    let traces = Traces::of("helm-install-breaks-off");
    traces.converged();
    traces.seen("InstallFailed", |line| {
        line.starts_with("HelmRelease/mastodon InstallFailed") && line.contains("StatefulSet/mastodon-postgresql")
    });
    traces.told(&["the first installation broke off before the database was there"]);
    traces.is(traces.history() == ["1 deployed"], "it should be a first installation again");
    row.ended("converged: installed anew, nothing uninstalled");
}

#[test]
fn an_image_that_cannot_be_pulled_is_told_and_waited_for() {
    let row = Row::of("the registry refuses an image", "for six minutes from the first pull");
    let traces = Traces::of("image-pull");
    traces.converged();
    traces.seen("ImagePullBackOff", |line| line.contains("mastodon-redis-master-0 Failed: Error: ImagePullBackOff"));
    traces.told(&["mastodon-redis-master-0: the image ", "bitnamilegacy/redis", "cannot be pulled"]);
    traces.told(&["what to do: the registry's limit is reached"]);
    row.ended("converged: pod, image and the registry's reason told while it lasted");
}

#[test]
fn a_database_that_recovers_slowly_is_not_killed() {
    let row = Row::of("PostgreSQL replays its log for five minutes", "at each start");
    let traces = Traces::of("db-slow-start");
    traces.converged();
    let log = traces.part("database");
    traces.is(log.contains("automatic recovery in progress") && log.contains("redo done"), "it should have recovered");
    traces.is(log.contains("database system is ready to accept connections"), "and be ready");
    traces.is(!log.contains("PANIC"), "whole");
    traces.is(traces.restarts("mastodon-postgresql-0") == Some(0), "nobody should have killed it");
    // Flux installs while it recovers: which of the two is told depends on the moment of the look.
    traces.told(&["Mastodon is installed as the repository says", "for up to"]);
    row.ended("converged: 0 restarts of the database");
}

#[test]
fn a_key_that_was_lost_before_it_was_kept_anywhere_is_named() {
    let row = Row::of("a key of Mastodon's Secret is lost", "right after it was made, before it is in Git");
    ends("missing-secret-key", 5, &["mastodon-secrets has lost OTP_SECRET", "from a backup"]);
    row.ended("exit code 5: names Secret, key and where to take it from");
}

#[test]
fn a_key_that_was_lost_is_put_back_from_the_repository() {
    let row = Row::of("a key of Mastodon's Secret is lost", "after the site is up");
    let ran = lab(
        SITE,
        &format!(
            r#"{TOOLS}
            otp() {{ kubectl get secret mastodon-secrets -n mastodon -o "jsonpath='{{.data.OTP_SECRET}}'"; echo; }}
            homeprov up $I; echo up=$?
            part before; otp
            kubectl patch secret mastodon-secrets -n mastodon --type=json -p "'[{{\"op\":\"remove\",\"path\":\"/data/OTP_SECRET\"}}]'" >/dev/null
            part lost; otp
            part again; homeprov up $I; echo again=$?
            part after; otp
            part end"#
        ),
    );
    ran.expect(ran.code_of("up") == 0 && ran.code_of("again") == 0, "both runs should succeed");
    ran.expect(ran.part("before").trim().len() > 100, "there should be a key");
    ran.expect(ran.part("lost").trim().is_empty(), "it should be lost");
    ran.expect(ran.part("after").trim() == ran.part("before").trim(), "the very same key should be back");
    row.ended("converged: the same key put back from Git");
}

#[test]
fn a_mail_server_that_is_closed_is_a_warning() {
    let row = Row::of("the mail server refuses connections", "from the start");
    let traces = Traces::with("smtp-closed", ":", "part mail; curl -sk smtps://10.77.0.1:465; echo mail=$?");
    traces.converged();
    traces.is(traces.part("mail").contains("mail=7"), "it should really refuse connections");
    let told = traces.told(&["mail: 10.77.0.1 port 465 does not answer EHLO, asked from", "what to do:"]);
    traces.is(told.contains(" ! mail:"), "as a warning");
    row.ended("converged, with a warning that names server and port");
}

#[test]
fn an_edit_by_hand_is_left_alone_until_it_is_to_be_overwritten() {
    let row = Row::of("somebody edits the values in the repository by hand", "after Flux has first fetched them");
    let show = "git -C repository pull -q; cat repository/mastodon/configmap-mastodon-helm-chart-value-overrides.yaml";
    let traces = Traces::with(
        "human-edit",
        ":",
        &format!(
            "part kept; {show}
             part plan; homeprov plan --overwrite $I
             part over; homeprov up --overwrite $I; echo over=$?
             part replaced; {show}
             part log; git -C repository log --format='%an: %s'"
        ),
    );
    traces.converged();
    let edits = |part: &str| traces.part(part).contains("Bob") || traces.part(part).contains("locale: fr");
    traces.is(traces.commits()[0] == "Bob: Try another language", "Bob's commit should be the newest");
    traces.is(edits("kept"), "and his edit in the file");
    traces.told(&["configmap-mastodon-helm-chart-value-overrides.yaml", "was edited by hand and is left alone"]);
    traces.is(edits("up") && edits("again"), "what he wrote should be shown as a diff, at each run");
    traces.is(edits("plan"), "what would be overwritten should be shown");
    traces.is(traces.part("plan").contains("homeprov up --overwrite "), "with the command that does it");
    traces.is(traces.part("over").lines().any(|line| line == "over=0"), "it should be overwritten");
    traces.is(!edits("replaced") && !traces.part("replaced").is_empty(), "it should be as homeprov wants it");
    traces
        .is(traces.part("log").lines().nth(1) == Some("Bob: Try another language"), "his commit stays in the history");
    row.ended("converged: the edit kept and shown as a diff; replaced with --overwrite");
}

#[test]
fn an_ingress_without_an_address_is_named() {
    let row = Row::of("MetalLB gives the ingress Service no address", "from the start");
    ends(
        "no-ingress-address",
        6,
        &[
            "MetalLB has given Service ingress/",
            "no address yet",
            "AllocationFailed",
            "what to do: `microk8s kubectl get services -A`",
        ],
    );
    row.ended("exit code 6: names the Service, MetalLB's event and what to do");
}

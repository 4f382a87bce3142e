//! Backups and restores of a site.

mod refused;
mod rehearsal;
mod saving;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use homeprov::backup::{Manifest, Options};
use homeprov::engine::event::Event;
use homeprov::engine::{self, Outcome};
use homeprov::error::ExitCode;
use tempfile::TempDir;
use tokio::time::timeout;

use super::row::Row;
use super::session::{House, LONGEST, recipe, recipe_of};
use super::site::{FILES, failing_release, files, in_pod, kubectl, lead_in, put, sql, used};

fn options(place: &Path) -> Options {
    Options { place: place.to_owned(), cache: true, recipients: vec![], keep: None }
}

async fn save(house: &House, options: &Options) -> Result<PathBuf, Outcome> {
    let (session, _received) = house.session(recipe());
    engine::backup(&session, options).await.map(|(saved, _)| saved.folder)
}

/// A restore or a rehearsal to its end, or killed: a moment after an event that is `enough`.
async fn until(
    house: &House,
    command: &str,
    folder: &Path,
    mut enough: impl FnMut(&Event) -> bool,
    moment: Duration,
) -> (Option<Outcome>, Vec<Event>) {
    let (session, mut received) = house.session(recipe_of(command));
    let mut events = Vec::new();
    let run = async {
        match command {
            "rehearse" => Box::pin(engine::rehearse(&session, folder, None)).await,
            _ => Box::pin(engine::restore(&session, folder, None)).await,
        }
    };
    let outcome = tokio::select! {
        biased;
        () = async {
            let mut last = false;
            while !last {
                match received.recv().await {
                    Some(event) => {
                        last = enough(&event);
                        events.push(event);
                    }
                    None => std::future::pending().await,
                }
            }
            if !moment.is_zero() {
                tokio::time::sleep(moment).await;
            }
        } => None,
        ended = timeout(LONGEST, run) => Some(ended.expect("it ends")),
    };
    while let Ok(event) = received.try_recv() {
        events.push(event);
    }
    (outcome, events)
}

/// Whether so many steps were begun.
fn so_many(most: usize) -> impl FnMut(&Event) -> bool {
    let mut begun = 0;
    move |event| {
        begun += usize::from(matches!(event, Event::StepStarted { .. }));
        begun >= most
    }
}

/// A restore to its end.
async fn restore(house: &House, folder: &Path) -> (Option<Outcome>, Vec<Event>) {
    until(house, "restore", folder, |_| false, Duration::ZERO).await
}

/// A rehearsal to its end, or until so many steps were begun.
async fn rehearse(house: &House, folder: &Path, most: usize) -> (Option<Outcome>, Vec<Event>) {
    until(house, "rehearse", folder, so_many(most), Duration::ZERO).await
}

/// What a visitor would miss: rows, and files with what is in them.
async fn content(house: &House) -> (String, BTreeMap<String, String>) {
    let rows =
        sql(house, "SELECT count(*) FROM users;\nSELECT count(*) FROM statuses;\nSELECT count(*) FROM follows;\n")
            .await;
    (rows, files(house).await.into_iter().collect())
}

/// Things that happen after a backup and are gone after its restore.
async fn spoil(house: &House) {
    sql(house, "DELETE FROM statuses;\nINSERT INTO follows SELECT generate_series(1, 9);\n").await;
    put(house, "media_attachments/files/1/cat.jpg", "another cat").await;
    put(house, "headers/7/new.png", "new").await;
    in_pod(house, "deploy/mastodon-web", &format!("rm -rf {FILES}/site_uploads"), "").await;
}

async fn replicas(house: &House) -> String {
    let format = "jsonpath={range .items[*]}{.metadata.name}={.spec.replicas} {end}";
    kubectl(house, &["get", "deployments", "-n", "mastodon", "-o", format], b"").await.0
}

fn done(outcome: Option<Outcome>, events: &[Event]) {
    let outcome = outcome.expect("it ended");
    assert_eq!(outcome.code, ExitCode::Done, "{outcome:?}\n{}", told(events));
}

/// The steps that were begun, in order.
fn begun(events: &[Event]) -> impl Iterator<Item = &str> {
    events.iter().filter_map(|event| match event {
        Event::StepStarted { step, .. } => Some(step.as_str()),
        _ => None,
    })
}

fn told(events: &[Event]) -> String {
    events.iter().rev().take(12).rev().map(|event| format!("{event:?}")).collect::<Vec<_>>().join("\n")
}

#[tokio::test(start_paused = true)]
async fn a_restore_brings_back_what_was_saved() {
    let house = used(&[]).await;
    let place = TempDir::new().unwrap();
    let folder = save(&house, &options(place.path())).await.unwrap();
    let (before, pods) = (content(&house).await, replicas(&house).await);
    spoil(&house).await;
    assert_ne!(content(&house).await, before);
    let (outcome, events) = restore(&house, &folder).await;
    done(outcome, &events);
    assert_eq!(content(&house).await, before);
    assert_eq!(replicas(&house).await, pods);
    // It is asked before what was there is removed, and that is its last word on it.
    let begun: Vec<&str> = begun(&events).collect();
    assert_eq!(begun[begun.len() - 2..], ["site-answers", "restore-ended"]);
    // Again: it is another restore, since the site may have changed meanwhile.
    spoil(&house).await;
    let (outcome, events) = restore(&house, &folder).await;
    done(outcome, &events);
    assert_eq!(content(&house).await, before);
}

#[tokio::test(start_paused = true)]
async fn without_the_cache_it_is_fetched_again_in_order() {
    let house = used(&[]).await;
    let place = TempDir::new().unwrap();
    let folder = save(&house, &Options { cache: false, ..options(place.path()) }).await.unwrap();
    let manifest = Manifest::read(&folder).unwrap();
    let archives: Vec<&str> = manifest.archives().map(|(_, folder)| folder).collect();
    assert_eq!(archives, ["accounts", "cache/custom_emojis", "media_attachments", "site_uploads"]);
    in_pod(&house, "deploy/mastodon-web", &format!("rm -rf {FILES}/cache"), "").await;
    let (outcome, events) = restore(&house, &folder).await;
    done(outcome, &events);
    let said = events.iter().filter_map(|event| match event {
        Event::StepOutput { line, .. } if line.starts_with("tootctl ") => Some(line.as_str()),
        _ => None,
    });
    // Emoji that are in the backup are not forgotten.
    let wanted = ["cache clear", "media remove --days 0", "accounts refresh --all", "feeds build"];
    assert_eq!(said.collect::<Vec<_>>(), wanted.map(|words| format!("tootctl {words}")));
    let (_, files) = content(&house).await;
    assert!(
        files.contains_key("cache/custom_emojis/3/blobcat.png")
            && !files.contains_key("cache/media_attachments/9/far.jpg")
    );
}

#[tokio::test(start_paused = true)]
async fn a_restore_killed_inside_each_step_is_continued() {
    let house = used(&[]).await;
    let place = TempDir::new().unwrap();
    let folder = save(&house, &options(place.path())).await.unwrap();
    let (before, pods) = (content(&house).await, replicas(&house).await);
    spoil(&house).await;
    let row = Row::of("homeprov is killed", "during a restore, at each of its steps in turn");
    let mut kills = 0;
    let (outcome, events) = loop {
        // Each run is let come one step further than the one before it: killed half a second after it began the second one.
        let (outcome, events) = until(&house, "restore", &folder, so_many(2), Duration::from_millis(500)).await;
        if outcome.is_some() {
            break (outcome, events);
        }
        kills += 1;
        assert!(kills < 60, "it does not come on: {}", told(&events));
        // What it had begun on the machines goes on for a while.
        tokio::time::sleep(Duration::from_secs(2)).await;
    };
    assert!(kills > 10, "it was killed {kills} times only");
    done(outcome, &events);
    assert_eq!(content(&house).await, before);
    assert_eq!(replicas(&house).await, pods);
    row.ended("converged");
}

#[tokio::test(start_paused = true)]
async fn a_site_whose_release_fails_again_and_again_is_restored() {
    let house = used(&[]).await;
    let place = TempDir::new().unwrap();
    let folder = save(&house, &options(place.path())).await.unwrap();
    let before = content(&house).await;
    spoil(&house).await;
    failing_release(&house).await;
    let release = async |field: &str| {
        kubectl(&house, &["get", "helmrelease", "-n", "mastodon", "mastodon", "-o", &format!("jsonpath={field}")], b"")
            .await
            .0
    };
    let row = Row::of("helm fails at the release, and Flux tries again every two minutes", "during a restore");
    assert_eq!(
        release("{.status.conditions[?(@.type==\"Reconciling\")].reason}").await,
        "ProgressingWithRetry",
        "{}",
        release("{.status.conditions}").await
    );
    let (outcome, events) = restore(&house, &folder).await;
    done(outcome, &events);
    assert!(begun(&events).any(|step| step == "restore-release-suspended"), "{}", told(&events));
    assert_eq!(content(&house).await, before);
    assert_eq!(release("{.spec.suspend}").await, "false");
    row.ended("converged");
}

#[tokio::test(start_paused = true)]
async fn a_restored_site_that_does_not_answer_keeps_what_was_there_before() {
    let house = used(&[]).await;
    let place = TempDir::new().unwrap();
    let folder = save(&house, &options(place.path())).await.unwrap();
    spoil(&house).await;
    let row = Row::of("the site's Ingress is gone", "before a restore");
    lead_in(&house, false).await;
    let (outcome, events) = restore(&house, &folder).await;
    let outcome = outcome.expect("it ended");
    assert_eq!(outcome.code, ExitCode::VerificationFailed, "{outcome:?}\n{}", told(&events));
    assert!(outcome.summary.contains("answers 404"), "{outcome:?}");
    let databases = sql(&house, "SELECT datname FROM pg_database;\n").await;
    assert!(databases.contains("mastodon_production_before"), "{databases}");
    row.refused(&outcome);
    // The same command ends it once the cause is gone.
    lead_in(&house, true).await;
    let (outcome, events) = restore(&house, &folder).await;
    done(outcome, &events);
    assert_eq!(begun(&events).collect::<Vec<_>>(), ["site-answers", "restore-ended"]);
    let databases = sql(&house, "SELECT datname FROM pg_database;\n").await;
    assert!(!databases.contains("mastodon_production_before"), "{databases}");
}

//! Rehearsals of a restore.

use std::fs;
use std::path::Path;
use std::time::Duration;

use homeprov::backup::Manifest;
use homeprov::engine::event::Event;
use homeprov::error::ExitCode;
use tempfile::TempDir;

use super::super::row::Row;
use super::super::session::House;
use super::super::site::{kubectl, used, used_with_shares};
use super::{begun, content, done, options, rehearse, save, spoil, told, until};

#[tokio::test(start_paused = true)]
async fn a_large_backup_is_read_before_the_first_step_and_not_within_it() {
    let house = used(&[]).await;
    let place = TempDir::new().unwrap();
    let folder = save(&house, &options(place.path())).await.unwrap();
    let away = place.path().join("away");
    fs::create_dir(&away).unwrap();
    let archives: Vec<String> =
        Manifest::read(&folder).unwrap().archives().map(|(part, _)| part.name.clone()).collect();
    let move_all = |from: &Path, to: &Path| {
        for name in &archives {
            fs::rename(from.join(name), to.join(name)).unwrap();
        }
    };
    // The archives cannot be read while the step looks whether the backup fits: it has no time for them.
    let (mut hidden, mut fits) = (false, false);
    let (outcome, events) = until(
        &house,
        "rehearse",
        &folder,
        |event| {
            match event {
                Event::Planned { .. } if !hidden => {
                    move_all(&folder, &away);
                    hidden = true;
                }
                Event::StepApplied { step, .. } if step == "rehearsal-begun" => {
                    move_all(&away, &folder);
                    fits = true;
                }
                _ => {}
            }
            false
        },
        Duration::ZERO,
    )
    .await;
    assert!(fits, "{}", told(&events));
    done(outcome, &events);
}

/// What there is of the site and of volumes, whatever became of it.
async fn objects(house: &House) -> String {
    let format = "jsonpath={range .items[*]}{.kind} {.metadata.name} {.metadata.uid}{\"\\n\"}{end}";
    let mut all = String::new();
    for words in [
        &["get", "pods,secrets,persistentvolumeclaims,statefulsets,deployments", "-n", "mastodon", "-o", format][..],
        &["get", "persistentvolumes,namespaces", "-o", format],
    ] {
        all += &kubectl(house, words, b"").await.0;
    }
    all
}

/// What keeps the bytes of shares, by name.
async fn behind_shares(house: &House) -> String {
    let format = "jsonpath={range .items[*]}{.kind} {.metadata.name}{\"\\n\"}{end}";
    let what = "persistentvolumeclaims,deployments,services,jivavolumes";
    kubectl(house, &["get", what, "-n", "openebs", "-o", format], b"").await.0
}

#[tokio::test(start_paused = true)]
async fn a_rehearsal_on_shares_leaves_none_of_the_copies() {
    let house = used_with_shares().await;
    let place = TempDir::new().unwrap();
    let folder = save(&house, &options(place.path())).await.unwrap();
    let (there, behind) = (objects(&house).await, behind_shares(&house).await);
    assert!(behind.contains("PersistentVolumeClaim nfs-pvc-") && behind.contains("JivaVolume pvc-"), "{behind}");
    let row = Row::of("somebody removes the rehearsal's namespace", "while the files are being unpacked there");
    let (outcome, _) = rehearse(&house, &folder, 5).await;
    assert!(outcome.is_none());
    assert_ne!(behind_shares(&house).await, behind, "there should be something in the making");
    let (said, status) = kubectl(&house, &["delete", "namespace", "mastodon-rehearsal"], b"").await;
    assert_eq!(status, 0, "{said}");
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!((objects(&house).await, behind_shares(&house).await), (there.clone(), behind.clone()));
    row.ended("its volumes went with it");
    // To its end, too: nothing stays that its class would keep.
    let (outcome, events) = rehearse(&house, &folder, usize::MAX).await;
    done(outcome, &events);
    assert_eq!((objects(&house).await, behind_shares(&house).await), (there, behind));
}

#[tokio::test(start_paused = true)]
async fn a_rehearsal_tries_everything_and_leaves_the_site_alone() {
    let house = used(&[]).await;
    let place = TempDir::new().unwrap();
    let folder = save(&house, &options(place.path())).await.unwrap();
    spoil(&house).await;
    let (site, there) = (content(&house).await, objects(&house).await);
    // It is cut off in its middle, too.
    let (outcome, _) = rehearse(&house, &folder, 5).await;
    assert!(outcome.is_none());
    assert!(objects(&house).await.contains("mastodon-rehearsal"), "there should be something in the making");
    let (outcome, events) = rehearse(&house, &folder, usize::MAX).await;
    done(outcome, &events);
    let said =
        |part: &str| events.iter().any(|event| matches!(event, Event::StepOutput { line, .. } if line.contains(part)));
    assert!(said("a web pod is ready on the restored data") && said("can be put back: "), "{}", told(&events));
    let begun: Vec<&str> = begun(&events).collect();
    assert!(!begun.contains(&"rehearsal-begun"), "the first one is continued: {begun:?}");
    assert_eq!(content(&house).await, site);
    assert_eq!(objects(&house).await, there);
}

#[tokio::test(start_paused = true)]
async fn a_rehearsal_finds_out_a_backup_that_lacks_rows() {
    let house = used(&[]).await;
    let place = TempDir::new().unwrap();
    let folder = save(&house, &options(place.path())).await.unwrap();
    let path = folder.join("manifest.json");
    let text = fs::read_to_string(&path).unwrap();
    let other = text.replace("\"statuses\": 12", "\"statuses\": 13");
    assert_ne!(text, other);
    fs::write(&path, other).unwrap();
    let site = content(&house).await;
    let row = Row::of("a backup has fewer rows than it says", "before a rehearsal");
    let (outcome, events) = rehearse(&house, &folder, usize::MAX).await;
    let outcome = outcome.expect("it ended");
    assert_ne!(outcome.code, ExitCode::Done);
    assert!(
        format!("{outcome:?}{}", told(&events)).contains("statuses has 12 rows, and had 13 in the backup"),
        "{outcome:?}"
    );
    row.refused(&outcome);
    assert_eq!(content(&house).await, site);
}

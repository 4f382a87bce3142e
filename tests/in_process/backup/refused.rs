//! Restores that are refused before anything is touched.

use std::fs;

use homeprov::backup::{Kind, Manifest};
use homeprov::error::ExitCode;
use tempfile::TempDir;

use super::super::row::Row;
use super::super::site::used;
use super::{begun, content, options, replicas, restore, save};

#[tokio::test(start_paused = true)]
async fn a_damaged_backup_is_refused_before_anything_is_touched() {
    let house = used(&[]).await;
    let place = TempDir::new().unwrap();
    let folder = save(&house, &options(place.path())).await.unwrap();
    let (before, pods) = (content(&house).await, replicas(&house).await);
    let path = folder.join("database.dump");
    let mut bytes = fs::read(&path).unwrap();
    bytes.truncate(bytes.len() / 2);
    fs::write(&path, bytes).unwrap();
    let (outcome, _) = restore(&house, &folder).await;
    let outcome = outcome.expect("it ended");
    assert_eq!(outcome.code, ExitCode::Refused);
    assert!(outcome.summary.contains("database.dump: has"), "{outcome:?}");
    assert_eq!((content(&house).await, replicas(&house).await), (before, pods));
}

#[tokio::test(start_paused = true)]
async fn a_dump_of_a_newer_postgresql_is_refused_before_anything_stops() {
    let house = used(&[]).await;
    let place = TempDir::new().unwrap();
    let folder = save(&house, &options(place.path())).await.unwrap();
    let path = folder.join("manifest.json");
    let text = fs::read_to_string(&path).unwrap();
    let other = text.replace("160002", "170001");
    assert_ne!(text, other);
    fs::write(&path, other).unwrap();
    let pods = replicas(&house).await;
    let (outcome, _) = restore(&house, &folder).await;
    let outcome = outcome.expect("it ended");
    assert_eq!(outcome.code, ExitCode::Refused, "{outcome:?}");
    assert!(format!("{outcome:?}").contains("PostgreSQL 17"), "{outcome:?}");
    assert_eq!(replicas(&house).await, pods);
}

#[tokio::test(start_paused = true)]
async fn files_that_are_in_a_bucket_are_not_put_in_the_place_of_those_on_a_volume() {
    let house = used(&[]).await;
    let place = TempDir::new().unwrap();
    let folder = save(&house, &options(place.path())).await.unwrap();
    // As of the time when the site had its files in a bucket.
    let mut manifest = Manifest::read(&folder).unwrap();
    manifest.files.retain(|part| !matches!(part.kind, Kind::Files { .. }));
    manifest.media_elsewhere = Some("bucket mastodon-media at https://storage.example".to_owned());
    fs::write(folder.join("manifest.json"), serde_json::to_string(&manifest).unwrap()).unwrap();
    let (before, pods) = (content(&house).await, replicas(&house).await);
    let row =
        Row::of("a backup is of a site with its files in a bucket, and the site here has a volume", "before a restore");
    let (outcome, events) = restore(&house, &folder).await;
    let outcome = outcome.expect("it ended");
    assert_eq!(outcome.code, ExitCode::Refused, "{outcome:?}");
    for words in ["bucket mastodon-media at https://storage.example", "the inventory has no [mastodon.s3]"] {
        assert!(outcome.summary.contains(words), "{words}: {outcome:?}");
    }
    assert_eq!(begun(&events).collect::<Vec<_>>(), ["restore-begun"]);
    assert_eq!((content(&house).await, replicas(&house).await), (before, pods));
    row.refused(&outcome);
}

#[tokio::test(start_paused = true)]
async fn a_backup_there_is_no_room_for_is_refused_before_anything_stops() {
    let house = used(&[]).await;
    let place = TempDir::new().unwrap();
    let folder = save(&house, &options(place.path())).await.unwrap();
    let size = Manifest::read(&folder).unwrap().database.bytes.expect("PostgreSQL tells it");
    let path = folder.join("manifest.json");
    let text = fs::read_to_string(&path).unwrap();
    let other = text.replace(&format!("\"bytes\": {size}"), "\"bytes\": 987654321098");
    assert_ne!(text, other);
    fs::write(&path, other).unwrap();
    let (before, pods) = (content(&house).await, replicas(&house).await);
    let row = Row::of("a backup is larger than what is free on the database's volume", "before a restore");
    let (outcome, events) = restore(&house, &folder).await;
    let outcome = outcome.expect("it ended");
    assert_eq!(outcome.code, ExitCode::Refused, "{outcome:?}");
    for words in [
        "there is no room for both",
        "mastodon-postgresql-0",
        "919.8 GiB for the database",
        "37.8 GiB of 48.8 GiB are free",
    ] {
        assert!(outcome.summary.contains(words), "{words}: {outcome:?}");
    }
    assert_eq!(begun(&events).collect::<Vec<_>>(), ["restore-begun"]);
    assert_eq!((content(&house).await, replicas(&house).await), (before, pods));
    row.refused(&outcome);
}

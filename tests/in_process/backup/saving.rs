//! Backups that are made, or not.

use std::fs;

use homeprov::backup::{self, Manifest, Options};
use homeprov::error::ExitCode;
use homeprov::mastodon::seal;
use homeprov_lab::world::FaultKind;
use tempfile::TempDir;

use super::super::row::Row;
use super::super::site::{folders, kubectl, used};
use super::{options, save};

#[tokio::test(start_paused = true)]
async fn a_backup_is_whole_and_a_flipped_byte_is_named() {
    let house = used(&[]).await;
    let place = TempDir::new().unwrap();
    let folder = save(&house, &options(place.path())).await.unwrap();
    let manifest = Manifest::read(&folder).unwrap();
    let rows = &manifest.database.rows;
    assert_eq!((rows["users"], rows["statuses"], rows["follows"]), (1, 12, 3));
    assert_eq!(manifest.database.server, 160_002);
    let archives: Vec<&str> = manifest.archives().map(|(_, folder)| folder).collect();
    assert_eq!(archives, ["accounts", "cache", "media_attachments", "site_uploads"]);
    let looked = backup::look(&folder).unwrap();
    assert!(looked.whole(), "{:?}", looked.wrong());
    // No password in the clear, in no file.
    let (password, _) = kubectl(
        &house,
        &["get", "secret", "-n", "mastodon", "mastodon-postgresql", "-o", "jsonpath={.data.password}"],
        b"",
    )
    .await;
    for part in folders(&folder) {
        let bytes = fs::read(folder.join(&part)).unwrap();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        assert!(!text.contains(password.trim()), "{part}");
    }
    for part in &manifest.files {
        let row = Row::of("a byte of a backup is another one", &part.name);
        let path = folder.join(&part.name);
        let before = fs::read(&path).unwrap();
        let mut flipped = before.clone();
        let middle = flipped.len() / 2;
        flipped[middle] ^= 1;
        fs::write(&path, &flipped).unwrap();
        let wrong = backup::look(&folder).unwrap().wrong();
        assert_eq!(wrong.len(), 1, "{wrong:?}");
        assert!(wrong[0].starts_with(&part.name), "{wrong:?}");
        fs::write(&path, &before).unwrap();
        row.ended("named by backup --verify");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_cut_off_is_an_error_and_the_earlier_backup_stays() {
    let house = used(&[]).await;
    let place = TempDir::new().unwrap();
    let first = save(&house, &options(place.path())).await.unwrap();
    house.lab.with(|world| world.inject(FaultKind::TruncatedStream.into()));
    let row = Row::of("a stream from a pod is cut off without a word", "during the dump");
    let keep = Options { keep: Some(1), ..options(place.path()) };
    let outcome = save(&house, &keep).await.unwrap_err();
    assert_eq!(outcome.code, ExitCode::StepFailed);
    assert!(outcome.summary.contains("the dump of the database was cut off on its way"), "{outcome:?}");
    assert_eq!(folders(place.path()), [first.file_name().unwrap().to_str().unwrap()]);
    assert!(backup::look(&first).unwrap().whole());
    row.refused(&outcome);
    // The fault strikes once.
    let second = save(&house, &keep).await.unwrap();
    assert_eq!(folders(place.path()), [second.file_name().unwrap().to_str().unwrap()]);
}

#[tokio::test(start_paused = true)]
async fn a_backup_is_not_encrypted_for_a_key_nobody_has() {
    let house = used(&[]).await;
    let place = TempDir::new().unwrap();
    let key = seal::key_file(house.state(), &house.inventory.cluster.name);
    fs::remove_file(&key).unwrap();
    let row = Row::of("age.key is not on this machine", "before a backup");
    let outcome = save(&house, &options(place.path())).await.unwrap_err();
    assert_eq!(outcome.code, ExitCode::Refused, "{outcome:?}");
    for words in [key.to_str().unwrap(), "Bring age.key there", "--age-recipient"] {
        assert!(outcome.summary.contains(words), "{words}: {outcome:?}");
    }
    assert!(!key.exists(), "none is made");
    assert_eq!(folders(place.path()), Vec::<String>::new());
    row.refused(&outcome);
    let drawer = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";
    let named = Options { recipients: vec![drawer.parse().unwrap()], ..options(place.path()) };
    let manifest = Manifest::read(&save(&house, &named).await.unwrap()).unwrap();
    assert_eq!(manifest.sealed_for, [drawer]);
    assert!(manifest.notes.iter().any(|note| note.contains("age.key")), "{:?}", manifest.notes);
    assert!(!key.exists());
}

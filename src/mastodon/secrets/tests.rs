//! What is made, what is kept, and what is refused.

use std::fs;
use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::inventory;

fn mastodon(more: &str) -> Mastodon {
    let text = format!(
        "[cluster]\nname = \"home\"\n[[nodes]]\nname = \"a\"\naddress = \"192.168.1.1\"\n[metallb]\npool = \"192.168.1.240/29\"\n\
         [flux]\nrepository = \"ssh://git@github.com/alice/home\"\n\
         [mastodon]\nlocal_domain = \"example.org\"\nadmin = {{ username = \"alice\", email = \"alice@example.org\" }}\n{more}"
    );
    let loaded = inventory::parse(Path::new("/srv/home.toml"), text);
    loaded.unwrap_or_else(|invalid| panic!("{}", invalid.render(false, 100))).inventory.mastodon.expect("a site")
}

fn value<'a>(set: &'a SecretSet, secret: &str, key: &str) -> &'a str {
    set.get(secret, key).map_or_else(|| panic!("{secret} has no {key}"), ExposeSecret::expose_secret)
}

#[test]
fn fresh_secrets_have_the_forms_of_mastodons_own_tools() {
    let site = mastodon("");
    let set = generate(&site, &SecretSet::default(), &SecretSet::default()).unwrap();
    let hexadecimal = |text: &str| text.len() == 128 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let word = |text: &str| text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    for key in KEYS {
        let value = value(&set, MASTODON, key);
        assert!(
            match key {
                "VAPID_PRIVATE_KEY" => value.len() == 44 && value.ends_with('='),
                "VAPID_PUBLIC_KEY" => value.len() == 88 && value.ends_with('='),
                "SECRET_KEY_BASE" | "OTP_SECRET" => hexadecimal(value),
                _ => word(value),
            },
            "{key}"
        );
    }
    assert!(word(value(&set, POSTGRESQL, PASSWORD)) && word(value(&set, POSTGRESQL, ADMIN_PASSWORD)));
    assert!(word(value(&set, REDIS, REDIS_PASSWORD)));
    let again = generate(&site, &SecretSet::default(), &SecretSet::default()).unwrap();
    assert!(set.iter().zip(again.iter()).all(|(one, other)| one.2.expose_secret() != other.2.expose_secret()));
    assert_ne!(fingerprint(&site, &set), fingerprint(&site, &again));
}

#[test]
fn what_is_there_is_kept() {
    let site = mastodon("");
    let set = generate(&site, &SecretSet::default(), &SecretSet::default()).unwrap();
    assert_eq!(generate(&site, &set, &SecretSet::default()), Ok(set.clone()));
    // A Secret as a whole may be missing: the database of an older set-up was outside.
    let mut part = SecretSet::default();
    set.of(MASTODON).for_each(|(key, value)| part.insert(MASTODON, key, value.clone()));
    let whole = generate(&site, &part, &SecretSet::default()).unwrap();
    assert!(KEYS.iter().all(|key| value(&whole, MASTODON, key) == value(&set, MASTODON, key)));
    assert!(whole.has(POSTGRESQL));
}

#[test]
fn a_lost_key_is_an_error_and_is_not_made_anew() {
    let site = mastodon("");
    let set = generate(&site, &SecretSet::default(), &SecretSet::default()).unwrap();
    for (secret, keys) in generated(&site).into_iter().filter(|(_, keys)| keys.len() > 1) {
        for key in keys {
            let mut empty = set.clone();
            empty.insert(secret, key, "".into());
            let mut gone = SecretSet::default();
            let others = set.iter().filter(|(of, at, _)| (*of, *at) != (secret, key));
            others.for_each(|(of, at, value)| gone.insert(of, at, value.clone()));
            let lost = SecretsError::Lost { secret: secret.into(), keys: vec![key.into()] };
            assert_eq!(generate(&site, &gone, &SecretSet::default()), Err(lost.clone()));
            assert_eq!(generate(&site, &empty, &SecretSet::default()), Err(lost));
        }
    }
}

#[test]
fn vapid_keys_that_are_no_pair_are_refused() {
    let site = mastodon("");
    let make = || generate(&site, &SecretSet::default(), &SecretSet::default()).unwrap();
    let (set, other) = (make(), make());
    for (key, value, reason) in [
        (vapid::PUBLIC, value(&other, MASTODON, vapid::PUBLIC), "the public key belongs to another private key"),
        (vapid::PUBLIC, "***", "the public key is not Base64"),
        (vapid::PRIVATE, "***", "the private key is not Base64"),
        (vapid::PRIVATE, "AAAA", "the private key is none of P-256"),
    ] {
        let mut broken = set.clone();
        broken.insert(MASTODON, key, value.into());
        assert_eq!(generate(&site, &broken, &SecretSet::default()), Err(SecretsError::NoPair { reason }));
    }
    let mut unpadded = set.clone();
    for key in [vapid::PRIVATE, vapid::PUBLIC] {
        unpadded.insert(MASTODON, key, value(&set, MASTODON, key).trim_end_matches('=').into());
    }
    assert_eq!(generate(&site, &unpadded, &SecretSet::default()), Ok(unpadded.clone()));
}

#[test]
fn the_users_passwords_come_from_files_and_may_change() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let (smtp, id, secret) = (file("smtp", "hunter2\n"), file("id", "AKIA\r\n"), file("secret", "s3cr3t"));
    let database = file("database", "pg");
    let site = mastodon(&format!(
        "[mastodon.smtp]\nserver = \"mail.example.org\"\nlogin = \"alice\"\npassword_file = \"{smtp}\"\n\
         [mastodon.s3]\nbucket = \"media\"\nendpoint = \"https://s3.example.org\"\naccess_key_file = \"{id}\"\nsecret_key_file = \"{secret}\"\n\
         [mastodon.postgresql]\nhost = \"db.lan\"\npassword_file = \"{database}\"\n[mastodon.redis]\nhost = \"redis.lan\"\n"
    ));
    let first = generate(&site, &SecretSet::default(), &from_files(&site).unwrap()).unwrap();
    assert_eq!(value(&first, SMTP, "login"), "alice");
    assert_eq!(value(&first, SMTP, "password"), "hunter2");
    assert_eq!(value(&first, S3, "AWS_ACCESS_KEY_ID"), "AKIA");
    assert_eq!(value(&first, S3, "AWS_SECRET_ACCESS_KEY"), "s3cr3t");
    assert_eq!(value(&first, POSTGRESQL, PASSWORD), "pg");
    assert_eq!(value(&first, REDIS, REDIS_PASSWORD), "");
    fs::write(&smtp, "correct horse\n").unwrap();
    let second = generate(&site, &first, &from_files(&site).unwrap()).unwrap();
    assert_eq!(value(&second, SMTP, "password"), "correct horse");
    assert_eq!(value(&second, MASTODON, "OTP_SECRET"), value(&first, MASTODON, "OTP_SECRET"));
    assert_eq!(fingerprint(&site, &second), fingerprint(&site, &first), "it knows nothing of the user's passwords");
    for (text, reason) in [("", "empty"), ("\n\n", "empty"), ("two\nlines\n", "several")] {
        fs::write(&smtp, text).unwrap();
        let error = from_files(&site).unwrap_err().to_string();
        assert!(error.contains(&smtp) && error.contains(reason), "{error}");
        assert!(!error.contains("lines\n"), "{error}");
    }
    fs::remove_file(&smtp).unwrap();
    assert!(from_files(&site).unwrap_err().to_string().contains("No such file"));
}

proptest! {
    #[test]
    fn no_value_is_ever_shown(value in "[a-zA-Z0-9]{12,40}") {
        let mut set = SecretSet::default();
        set.insert(MASTODON, "OTP_SECRET", value.clone().into());
        let lost = generate(&mastodon(""), &set, &SecretSet::default()).unwrap_err();
        let shown = format!("{set:?} {set:#?} {lost:?} {lost}");
        prop_assert!(shown.contains("OTP_SECRET") && !shown.contains(&value), "{shown}");
    }
}

//! What is sealed can be unsealed with the key, and with nothing else.

use std::os::unix::fs::PermissionsExt;

use super::*;

fn set() -> SecretSet {
    let mut set = SecretSet::default();
    set.insert("mastodon-secrets", "OTP_SECRET", "correct horse battery staple".into());
    set.insert("mastodon-smtp", "password", "quotes \" and \n newlines, é".into());
    set
}

#[test]
fn the_key_opens_what_was_sealed_for_it() {
    let state = tempfile::tempdir().unwrap();
    assert!(identity(state.path(), "home").unwrap().is_none());
    let recipient = recipient(state.path(), "home").unwrap();
    let sealed = seal(&set(), "0123abcd", &recipient).unwrap();
    assert_eq!(sealed_fingerprint(&sealed).as_deref(), Some("0123abcd"));
    assert!(sealed.contains("-----BEGIN AGE ENCRYPTED FILE-----") && !sealed.contains("correct horse"), "{sealed}");
    let identity = identity(state.path(), "home").unwrap().expect("a key");
    assert_eq!(unseal(&sealed, &identity), Ok(set()));
    assert_eq!(unseal(&sealed.replace('\n', "\r\n"), &identity), Ok(set()), "git may change the ends of lines");
    assert_ne!(seal(&set(), "0123abcd", &recipient).unwrap(), sealed, "each sealing is another text");
}

#[test]
fn the_key_is_made_once_and_for_its_owner() {
    let state = tempfile::tempdir().unwrap();
    let first = recipient(state.path(), "home").unwrap().to_string();
    assert_eq!(recipient(state.path(), "home").unwrap().to_string(), first);
    assert_ne!(recipient(state.path(), "other").unwrap().to_string(), first);
    let mode = std::fs::metadata(key_file(state.path(), "home")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let folder = key_file(state.path(), "home").parent().unwrap().to_owned();
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), 1, "nothing else is left there");
}

#[test]
fn another_key_or_a_damaged_file_is_an_error() {
    let (state, strange) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let sealed = seal(&set(), "0123", &recipient(state.path(), "home").unwrap()).unwrap();
    recipient(strange.path(), "home").unwrap();
    let other = identity(strange.path(), "home").unwrap().unwrap();
    assert!(matches!(unseal(&sealed, &other), Err(SealError::Decrypt { .. })));
    let own = identity(state.path(), "home").unwrap().unwrap();
    for damaged in ["", "# fingerprint: 0123\n", &sealed[..sealed.len() / 2]] {
        assert!(matches!(unseal(damaged, &own), Err(SealError::Decrypt { .. })), "{damaged}");
    }
    let strange = age::encrypt_and_armor(&own.to_public(), b"something else").unwrap();
    assert_eq!(unseal(&strange, &own), Err(SealError::Content));
    std::fs::write(key_file(state.path(), "home"), "no key\n").unwrap();
    let error = identity(state.path(), "home").err().expect("it is none").to_string();
    assert!(error.contains("age.key") && !error.contains("no key"), "{error}");
}

#[test]
fn a_key_that_cannot_be_kept_is_not_used() {
    let state = tempfile::tempdir().unwrap();
    std::fs::write(state.path().join("clusters"), "in the way").unwrap();
    let error = recipient(state.path(), "home").expect_err("it cannot be written").to_string();
    assert!(error.starts_with(key_file(state.path(), "home").to_str().unwrap()), "{error}");
}

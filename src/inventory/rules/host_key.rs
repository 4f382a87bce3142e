//! A pinned host key: a public key as in `ssh_host_ed25519_key.pub`, or its SHA256 fingerprint.

use crate::diagnostic::Problem;
use crate::document::At;
use crate::document::Report;
use crate::inventory::file::File;

/// The kinds of host keys, how each begins and how long it is in base64: the blob repeats the kind's name (RFC 4253
/// section 6.6, RFC 5656 section 3.1, RFC 8709 section 4). RSA keys come in many
/// lengths.
const KINDS: [(&str, &str, Option<usize>); 5] = [
    ("ssh-ed25519", "AAAAC3NzaC1lZDI1NTE5AAAAI", Some(68)),
    ("ecdsa-sha2-nistp256", "AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABB", Some(140)),
    ("ecdsa-sha2-nistp384", "AAAAE2VjZHNhLXNoYTItbmlzdHAzODQAAAAIbmlzdHAzODQAAABh", Some(184)),
    ("ecdsa-sha2-nistp521", "AAAAE2VjZHNhLXNoYTItbmlzdHA1MjEAAAAIbmlzdHA1MjEAAACF", Some(232)),
    ("ssh-rsa", "AAAAB3NzaC1yc2EAAAA", None),
];

/// A SHA-256 sum in base64 without padding.
const FINGERPRINT: usize = 43;

/// Every host key is a key or a fingerprint.
pub(super) fn well_formed(file: &File, report: &mut Report) {
    for key in file.nodes().iter().filter_map(|node| node.host_key.given()) {
        report.check(parse(key));
    }
}

/// The key without its comment, or the fingerprint.
pub(in crate::inventory) fn parse(text: &At<String>) -> Result<String, Problem> {
    let problem = |label: &str| {
        Problem::error("this is not an SSH host key")
            .at(text.span.clone(), label)
            .help("on the machine: cat /etc/ssh/ssh_host_ed25519_key.pub for the key, or ssh-keygen -lf on that file for the fingerprint SHA256:...")
    };
    let words: Vec<&str> = text.value.split_whitespace().collect();
    match words.as_slice() {
        [] => Err(problem("empty")),
        [word] if word.starts_with("SHA256:") => {
            let sum = &word["SHA256:".len()..];
            if sum.len() == FINGERPRINT && is_base64(sum) {
                Ok((*word).to_owned())
            } else {
                Err(problem("a SHA256 fingerprint has 43 characters after the colon"))
            }
        }
        [word] if word.starts_with("MD5:") || word.split(':').count() == 16 => {
            Err(problem("an MD5 fingerprint, which can be forged"))
        }
        [kind, key, ..] => match KINDS.iter().find(|(known, _, _)| known == kind) {
            None if KINDS.iter().any(|(known, _, _)| known == key) => {
                Err(problem("begins with a host name: a line of known_hosts"))
            }
            None => Err(problem("not a kind of host key")),
            Some((_, start, length)) => {
                let body = key.trim_end_matches('=');
                let whole = key.len().is_multiple_of(4) && key.len() - body.len() <= 2;
                if !key.starts_with(start) {
                    Err(problem("the key does not belong to its kind"))
                } else if !whole || !is_base64(body) || length.is_some_and(|length| length != key.len()) {
                    Err(problem("the key is cut off or damaged"))
                } else {
                    Ok(format!("{kind} {key}"))
                }
            }
        },
        [_] => Err(problem("a kind and a key, or a fingerprint")),
    }
}

fn is_base64(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/';
    text.bytes().all(allowed)
}

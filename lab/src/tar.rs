//! Archives as GNU tar writes and reads them in the format `ustar` (IEEE Std 1003.1, "pax").

/// A file, or a folder when it has no bytes, with its path in the archive.
pub(crate) type Member = (String, Option<Vec<u8>>);

const BLOCK: usize = 512;

fn octal(number: u64, width: usize) -> Vec<u8> {
    format!("{number:0w$o}\0", w = width - 1).into_bytes()
}

/// An archive of these members, padded to GNU tar's record of 20 blocks.
pub(crate) fn write(members: &[Member]) -> Vec<u8> {
    let mut archive = Vec::new();
    for (path, file) in members {
        let name = if file.is_none() { format!("{path}/") } else { path.clone() };
        let (prefix, name) = match name.len() {
            0..=100 => ("", name.as_str()),
            length => {
                let at = name[..name.len() - 1].rfind('/').filter(|at| length - at <= 101).unwrap_or(0);
                (&name[..at], name[at..].trim_start_matches('/'))
            }
        };
        let bytes = file.as_deref().unwrap_or_default();
        let mut head = vec![0; BLOCK];
        let mut put = |at: usize, bytes: &[u8]| head[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, name.as_bytes());
        put(100, &octal(if file.is_none() { 0o755 } else { 0o644 }, 8));
        put(108, &octal(991, 8));
        put(116, &octal(991, 8));
        put(124, &octal(bytes.len() as u64, 12));
        put(136, &octal(1_760_000_000, 12));
        put(148, b"        ");
        put(156, if file.is_none() { b"5" } else { b"0" });
        put(257, b"ustar\x0000");
        put(345, prefix.as_bytes());
        let sum: u64 = head.iter().map(|byte| u64::from(*byte)).sum();
        head[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        archive.extend(head);
        archive.extend(bytes);
        archive.resize(archive.len().next_multiple_of(BLOCK), 0);
    }
    archive.resize((archive.len() + 2 * BLOCK).next_multiple_of(20 * BLOCK), 0);
    archive
}

/// The members of an archive.
///
/// # Errors
/// What GNU tar says of one that is damaged or cut off.
pub(crate) fn read(archive: &[u8]) -> Result<Vec<Member>, String> {
    let cut = || "tar: Unexpected EOF in archive\ntar: Error is not recoverable: exiting now\n".to_owned();
    let (mut members, mut at) = (Vec::new(), 0);
    loop {
        let head = archive.get(at..at + BLOCK).ok_or_else(cut)?;
        if head.iter().all(|byte| *byte == 0) {
            return Ok(members);
        }
        let text = |from: usize, to: usize| {
            let field = &head[from..to];
            let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
            String::from_utf8_lossy(&field[..end]).trim().to_owned()
        };
        let number = |from: usize, to: usize| usize::from_str_radix(&text(from, to), 8).ok();
        let sum: usize = head
            .iter()
            .enumerate()
            .map(|(at, byte)| if (148..156).contains(&at) { 32 } else { usize::from(*byte) })
            .sum();
        let (Some(length), Some(wanted)) = (number(124, 136), number(148, 156)) else {
            return Err(
                "tar: This does not look like a tar archive\ntar: Exiting with failure status due to previous errors\n"
                    .to_owned(),
            );
        };
        if sum != wanted {
            return Err(
                "tar: Skipping to next header\ntar: Exiting with failure status due to previous errors\n".to_owned()
            );
        }
        at += BLOCK;
        let bytes = archive.get(at..at + length).ok_or_else(cut)?.to_vec();
        at = (at + length).next_multiple_of(BLOCK);
        let (prefix, name) = (text(345, 500), text(0, 100));
        let path = if prefix.is_empty() { name } else { format!("{prefix}/{name}") };
        let folder = head[156] == b'5' || path.ends_with('/');
        members.push((path.trim_end_matches('/').to_owned(), (!folder).then_some(bytes)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn archives_come_back_and_damage_is_seen() {
        let long = format!("{}/{}", "a".repeat(90), "b".repeat(60));
        let members = vec![("a".to_owned(), None), ("a/b".to_owned(), Some(vec![7; 700])), (long, Some(Vec::new()))];
        let archive = write(&members);
        assert_eq!(archive.len() % 10_240, 0);
        assert_eq!(read(&archive), Ok(members));
        assert!(read(&archive[..1_100]).unwrap_err().contains("Unexpected EOF"));
        let mut damaged = archive;
        damaged[3] ^= 1;
        assert!(read(&damaged).is_err());
    }
}

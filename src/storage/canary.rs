//! The bytes that are written: blocks of random text, each with a marker and its number, so that every one of them
//! can be found again in a disk image without a file system's help.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use crate::facts::identity::hex;

/// Bytes of one block.
pub const BLOCK: u64 = 64 * 1024;
/// The word every block begins with, before the marker.
pub const WORD: &str = "homeprov-proof";

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// What is written through one volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Canary {
    /// Unique to this volume.
    pub mark: String,
    /// The random text of every block.
    pub chunk: String,
    /// How many blocks.
    pub blocks: u32,
}

impl Canary {
    /// At least `size` bytes, in whole blocks. The mark is also the seed of the text.
    pub fn new(mark: String, size: u64) -> Self {
        let blocks = u32::try_from(size.div_ceil(BLOCK).max(1)).unwrap_or(u32::MAX);
        // A block is the line with the number, the text and a NUL. The NUL ends a record for `grep -z`, which so holds
        // one block in memory and not a whole image.
        let room = usize::try_from(BLOCK).unwrap_or(usize::MAX) - head(&mark, 0).len() - 1;
        let mut chunk = String::with_capacity(room + 32);
        let mut counter = 0_u64;
        while chunk.len() < room {
            let bytes = Sha256::new().chain_update(&mark).chain_update(counter.to_be_bytes()).finalize();
            chunk.extend(bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte & 63)])));
            counter += 1;
        }
        chunk.truncate(room);
        Self { mark, chunk, blocks }
    }

    /// How many bytes are written.
    pub fn size(&self) -> u64 {
        u64::from(self.blocks) * BLOCK
    }

    /// What every block begins with: looked for on the disks.
    pub fn needle(&self) -> String {
        format!("{WORD} {}", self.mark)
    }

    /// SHA-256 of all of it, hex.
    pub fn hash(&self) -> String {
        let mut digest = Sha256::new();
        for number in 0..self.blocks {
            digest.update(head(&self.mark, number));
            digest.update(&self.chunk);
            digest.update([0]);
        }
        hex(&digest.finalize())
    }
}

fn head(mark: &str, number: u32) -> String {
    let mut line = String::with_capacity(64);
    let _ = writeln!(line, "{WORD} {mark} {number:08}");
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_whole_and_differ_by_mark() {
        let canary = Canary::new("01ARZ3NDEKTSV4RRFFQ69G5FAV".into(), BLOCK + 1);
        assert_eq!(canary.blocks, 2);
        assert_eq!(canary.size(), 2 * BLOCK);
        assert_eq!(head(&canary.mark, 0).len() + canary.chunk.len() + 1, usize::try_from(BLOCK).unwrap());
        assert_ne!(canary.chunk[..64], Canary::new("01BX5ZZKBKACTAV9WEVGEMMVRZ".into(), 1).chunk[..64]);
        // The text must fit into one environment variable: MAX_ARG_STRLEN of Linux is 128 KiB.
        assert!(canary.chunk.len() < 128 * 1024);
    }
}

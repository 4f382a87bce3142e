//! Where on a block device the bytes of a file system's files lie.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::blocks::{BLOCK, Part};

/// What the file system keeps for itself at the beginning: superblock, tables, journal.
pub const METADATA: u64 = 1024 * 1024;

/// Which parts of a device belong to which file. Parts begin and end at blocks.
#[derive(Debug)]
pub struct Layout {
    /// The device's size in bytes.
    pub size: u64,
    next: u64,
    free: Vec<Part>,
    files: BTreeMap<PathBuf, Vec<Part>>,
}

impl Layout {
    /// A device without files.
    pub fn new(size: u64) -> Self {
        Self { size, next: METADATA, free: Vec::new(), files: BTreeMap::new() }
    }

    /// The parts of a file of this size in the order of its bytes; it grows or shrinks to that. None when the device is
    /// full.
    pub fn parts(&mut self, path: &Path, size: u64) -> Option<&[Part]> {
        let wanted = size.next_multiple_of(BLOCK);
        let mut parts = self.files.remove(path).unwrap_or_default();
        let mut has: u64 = parts.iter().map(|part| part.length).sum();
        while has > wanted {
            let Some(last) = parts.last_mut() else { break };
            let surplus = last.length.min(has - wanted);
            last.length -= surplus;
            self.free.push(Part { at: last.at + last.length, length: surplus });
            parts.retain(|part| part.length > 0);
            has -= surplus;
        }
        while has < wanted {
            let Some(part) = self.take(wanted - has) else {
                self.free.extend(parts);
                return None;
            };
            has += part.length;
            match parts.last_mut() {
                Some(last) if last.at + last.length == part.at => last.length += part.length,
                _ => parts.push(part),
            }
        }
        Some(self.files.entry(path.to_owned()).or_insert(parts))
    }

    /// At most `length` bytes that belong to no file; those that were a file's before come first, as ext4 uses blocks of
    /// the group a file is in.
    fn take(&mut self, length: u64) -> Option<Part> {
        if let Some(free) = self.free.first_mut() {
            let part = Part { at: free.at, length: free.length.min(length) };
            free.at += part.length;
            free.length -= part.length;
            self.free.retain(|part| part.length > 0);
            return Some(part);
        }
        let part = Part { at: self.next, length: length.min(self.size.saturating_sub(self.next)) };
        self.next += part.length;
        (part.length > 0).then_some(part)
    }

    /// A file is gone; what it held stays on the device until it is written over.
    pub fn remove(&mut self, path: &Path) {
        self.free.extend(self.files.remove(path).unwrap_or_default());
    }

    /// A file has another name.
    pub fn rename(&mut self, from: &Path, to: &Path) {
        if let Some(parts) = self.files.remove(from) {
            self.remove(to);
            self.files.insert(to.to_owned(), parts);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_grow_shrink_and_leave_room_for_others() {
        let mut layout = Layout::new(METADATA + 10 * BLOCK);
        let first = Path::new("first");
        assert_eq!(layout.parts(first, 5000).unwrap(), [Part { at: METADATA, length: 2 * BLOCK }]);
        assert_eq!(layout.parts(first, 5 * BLOCK).unwrap(), [Part { at: METADATA, length: 5 * BLOCK }]);
        assert_eq!(layout.parts(Path::new("second"), BLOCK).unwrap()[0].at, METADATA + 5 * BLOCK);
        assert_eq!(layout.parts(first, 0).unwrap(), []);
        layout.rename(Path::new("second"), Path::new("other"));
        let reused = layout.parts(Path::new("third"), 6 * BLOCK).unwrap();
        assert_eq!(reused[0], Part { at: METADATA, length: 5 * BLOCK });
        assert_eq!(reused[1], Part { at: METADATA + 6 * BLOCK, length: BLOCK });
        assert!(layout.parts(Path::new("fourth"), 4 * BLOCK).is_none());
        assert!(layout.parts(Path::new("fourth"), 3 * BLOCK).is_some());
    }
}

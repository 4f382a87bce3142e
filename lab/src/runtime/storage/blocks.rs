//! Files compared and copied block by block, so that only what differs is written and holes stay holes.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use rustix::fs::{SeekFrom, seek};

/// The size of a file system's and of a replica's blocks.
pub const BLOCK: u64 = 4096;
/// How much is compared at a time.
const PIECE: u64 = 1024 * 1024;

/// A part of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// Where it begins, in bytes.
    pub at: u64,
    /// Its length in bytes.
    pub length: u64,
}

/// Finds the blocks of `from` that are not the same in `to`, and gives each run of them to `put` with its place
/// relative to both beginnings. What lies beyond the end of a file counts as zeros.
pub fn differing(
    from: (&File, u64),
    to: (&File, u64),
    length: u64,
    mut put: impl FnMut(u64, &[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let size = usize::try_from(PIECE.min(length.next_multiple_of(BLOCK))).map_err(io::Error::other)?;
    let (mut new, mut old) = (vec![0; size], vec![0; size]);
    let block = usize::try_from(BLOCK).map_err(io::Error::other)?;
    let mut done = 0;
    while done < length {
        let count = usize::try_from((length - done).min(PIECE)).map_err(io::Error::other)?;
        fill(from.0, from.1 + done, &mut new[..count])?;
        fill(to.0, to.1 + done, &mut old[..count])?;
        let mut run: Option<usize> = None;
        for start in (0..count).step_by(block) {
            let end = (start + block).min(count);
            let same = new[start..end] == old[start..end];
            match run {
                Some(first) if same => {
                    put(done + first as u64, &new[first..start])?;
                    run = None;
                }
                None if !same => run = Some(start),
                _ => {}
            }
        }
        if let Some(first) = run {
            put(done + first as u64, &new[first..count])?;
        }
        done += count as u64;
    }
    Ok(())
}

/// Reads at a place until the buffer is full; after the end come zeros.
fn fill(file: &File, at: u64, buffer: &mut [u8]) -> io::Result<()> {
    let mut done = 0;
    while done < buffer.len() {
        match file.read_at(&mut buffer[done..], at + done as u64) {
            Ok(0) => break,
            Ok(count) => done += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    buffer[done..].fill(0);
    Ok(())
}

/// Makes `to` the same as `from`, which is `size` bytes long.
pub fn copy_changed(from: &File, to: &File, size: u64) -> io::Result<()> {
    differing((from, 0), (to, 0), size, |at, bytes| to.write_all_at(bytes, at))?;
    if to.metadata()?.len() == size { Ok(()) } else { to.set_len(size) }
}

/// The parts of a sparse file that hold data.
pub fn data(file: &File) -> io::Result<Vec<Part>> {
    let size = file.metadata()?.len();
    let mut parts = Vec::new();
    let mut at = 0;
    while at < size {
        // "No such device or address" says that nothing but a hole follows.
        let Ok(start) = seek(file, SeekFrom::Data(at)) else { break };
        let end = seek(file, SeekFrom::Hole(start))?;
        parts.push(Part { at: start, length: end - start });
        at = end;
    }
    Ok(parts)
}

/// Copies the data of a sparse file into another, whose other parts stay as they are.
pub fn copy_data(from: &File, to: &File) -> io::Result<()> {
    for part in data(from)? {
        differing((from, part.at), (to, part.at), part.length, |at, bytes| to.write_all_at(bytes, part.at + at))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt as _;

    #[test]
    fn only_blocks_that_differ_are_written() {
        let (from, to) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
        from.write_all_at(&[7; 10_000], 0).unwrap();
        to.write_all_at(&[7; 10_000], 0).unwrap();
        from.write_all_at(b"other", 5_000).unwrap();
        let mut runs = Vec::new();
        differing((&from, 0), (&to, 0), 10_000, |at, bytes| {
            runs.push((at, bytes.len()));
            Ok(())
        })
        .unwrap();
        assert_eq!(runs, [(4096, 4096)]);
    }

    #[test]
    fn holes_stay_holes() {
        let (from, to) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
        from.write_all_at(&[7; 4096], 50 << 20).unwrap();
        from.set_len(60 << 20).unwrap();
        copy_changed(&from, &to, 60 << 20).unwrap();
        assert_eq!(to.metadata().unwrap().len(), 60 << 20);
        assert!(to.metadata().unwrap().blocks() < 100);
        let held: u64 = data(&to).unwrap().iter().map(|part| part.length).sum();
        assert!((4096..1 << 20).contains(&held), "{held}");
    }
}

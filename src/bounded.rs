//! What others wrote, let in up to a limit: a machine that never stops talking fills neither the memory nor the screen.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;

use tokio::io::{AsyncRead, AsyncReadExt as _};

/// Characters of one line that are told on.
pub const LINE_MAX: usize = 2000;
/// Bytes of the end of a log that are read.
pub const LOG_MAX: u64 = 64 * 1024;

/// Reads to the end; more than `most` bytes are an error.
pub async fn to_end(reader: impl AsyncRead + Unpin, most: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.take(u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1)).read_to_end(&mut bytes).await?;
    if bytes.len() > most {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it printed more than {most} bytes")));
    }
    Ok(bytes)
}

/// The last [`LOG_MAX`] bytes of a log, invalid UTF-8 replaced; nothing when it cannot be read.
pub fn end_of_log(path: &Path) -> String {
    let read = || {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(LOG_MAX)))?;
        let mut bytes = Vec::new();
        file.take(LOG_MAX).read_to_end(&mut bytes)?;
        io::Result::Ok(bytes)
    };
    String::from_utf8_lossy(&read().unwrap_or_default()).into_owned()
}

/// A line as it is told on: its first [`LINE_MAX`] characters, and how many more there were.
pub fn line(text: &str) -> String {
    let Some((end, _)) = text.char_indices().nth(LINE_MAX) else { return text.to_owned() };
    format!("{}… ({} more characters)", &text[..end], text[end..].chars().count())
}

/// A word or name that a machine tells of itself: what is printable of its first characters.
pub fn word(text: &str, most: usize) -> String {
    text.chars().filter(|letter| !letter.is_control()).take(most).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_never_ends_is_an_error() {
        assert_eq!(to_end(&b"abc"[..], 3).await.unwrap(), b"abc");
        let error = to_end(tokio::io::repeat(b'x'), 1000).await.unwrap_err();
        assert_eq!(error.to_string(), "it printed more than 1000 bytes");
    }

    #[test]
    fn a_long_line_is_cut_between_characters() {
        let text = "ä".repeat(LINE_MAX + 5);
        assert_eq!(line(&text), format!("{}… (5 more characters)", "ä".repeat(LINE_MAX)));
        assert_eq!(line("short"), "short");
        assert_eq!(word("de\u{1b}[2Jbian", 6), "de[2Jb");
    }

    #[test]
    fn the_end_of_a_log_is_read() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), format!("{}\nthe end", "x".repeat(100_000))).unwrap();
        let end = end_of_log(file.path());
        assert!(end.len() == 65536 && end.ends_with("\nthe end"));
        assert_eq!(end_of_log(Path::new("/nonexistent")), "");
    }
}

//! The archive for a bug report: what a run left behind, redacted once more.

use std::io::{self, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::Timestamp;

use super::redact::Redactor;

/// A file of the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its name.
    pub name: &'static str,
    /// What it is, in a sentence.
    pub what: &'static str,
    /// What is in it.
    pub text: String,
}

/// Writes the parts into a gzipped tar archive, in the folder `homeprov-RUN`, readable by their owner alone.
pub fn write<W: Write>(out: W, run: &str, parts: &[Part], redactor: &Redactor) -> io::Result<W> {
    let mut archive = tar::Builder::new(GzEncoder::new(out, Compression::default()));
    let now = u64::try_from(Timestamp::now().as_second()).unwrap_or_default();
    for part in parts {
        let text = redactor.text(&part.text);
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o600);
        header.set_mtime(now);
        archive.append_data(&mut header, format!("homeprov-{run}/{}", part.name), text.as_bytes())?;
    }
    archive.into_inner()?.finish()
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn what_is_in_it_can_be_read_and_holds_no_secret() {
        let parts = [
            Part { name: "events.jsonl", what: "the journal", text: "{\"line\":\"canary-of-a-bundle\"}\n".into() },
            Part { name: "inventory.toml", what: "the inventory", text: "Y2FuYXJ5LW9mLWEtYnVuZGxl".into() },
        ];
        let bytes = write(Vec::new(), "01RUN", &parts, &Redactor::new(["canary-of-a-bundle".into()])).unwrap();
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(bytes.as_slice()));
        let read = archive.entries().unwrap().map(|entry| {
            let mut entry = entry.unwrap();
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            (entry.path().unwrap().display().to_string(), entry.header().mode().unwrap(), text)
        });
        let told = "{\"line\":\"***\"}\n".to_owned();
        assert_eq!(
            read.collect::<Vec<_>>(),
            [
                ("homeprov-01RUN/events.jsonl".to_owned(), 0o600, told),
                ("homeprov-01RUN/inventory.toml".to_owned(), 0o600, "***".to_owned()),
            ]
        );
    }
}

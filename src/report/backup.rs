//! Backups, shown.

use std::path::Path;

use serde_json::json;

use super::paint::Paint;
use super::status::{entry, mark};
use super::words;
use crate::backup::{Looked, Manifest, Saved};

/// A number of bytes for people.
fn size(bytes: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match UNITS.iter().find(|(unit, _)| bytes >= *unit) {
        // In tenths, rounded down.
        Some((unit, name)) => format!("{}.{} {name}", bytes / unit, bytes % unit * 10 / unit),
        None => words::count(usize::try_from(bytes).unwrap_or(usize::MAX), "byte"),
    }
}

fn rows(manifest: &Manifest) -> String {
    let tables = manifest.database.rows.iter().filter(|(_, rows)| **rows > 0);
    let tables: Vec<String> = tables.map(|(table, rows)| format!("{rows} in {table}")).collect();
    if tables.is_empty() { "no rows".to_owned() } else { format!("rows: {}", tables.join(", ")) }
}

/// A backup that was made, for people.
pub fn saved(saved: &Saved, paint: Paint, width: usize) -> String {
    let Saved { folder, manifest, removed } = saved;
    let mut text = String::new();
    for part in &manifest.files {
        let files = match part.entries {
            Some(count) if matches!(part.kind, crate::backup::Kind::Files { .. }) => {
                format!(", {}", words::count(usize::try_from(count).unwrap_or(usize::MAX), "file"))
            }
            _ => String::new(),
        };
        text += &entry(&paint.good("✔"), &format!("{}: {}{files}", part.name, size(part.bytes)), width);
    }
    for note in &manifest.notes {
        text += &entry(&paint.busy("!"), note, width);
    }
    for path in removed {
        text += &entry(&paint.busy("→"), &format!("removed the older {}", path.display()), width);
    }
    let line = format!("{}: {}, {}", folder.display(), size(manifest.bytes()), rows(manifest));
    text + "\n" + &entry(&paint.good("✔"), &line, width)
}

/// A backup that was made, for programs.
pub fn saved_json(saved: &Saved) -> String {
    let removed: Vec<String> = saved.removed.iter().map(|path| path.display().to_string()).collect();
    let value = json!({ "folder": saved.folder.display().to_string(), "removed": removed, "manifest": saved.manifest });
    format!("{value:#}")
}

/// A backup that was looked at, for people.
pub fn looked(folder: &Path, looked: &Looked, paint: Paint, width: usize) -> String {
    let mut text = String::new();
    for finding in &looked.findings {
        text += &entry(&mark(finding.verdict, paint), &format!("{}: {}", finding.part, finding.text), width);
        if let Some(remedy) = &finding.remedy {
            let lines = entry(&paint.busy("→"), &format!("what to do: {remedy}"), width.saturating_sub(2));
            text.extend(lines.lines().map(|line| format!("  {line}\n")));
        }
    }
    let (mark, verdict) =
        if looked.whole() { (paint.good("✔"), "is whole") } else { (paint.bad("✘"), "is damaged") };
    let manifest = &looked.manifest;
    let line = format!(
        "{} of {} {verdict}: {}, {}",
        folder.display(),
        manifest.site.local_domain,
        size(manifest.bytes()),
        rows(manifest)
    );
    text + "\n" + &entry(&mark, &line, width)
}

/// A backup that was looked at, for programs.
pub fn looked_json(looked: &Looked) -> String {
    let value = json!({ "whole": looked.whole(), "findings": looked.findings, "manifest": looked.manifest });
    format!("{value:#}")
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn sizes_are_for_people() {
        let shown: Vec<String> = [0, 1, 1023, 1024, 1_700_000, 5 << 30].map(size).to_vec();
        assert_eq!(shown, ["0 bytes", "1 byte", "1023 bytes", "1.0 KiB", "1.6 MiB", "5.0 GiB"]);
    }
}

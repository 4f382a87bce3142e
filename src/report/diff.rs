//! A unified diff for people: every line whole, coloured by what it says.

use super::clean::clean;
use super::paint::Paint;

/// Whether a text holds a unified diff.
pub fn is_diff(text: &str) -> bool {
    text.lines().any(|line| line.starts_with("@@ "))
}

/// Its lines, none broken: where a line ends matters in a file. What stands outside of hunks is said of a whole file, or
/// of all.
pub fn lines(text: &str, paint: Paint) -> impl Iterator<Item = String> {
    // The lines that are left of a hunk, before and after: in it `---` is a removed line that begins with `--`.
    let mut left = (0_usize, 0_usize);
    text.lines().map(move |line| {
        let shown = clean(line);
        if left == (0, 0) {
            left = hunk(&shown).unwrap_or_default();
            return match () {
                () if left != (0, 0) => paint.busy(&shown),
                () if shown.starts_with("--- ") || shown.starts_with("+++ ") => paint.bold(&shown),
                () => paint.dim(&shown),
            };
        }
        match line.chars().next() {
            Some('+') => {
                left.1 = left.1.saturating_sub(1);
                paint.good(&shown)
            }
            Some('-') => {
                left.0 = left.0.saturating_sub(1);
                paint.taken(&shown)
            }
            // "No newline at end of file".
            Some('\\') => paint.dim(&shown),
            _ => {
                left = (left.0.saturating_sub(1), left.1.saturating_sub(1));
                paint.dim(&shown)
            }
        }
    })
}

/// How many lines a hunk has before and after, of its first line: `@@ -1,2 +1,3 @@`.
fn hunk(line: &str) -> Option<(usize, usize)> {
    let (before, after) = line.strip_prefix("@@ -")?.split_once(" +")?;
    let count = |range: &str| range.split_once(',').map_or(Some(1), |(_, count)| count.parse().ok());
    Some((count(before)?, count(after.split(' ').next()?)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn additions_and_removals_have_their_colours() {
        let text = "2 files to change\n--- a/x\n+++ b/x\n@@ -1,2 +1,2 @@\n same\n--- old\n+new \u{1b}[31m\n--- a/y\n+++ b/y\n@@ -0,0 +1 @@\n+one\n";
        let painted: Vec<String> = lines(text, Paint::new(true)).collect();
        assert!(is_diff(text) && !is_diff("- one pool\n+ another"));
        assert_eq!(painted[5], "\u{1b}[31m--- old\u{1b}[0m");
        assert_eq!(painted[6], "\u{1b}[32m+new\u{1b}[0m");
        assert_eq!(painted[7], "\u{1b}[1m--- a/y\u{1b}[0m");
        assert_eq!(painted[10], "\u{1b}[32m+one\u{1b}[0m");
        let plain: Vec<String> = lines(text, Paint::new(false)).collect();
        assert_eq!((plain[0].as_str(), plain[4].as_str()), ("2 files to change", " same"));
    }
}

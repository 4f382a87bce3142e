//! A file's text as messages quote it: nothing in it steers a terminal, no password is in it, and every line break is
//! one for everybody.

use std::ops::Range;

use super::{BYTE_ORDER_MARK, escape, secret};

/// What stands for a line of a password.
const HIDDEN: &str = "***";

/// The text to quote from, and where its parts come from.
#[derive(Debug)]
pub(super) struct Quote {
    /// The text as it may be shown; it has the lines of the original.
    pub(super) text: String,
    edits: Vec<Edit>,
}

/// Some bytes that are shown as others.
#[derive(Debug)]
struct Edit {
    original: Range<usize>,
    shown: Range<usize>,
}

impl Quote {
    pub(super) fn new(original: &str) -> Self {
        let mut quote = Self { text: String::with_capacity(original.len()), edits: Vec::new() };
        let mut at = 0;
        for secret in secret::values(original) {
            quote.copy(original, at..secret.start);
            quote.hide(original, secret.clone());
            at = secret.end;
        }
        quote.copy(original, at..original.len());
        quote
    }

    fn copy(&mut self, original: &str, part: Range<usize>) {
        for (at, character) in original[part.clone()].char_indices() {
            let at = part.start + at;
            let after = at + character.len_utf8();
            match character {
                '\n' | '\t' => self.text.push(character),
                '\r' if original[after..].starts_with('\n') => self.replace(at..after, ""),
                BYTE_ORDER_MARK if at == 0 => self.replace(at..after, ""),
                _ if escape::steers(character) => self.replace(at..after, &character.escape_debug().to_string()),
                _ => self.text.push(character),
            }
        }
    }

    fn hide(&mut self, original: &str, part: Range<usize>) {
        let mut at = part.start;
        for line in original[part].split_inclusive('\n') {
            let kept = line.trim_end_matches('\n').len();
            if kept > 0 {
                self.replace(at..at + kept, HIDDEN);
            }
            self.text.push_str(&line[kept..]);
            at += line.len();
        }
    }

    fn replace(&mut self, original: Range<usize>, with: &str) {
        let start = self.text.len();
        self.text.push_str(with);
        self.edits.push(Edit { original, shown: start..self.text.len() });
    }

    /// Where a part of the original is shown; of what is shown as something else, all of it.
    pub(super) fn span(&self, original: &Range<usize>) -> Range<usize> {
        let start = self.offset(original.start, |edit| edit.shown.start).min(self.text.len());
        let end = self.offset(original.end, |edit| edit.shown.end).min(self.text.len());
        start..end.max(start)
    }

    fn offset(&self, original: usize, inside: impl Fn(&Edit) -> usize) -> usize {
        let before = self.edits.partition_point(|edit| edit.original.end <= original);
        match self.edits.get(before) {
            Some(edit) if edit.original.start < original => inside(edit),
            _ => match before.checked_sub(1).map(|last| &self.edits[last]) {
                Some(edit) => edit.shown.end + (original - edit.original.end),
                None => original,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Quote;

    #[test]
    fn parts_are_found_again_in_what_is_shown() {
        let original = "a\u{1b}b\r\npassword = \"hun\" # x\nä\rc\n";
        let quote = Quote::new(original);
        assert_eq!(quote.text, "a\\u{1b}b\npassword = ***\nä\\rc\n");
        let shown = |piece: &str| {
            let start = original.find(piece).expect("a piece");
            &quote.text[quote.span(&(start..start + piece.len()))]
        };
        assert_eq!(shown("a"), "a");
        assert_eq!(shown("\u{1b}"), "\\u{1b}");
        assert_eq!(shown("b"), "b");
        assert_eq!(shown("password"), "password");
        assert_eq!(shown("hun"), "***");
        assert_eq!(shown("= \"h"), "= ***");
        assert_eq!(shown("ä"), "ä");
        assert_eq!(shown("c"), "c");
        let end = original.len();
        assert_eq!(quote.span(&(end..end)), quote.text.len()..quote.text.len());
    }

    #[test]
    fn lines_stay_lines() {
        let original = "token = \"\"\"one\r\ntwo\n\nthree\"\"\"\nx = 1\n";
        let quote = Quote::new(original);
        assert_eq!(quote.text, "token = ***\n***\n\n***\nx = 1\n");
    }
}

//! The text of an inventory, with comments.

use std::fmt::Write as _;

/// Comments are broken before this column.
const WIDTH: usize = 110;

/// An inventory being written.
#[derive(Debug, Default)]
pub(super) struct Text {
    text: String,
    /// Whether what is written is a comment: something homeprov does not take as it is.
    aside: bool,
}

impl Text {
    /// A comment, broken into lines; line breaks stay.
    pub fn comment(&mut self, text: &str) {
        for paragraph in text.lines() {
            let indent = &paragraph[..paragraph.len() - paragraph.trim_start_matches(' ').len()];
            let mut line = indent.to_owned();
            for word in paragraph.split_whitespace() {
                if line.len() > indent.len() && line.chars().count() + 1 + word.chars().count() > WIDTH {
                    let _ = writeln!(self.text, "# {line}");
                    indent.clone_into(&mut line);
                }
                if line.len() > indent.len() {
                    line.push(' ');
                }
                line.extend(word.chars().filter(|letter| !letter.is_control()));
            }
            let _ = writeln!(self.text, "# {line}");
        }
    }

    /// A header: `[metallb]`, `[[nodes]]`.
    pub fn header(&mut self, header: &str) {
        self.line(header);
    }

    /// A key with its value.
    pub fn key(&mut self, key: &str, value: impl Into<toml::Value>) {
        self.line(&format!("{key} = {}", value.into()));
    }

    /// A line that would say something and does not.
    pub fn instead(&mut self, line: &str) {
        let _ = writeln!(self.text, "# {line}");
    }

    /// An empty line.
    pub fn gap(&mut self) {
        self.text.push('\n');
    }

    /// What `write` writes is there to be read, and to be uncommented by hand.
    pub fn aside(&mut self, write: impl FnOnce(&mut Self)) {
        self.aside = true;
        write(self);
        self.aside = false;
    }

    fn line(&mut self, line: &str) {
        let lead = if self.aside { "# " } else { "" };
        let _ = writeln!(self.text, "{lead}{line}");
    }

    /// The whole.
    pub fn finish(self) -> String {
        self.text.trim_end().to_owned() + "\n"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_are_broken_and_cannot_break_out() {
        let mut text = Text::default();
        text.comment(&format!("{} end", "word ".repeat(30).trim()));
        text.comment("  one\u{1b}[31m two");
        text.key("name", "a \"b\"");
        text.aside(|text| text.key("name", "c"));
        let text = text.finish();
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH + 2), "{text}");
        assert!(text.contains("#   one[31m two\nname = 'a \"b\"'\n# name = \"c\"\n"), "{text}");
    }
}

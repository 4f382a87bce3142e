//! The fenced blocks of the manual's pages, in the order of its table of contents.

use std::fs;
use std::path::{Path, PathBuf};

/// A fenced block.
pub struct Block {
    /// Where it stands, `start/lab.md:12`.
    pub place: String,
    /// What stands behind the fence, such as `sh` and `lab`.
    pub words: Vec<String>,
    /// Its lines, without the indentation of its fence.
    pub lines: Vec<String>,
}

impl Block {
    /// Whether one of the words is behind the fence.
    pub fn is(&self, word: &str) -> bool {
        self.words.iter().any(|is| is == word)
    }

    /// The commands of a shell block: lines that end with a backslash are one with the next, comments are left out.
    pub fn commands(&self) -> Vec<String> {
        let text = self.lines.join("\n").replace("\\\n", " ");
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        lines.map(str::to_owned).collect()
    }
}

/// The root of the repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The pages in the order of SUMMARY.md, each once.
pub fn pages() -> Vec<PathBuf> {
    let source = root().join("docs/src");
    let summary = fs::read_to_string(source.join("SUMMARY.md")).expect("the table of contents");
    let links = summary.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let pages: Vec<PathBuf> = links.map(|link| source.join(link)).collect();
    assert!(pages.len() > 20, "{pages:?}");
    pages
}

/// The blocks of a page.
pub fn of(page: &Path) -> Vec<Block> {
    let text = fs::read_to_string(page).unwrap_or_else(|error| panic!("{}: {error}", page.display()));
    let name = page.strip_prefix(root()).unwrap_or(page).display().to_string();
    let mut blocks: Vec<Block> = Vec::new();
    let mut open: Option<usize> = None;
    for (number, line) in text.lines().enumerate() {
        let indent = line.len() - line.trim_start().len();
        match (open, line.trim_start().strip_prefix("```")) {
            (None, Some(info)) => {
                let words = info.split([',', ' ']).filter(|word| !word.is_empty()).map(str::to_owned).collect();
                blocks.push(Block { place: format!("{name}:{}", number + 1), words, lines: Vec::new() });
                open = Some(indent);
            }
            (Some(_), Some(_)) => open = None,
            (Some(indent), None) => {
                let line = line.get(indent..).unwrap_or_default();
                blocks.last_mut().expect("it was opened").lines.push(line.to_owned());
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "{name}: a block is not closed");
    blocks
}

/// The blocks of all pages.
pub fn all() -> Vec<Block> {
    pages().iter().flat_map(|page| of(page)).collect()
}

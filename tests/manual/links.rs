//! Every page is in the table of contents, and every link leads somewhere.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::blocks::{pages, root};

fn markdown_below(folder: &Path, found: &mut BTreeSet<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            markdown_below(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.insert(path);
        }
    }
}

#[test]
fn every_page_is_in_the_table_of_contents() {
    let mut there = BTreeSet::new();
    markdown_below(&root().join("docs/src"), &mut there);
    there.remove(&root().join("docs/src/SUMMARY.md"));
    let listed: BTreeSet<PathBuf> = pages().into_iter().collect();
    assert_eq!(there, listed);
}

/// The targets of Markdown links, without what is in code.
fn links(text: &str) -> Vec<String> {
    let parts = text.split('`').step_by(2).collect::<String>();
    let targets = parts.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    targets.map(str::to_owned).collect()
}

#[test]
fn every_link_leads_somewhere() {
    let own = "https://github.com/homeprov/homeprov/blob/main/";
    let files = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "docs/decisions/README.md"];
    let files = files.iter().map(|file| root().join(file)).chain(pages());
    let mut broken = Vec::new();
    let mut checked = 0;
    for file in files {
        let text = fs::read_to_string(&file).expect("the page");
        for link in links(&text) {
            let target = match link.strip_prefix(own) {
                Some(path) => root().join(path),
                None if link.contains("://") || link.starts_with('#') => continue,
                None => file.parent().expect("a folder").join(link.split('#').next().unwrap_or_default()),
            };
            checked += 1;
            if !target.exists() {
                broken.push(format!("{}: {link}", file.display()));
            }
        }
    }
    assert!(checked > 30, "only {checked} links were found");
    assert_eq!(broken, Vec::<String>::new());
}

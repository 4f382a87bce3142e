//! The lines at the head of each file in the repository: who manages it, and the sum that shows whether a person edited it.

use sha2::{Digest, Sha256};

use crate::facts::identity::hex;

const FIRST: &str = "# Managed by homeprov: it writes this file anew when the inventory changes.";
const SECOND: &str = "# A file edited by hand is left alone; `homeprov up --overwrite` takes it back.";
const SUM: &str = "# sha256: ";
const CLUSTER: &str = "# cluster: ";

/// Who wrote the text of a file last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Author {
    /// homeprov: its header's sum is that of the body.
    Homeprov,
    /// A person: the sum is another, or there is no header.
    Person,
}

/// A body under homeprov's header.
pub fn with_header(body: &str) -> String {
    format!("{FIRST}\n{SECOND}\n{SUM}{}\n{body}", sum(body))
}

/// Who wrote a text. Line ends as Windows has them do not make a person of homeprov: git may put them in.
pub fn author(text: &str) -> Author {
    let text = text.replace("\r\n", "\n");
    let claimed = text.strip_prefix(FIRST).and_then(|rest| rest.strip_prefix('\n'));
    let claimed = claimed.and_then(|rest| rest.strip_prefix(SECOND)?.strip_prefix('\n')?.strip_prefix(SUM));
    match claimed.and_then(|rest| rest.split_once('\n')) {
        Some((claimed, body)) if claimed == sum(body) => Author::Homeprov,
        _ => Author::Person,
    }
}

/// A body that belongs to one cluster, with a line that says so.
pub(super) fn of_cluster(cluster: &str, body: &str) -> String {
    format!("{CLUSTER}{cluster}\n{body}")
}

/// The cluster a file was written for, so that two clusters in one repository do not take files from each other.
pub fn cluster(text: &str) -> Option<&str> {
    text.lines().take_while(|line| line.starts_with('#')).find_map(|line| line.strip_prefix(CLUSTER))
}

fn sum(body: &str) -> String {
    hex(&Sha256::digest(body.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edit_is_noticed() {
        let text = with_header(&of_cluster("home", "kind: Namespace\n"));
        assert_eq!(author(&text), Author::Homeprov);
        assert_eq!(author(&text.replace('\n', "\r\n")), Author::Homeprov);
        assert_eq!(cluster(&text), Some("home"));
        for edited in [
            text.replace("Namespace", "namespace"),
            format!("{text}\n"),
            format!("# mine\n{text}"),
            "kind: Namespace\n".to_owned(),
            String::new(),
        ] {
            assert_eq!(author(&edited), Author::Person, "{edited}");
        }
        assert_eq!(cluster("kind: Namespace\n# cluster: other\n"), None);
    }
}

//! The command line taken apart.

use std::collections::BTreeMap;

/// Flags without a value.
const SWITCHES: &[&str] = &[
    "all-namespaces",
    "all",
    "show-labels",
    "no-headers",
    "ignore-not-found",
    "overwrite",
    "force",
    "server-side",
    "short",
    "client",
    "validate",
    "wait",
    "now",
    "force-conflicts",
    "list",
    "recursive",
    "watch",
    "show-kind",
    "previous",
    "follow",
    "stdin",
    "tty",
    "quiet",
];
/// Flags with a value, and their one-letter names.
const VALUES: &[&str] = &[
    "namespace",
    "output",
    "selector",
    "filename",
    "field-selector",
    "type",
    "patch",
    "timeout",
    "for",
    "grace-period",
    "sort-by",
    "replicas",
    "tail",
    "container",
    "cascade",
    "dry-run",
    "field-manager",
    "from-literal",
    "image",
    "kubeconfig",
    "subresource",
    "since",
    "request-timeout",
    "chunk-size",
    "label-columns",
    "resource-version",
    "pod-running-timeout",
];
const SHORT: &[(char, &str)] = &[
    ('A', "all-namespaces"),
    ('n', "namespace"),
    ('o', "output"),
    ('l', "selector"),
    ('f', "filename"),
    ('p', "patch"),
    ('c', "container"),
    ('R', "recursive"),
    ('w', "watch"),
    ('L', "label-columns"),
    ('i', "stdin"),
    ('t', "tty"),
    ('q', "quiet"),
];

/// A `kubectl` command line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Arguments {
    pub(super) verb: String,
    /// What is no flag, after the verb.
    pub(super) words: Vec<String>,
    /// What stands after `--`; none without it.
    pub(super) command: Option<Vec<String>>,
    flags: BTreeMap<String, String>,
}

impl Arguments {
    pub(super) fn parse(argv: &[String]) -> Result<Self, String> {
        let mut parsed = Self::default();
        let mut rest = argv.iter();
        while let Some(word) = rest.next() {
            if word == "--" {
                parsed.command = Some(rest.cloned().collect());
                break;
            }
            let (name, given) = if let Some(long) = word.strip_prefix("--") {
                let (name, given) =
                    long.split_once('=').map_or((long, None), |(name, value)| (name, Some(value.to_owned())));
                (name.to_owned(), given)
            } else if let Some(short) = word.strip_prefix('-').filter(|short| !short.is_empty()) {
                let letter = short.chars().next().unwrap_or_default();
                if let Some(letters) = switches(short) {
                    parsed.flags.extend(letters.into_iter().map(|name| (name.to_owned(), "true".to_owned())));
                    continue;
                }
                let name = SHORT.iter().find(|(known, _)| *known == letter).map(|(_, name)| (*name).to_owned());
                let value = short[letter.len_utf8()..].trim_start_matches('=');
                let name = name.ok_or_else(|| unknown(&format!("shorthand flag: '{letter}' in -{short}")))?;
                (name, (!value.is_empty()).then(|| value.to_owned()))
            } else {
                if parsed.verb.is_empty() {
                    parsed.verb.clone_from(word);
                } else {
                    parsed.words.push(word.clone());
                }
                continue;
            };
            let value = if SWITCHES.contains(&name.as_str()) {
                given.unwrap_or_else(|| "true".to_owned())
            } else if VALUES.contains(&name.as_str()) {
                let next = given.or_else(|| rest.next().cloned());
                next.ok_or_else(|| {
                    format!(
                        "error: flag needs an argument: --{name}\nSee 'kubectl {} --help' for usage.\n",
                        parsed.verb
                    )
                })?
            } else {
                return Err(unknown(&format!("flag: --{name}")));
            };
            parsed.flags.insert(name, value);
        }
        Ok(parsed)
    }

    pub(super) fn flag(&self, name: &str) -> Option<&str> {
        self.flags.get(name).map(String::as_str)
    }

    pub(super) fn is_set(&self, name: &str) -> bool {
        self.flag(name) == Some("true")
    }

    /// The namespace to look in: none for all.
    pub(super) fn namespace(&self) -> Option<&str> {
        if self.is_set("all-namespaces") { None } else { Some(self.flag("namespace").unwrap_or("default")) }
    }
}

/// The switches of several letters together, as in `-it`.
fn switches(letters: &str) -> Option<Vec<&'static str>> {
    let switch = |letter: char| {
        let name = SHORT.iter().find(|(known, _)| *known == letter)?.1;
        SWITCHES.contains(&name).then_some(name)
    };
    (letters.len() > 1).then(|| letters.chars().map(switch).collect())?
}

fn unknown(what: &str) -> String {
    format!("error: unknown {what}\nSee 'kubectl --help' for usage.\n")
}

//! helm's command line.

use std::collections::BTreeMap;

/// Flags that take a value; several names for one flag map to its long one.
const WITH_VALUE: [(&str, &str); 24] = [
    ("-n", "namespace"),
    ("--namespace", "namespace"),
    ("--version", "version"),
    ("--timeout", "timeout"),
    ("-o", "output"),
    ("--output", "output"),
    ("--max", "max"),
    ("-m", "max"),
    ("--revision", "revision"),
    ("--history-max", "history-max"),
    ("--description", "description"),
    ("--repo", "repo"),
    ("--kubeconfig", "kubeconfig"),
    ("--kube-context", "kube-context"),
    ("-f", "values"),
    ("--values", "values"),
    ("--set", "set"),
    ("--set-string", "set-string"),
    ("-l", "selector"),
    ("--selector", "selector"),
    ("--filter", "filter"),
    ("-d", "destination"),
    ("--destination", "destination"),
    ("--untardir", "untardir"),
];
const SWITCHES: [(&str, &str); 30] = [
    ("--create-namespace", "create-namespace"),
    ("--wait", "wait"),
    ("--wait-for-jobs", "wait"),
    ("--atomic", "atomic"),
    ("--install", "install"),
    ("-i", "install"),
    ("--reuse-values", "reuse-values"),
    ("--reset-values", "reset-values"),
    ("--reset-then-reuse-values", "reset-then-reuse-values"),
    ("--all-namespaces", "all-namespaces"),
    ("-A", "all-namespaces"),
    ("--all", "all"),
    ("-a", "all"),
    ("--short", "short"),
    ("-q", "short"),
    ("--debug", "debug"),
    ("--devel", "devel"),
    ("--dry-run", "dry-run"),
    ("--force", "force"),
    ("--force-update", "force-update"),
    ("--no-hooks", "no-hooks"),
    ("--skip-crds", "skip-crds"),
    ("--cleanup-on-fail", "cleanup-on-fail"),
    ("--keep-history", "keep-history"),
    ("--ignore-not-found", "ignore-not-found"),
    ("--failed", "failed"),
    ("--deployed", "deployed"),
    ("--fail-on-repo-update-fail", "fail-on-repo-update-fail"),
    ("--replace", "replace"),
    ("--untar", "untar"),
];

/// A parsed command line.
#[derive(Debug, Clone, Default)]
pub(super) struct Arguments {
    /// What is no flag: the command and what it is about.
    pub(super) words: Vec<String>,
    flags: BTreeMap<&'static str, String>,
    /// `--set` and `--set-string`, as they came; true for the latter.
    pub(super) sets: Vec<(bool, String)>,
    /// Files of values, as they came.
    pub(super) files: Vec<String>,
}

impl Arguments {
    /// Takes the arguments apart.
    ///
    /// # Errors
    /// helm's refusal of a flag.
    pub(super) fn parse(args: &[String]) -> Result<Self, String> {
        let mut parsed = Self::default();
        let mut rest = args.iter();
        while let Some(arg) = rest.next() {
            if !arg.starts_with('-') || arg == "-" {
                parsed.words.push(arg.clone());
                continue;
            }
            let (name, given) = match arg.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (arg.as_str(), None),
            };
            if let Some((_, long)) = WITH_VALUE.iter().find(|(known, _)| *known == name) {
                let value = given.or_else(|| rest.next().cloned());
                parsed.add(long, value.ok_or_else(|| format!("Error: flag needs an argument: {name}"))?);
            } else if let Some((_, long)) = SWITCHES.iter().find(|(known, _)| *known == name) {
                if given.as_deref() != Some("false") && given.as_deref() != Some("none") {
                    parsed.flags.insert(long, "true".to_owned());
                }
            } else if name.starts_with("--") {
                return Err(format!("Error: unknown flag: {name}"));
            } else {
                return Err(format!("Error: unknown shorthand flag: '{}' in {name}", &name[1..]));
            }
        }
        Ok(parsed)
    }

    fn add(&mut self, flag: &'static str, value: String) {
        match flag {
            "values" => self.files.extend(value.split(',').map(str::to_owned)),
            "set" => self.sets.push((false, value)),
            "set-string" => self.sets.push((true, value)),
            _ => drop(self.flags.insert(flag, value)),
        }
    }

    pub(super) fn flag(&self, name: &str) -> Option<&str> {
        self.flags.get(name).map(String::as_str)
    }

    /// The form of output asked for, unless it is the table.
    pub(super) fn form(&self) -> Option<&str> {
        self.flag("output").filter(|form| *form != "table")
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.flags.contains_key(name)
    }

    pub(super) fn namespace(&self) -> &str {
        self.flag("namespace").unwrap_or("default")
    }

    /// How long `--wait` waits, in milliseconds; five minutes unless said otherwise.
    pub(super) fn timeout(&self) -> u64 {
        self.flag("timeout").and_then(duration).unwrap_or(300_000)
    }

    /// Sets a switch that another one implies.
    pub(super) fn imply(&mut self, name: &'static str) {
        self.flags.insert(name, "true".to_owned());
    }
}

/// `5m0s`, `90s`, `1h` in milliseconds.
fn duration(text: &str) -> Option<u64> {
    let mut total = 0;
    let mut digits = String::new();
    for letter in text.chars() {
        if letter.is_ascii_digit() {
            digits.push(letter);
            continue;
        }
        let unit = match letter {
            'h' => 3_600_000,
            'm' => 60_000,
            's' => 1_000,
            _ => return None,
        };
        total += digits.parse::<u64>().ok()? * unit;
        digits.clear();
    }
    digits.is_empty().then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Arguments, String> {
        Arguments::parse(&line.split(' ').map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn flags_come_in_both_forms() {
        let parsed = parse(
            "-n openebs install openebs openebs/openebs --version=3.3.x --set a.b=c --set-string d=1 -f - --wait",
        )
        .unwrap();
        assert_eq!(parsed.words, ["install", "openebs", "openebs/openebs"]);
        assert_eq!((parsed.namespace(), parsed.flag("version")), ("openebs", Some("3.3.x")));
        assert_eq!(parsed.sets, [(false, "a.b=c".to_owned()), (true, "d=1".to_owned())]);
        assert_eq!(parsed.files, ["-"]);
        assert!(parsed.has("wait") && !parsed.has("atomic"));
        assert_eq!(parse("list --nosuch").unwrap_err(), "Error: unknown flag: --nosuch");
        assert_eq!(parse("list --timeout 5m30s").unwrap().timeout(), 330_000);
    }
}

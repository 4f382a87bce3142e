//! Where a chart comes from: its repository, or the file or URL that the inventory names.

use std::path::Path;
use std::time::Duration;

use k8s_openapi::ByteString;
use secrecy::SecretString;
use sha2::{Digest, Sha256};
use tokio::time::sleep;

use crate::facts::identity::hex;
use crate::ssh::{Program, Purpose};
use crate::steps::{Context, Failure};

/// A chart, and what it is installed as.
pub struct Chart<'a> {
    /// The release it becomes.
    pub release: &'static str,
    /// Its name in the repository.
    pub name: &'static str,
    /// The repository.
    pub repository: &'static str,
    /// The version, or a range of them.
    pub version: &'static str,
    /// The key of `[storage]` that names another source.
    pub key: &'static str,
    /// What that key says: an absolute path on this machine, or a URL.
    pub given: Option<&'a str>,
}

/// How often a chart is asked for before it counts as unreachable, and the pause between.
const TRIES: u32 = 3;
const PAUSE: Duration = Duration::from_secs(2);
/// Where charts from this machine are put on a node.
const FOLDER: &str = "/var/lib/homeprov/charts";

impl Chart<'_> {
    /// The arguments that name the chart to helm, once helm on the node could read it. Nothing has been changed when it
    /// could not.
    pub async fn found(&self, context: &Context, node: &str) -> Result<Vec<String>, Failure> {
        let source = match self.given {
            None => [self.name, "--repo", self.repository, "--version", self.version].map(str::to_owned).to_vec(),
            Some(url) if url.contains("://") => vec![url.to_owned()],
            Some(path) => vec![copy(context, node, self.key, Path::new(path)).await?],
        };
        let mut argv = ["/snap/bin/microk8s", "helm3", "show", "chart"].map(str::to_owned).to_vec();
        argv.extend(source.clone());
        let mut said = String::new();
        for attempt in 1..=TRIES {
            let answer = context.run(node, Purpose::Probe, Program::command(argv.clone())).await?;
            if answer.succeeded() {
                return self.named(&answer.stdout).map(|()| source);
            }
            said = last_line(&answer.stderr).or_else(|| last_line(&answer.stdout)).unwrap_or_default();
            if attempt < TRIES {
                sleep(PAUSE).await;
            }
        }
        Err(Failure::Refused { reason: self.unreachable(node, &said) })
    }

    /// Whether what was read is this chart: installing another one under its name would be a mess.
    fn named(&self, chart: &str) -> Result<(), Failure> {
        let name = chart.lines().find_map(|line| line.strip_prefix("name:")).map(str::trim);
        if name.is_none_or(|name| name == self.name) {
            return Ok(());
        }
        Err(Failure::Refused {
            reason: format!(
                "[storage] {} is the chart {}, not {}: name another file or URL",
                self.key,
                name.unwrap_or_default(),
                self.name
            ),
        })
    }

    fn unreachable(&self, node: &str, said: &str) -> String {
        let place = self
            .given
            .map_or_else(|| format!("the chart repository {}", self.repository), |given| format!("the chart {given}"));
        format!(
            "{node} cannot read {place} ({said}); nothing was installed. Run `up` again when it answers, or take the chart {} {} from elsewhere: [storage] {} = \"path or URL of the .tgz\"",
            self.name, self.version, self.key
        )
    }
}

fn last_line(text: &str) -> Option<String> {
    text.lines().rfind(|line| !line.trim().is_empty()).map(|line| line.trim().to_owned())
}

/// Puts a chart of this machine on a node, whole or not at all; returns its path there.
async fn copy(context: &Context, node: &str, key: &str, path: &Path) -> Result<String, Failure> {
    let bytes = tokio::fs::read(path).await.map_err(|error| Failure::Refused {
        reason: format!("cannot read the chart {}: {error}. See [storage] {key} in the inventory", path.display()),
    })?;
    let sum = hex(&Sha256::digest(&bytes));
    let file = format!("{FOLDER}/{sum}.tgz");
    // Kubernetes writes bytes as base64, and so does its client library.
    let text = serde_json::to_value(ByteString(bytes)).ok();
    let text = text.as_ref().and_then(|text| text.as_str()).unwrap_or_default();
    let program = Program::Command {
        argv: ["sh", "-c", WRITE, "homeprov", FOLDER, &file, &sum].map(str::to_owned).to_vec(),
        input: Some(SecretString::from(text)),
    };
    let answer = context.run(node, Purpose::Apply, program).await?;
    if answer.succeeded() {
        return Ok(file);
    }
    Err(Failure::command(&format!("copying {} to {node}", path.display()), answer.status, &answer.stderr))
}

/// Arguments: the folder, the file, its SHA-256.
const WRITE: &str = r#"
umask 077
mkdir -p "$1" && base64 -d >"$2.new" &&
	printf '%s  %s\n' "$3" "$2.new" | sha256sum -c --quiet - &&
	mv "$2.new" "$2"
"#;

#[cfg(test)]
mod tests {
    use super::*;

    const CHART: Chart<'static> = Chart {
        release: "openebs",
        name: "openebs",
        repository: "https://openebs.github.io/charts",
        version: "3.3.x",
        key: "chart",
        given: None,
    };

    #[test]
    fn says_what_cannot_be_read_and_what_to_do() {
        let said = "Error: looks like \"https://openebs.github.io/charts\" is not a valid chart repository or cannot be reached";
        insta::assert_snapshot!(CHART.unreachable("nuc1", said), @r#"nuc1 cannot read the chart repository https://openebs.github.io/charts (Error: looks like "https://openebs.github.io/charts" is not a valid chart repository or cannot be reached); nothing was installed. Run `up` again when it answers, or take the chart openebs 3.3.x from elsewhere: [storage] chart = "path or URL of the .tgz""#);
    }

    #[test]
    fn another_chart_is_refused() {
        assert!(CHART.named("apiVersion: v2\nname: openebs\nversion: 3.10.0\n").is_ok());
        assert!(CHART.named("apiVersion: v2\nname: jiva\nversion: 3.6.0\n").is_err());
    }

    #[test]
    fn a_copy_is_whole_or_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().join("charts");
        let file = base.join("x.tgz");
        let bytes: Vec<u8> = (0..=255_u8).cycle().take(5000).collect();
        let text = serde_json::to_value(ByteString(bytes.clone())).unwrap();
        let write = |text: &str, sum: &str| {
            use std::io::Write as _;
            let mut child = std::process::Command::new("sh")
                .args(["-c", WRITE, "homeprov", &base.display().to_string(), &file.display().to_string(), sum])
                .stdin(std::process::Stdio::piped())
                .stderr(std::process::Stdio::null())
                .spawn()
                .unwrap();
            child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
            child.wait().unwrap().success()
        };
        let sum = hex(&Sha256::digest(&bytes));
        assert!(!write(&text.as_str().unwrap()[..400], &sum) && !file.exists());
        assert!(write(text.as_str().unwrap(), &sum));
        assert_eq!(std::fs::read(&file).unwrap(), bytes);
    }
}

//! Flux's own manifest, `install.yaml` of one release: from the release's page, another URL or a file, verified and kept
//! in the state folder.
//!
//! The release's `flux_<version>_checksums.txt` vouches for it (fluxcd/flux2 `.goreleaser.yml`: `checksum.extra_files`).

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::cause::Problem;
use crate::facts::identity::hex;

/// How long a download may take.
const LIMIT: Duration = Duration::from_secs(60);
/// More than any release's manifest has, in bytes.
const LARGEST: usize = 16 << 20;

/// Where the manifest comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The version, without a `v`.
    pub version: String,
    /// A path or a URL; the release's own URL when absent.
    pub place: Option<String>,
    /// Its SHA-256 sum, 64 hexadecimal digits.
    pub checksum: Option<String>,
}

impl Source {
    fn release(&self) -> String {
        format!("https://github.com/fluxcd/flux2/releases/download/v{}", self.version)
    }

    fn url(&self) -> Option<String> {
        match &self.place {
            None => Some(format!("{}/install.yaml", self.release())),
            Some(place) if place.starts_with("https://") || place.starts_with("http://") => Some(place.clone()),
            Some(_) => None,
        }
    }
}

/// The verified manifest: from the file, the state folder, or the network, in this order. `state` is homeprov's folder.
pub async fn read(source: &Source, state: &Path) -> Result<Arc<str>, Problem> {
    let folder = state.join("flux").join(format!("v{}", source.version));
    let (text, from) = match source.url() {
        None => {
            let path = source.place.clone().unwrap_or_default();
            let text = fs::read_to_string(&path)
                .map_err(|error| Problem::lasting(format!("cannot read {path}: {error}\n{KEY}")))?;
            verify(&text, source.checksum.as_deref(), &path)?;
            (text, path)
        }
        Some(url) => match kept(&folder, source) {
            Some(text) => (text, url),
            None => (download(source, &url, &source.release(), &folder).await?, url),
        },
    };
    fits(&text, source, &from)?;
    Ok(text.into())
}

const KEY: &str =
    "The key `components` under [flux] in the inventory names Flux's install.yaml: a path, or another URL.";

/// The copy kept, when it is still what was verified.
fn kept(folder: &Path, source: &Source) -> Option<String> {
    let text = fs::read_to_string(folder.join("install.yaml")).ok()?;
    let sum = fs::read_to_string(folder.join("install.yaml.sha256")).ok()?;
    let sum = sum.split_whitespace().next()?;
    let wanted = source.checksum.as_deref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(sum));
    (wanted && sum == sum_of(&text)).then_some(text)
}

/// `release` is where the release's files are: without a checksum in the inventory its own list vouches for the manifest.
async fn download(source: &Source, url: &str, release: &str, folder: &Path) -> Result<String, Problem> {
    let text = get(url).await?;
    let sum = if let Some(sum) = &source.checksum {
        sum.clone()
    } else {
        let page = format!("{release}/flux_{}_checksums.txt", source.version);
        let none = || {
            Problem::lasting(format!(
                "{page} has no checksum of install.yaml\nSay it under [flux] in the inventory: `checksum = \"…\"`."
            ))
        };
        listed(&get(&page).await?).ok_or_else(none)?
    };
    verify(&text, Some(&sum), url)?;
    // What cannot be kept is downloaded again the next time.
    let _ = keep(folder, &text);
    Ok(text)
}

/// The sum of `install.yaml` in a list as `sha256sum` writes it.
fn listed(sums: &str) -> Option<String> {
    let line = |line: &str| {
        let (sum, name) = line.split_once(char::is_whitespace)?;
        (name.trim().trim_start_matches('*') == "install.yaml").then(|| sum.to_owned())
    };
    sums.lines().find_map(line)
}

fn verify(text: &str, sum: Option<&str>, from: &str) -> Result<(), Problem> {
    let found = sum_of(text);
    match sum {
        Some(sum) if !sum.eq_ignore_ascii_case(&found) => Err(Problem::lasting(format!(
            "{from} is not what it should be: its SHA-256 sum is {found}, and not {sum}\nCompare both with the release's \
             page; `checksum` under [flux] in the inventory is the sum of the file you trust."
        ))),
        _ => Ok(()),
    }
}

/// Whether it is Flux's manifest, and of that version: its objects carry it as a label.
fn fits(text: &str, source: &Source, from: &str) -> Result<(), Problem> {
    let label = |line: &str| {
        let value = line.trim().strip_prefix("app.kubernetes.io/version:")?;
        Some(value.trim().trim_matches('"').trim_start_matches('v').to_owned())
    };
    match text.lines().find_map(label) {
        Some(version) if version == source.version => Ok(()),
        Some(version) => Err(Problem::lasting(format!(
            "{from} is of Flux v{version}, and the inventory says {}\nMend `version` or `components` under [flux].",
            source.version
        ))),
        None => {
            Err(Problem::lasting(format!("{from} is not a manifest of Flux: no object of it names a version\n{KEY}")))
        }
    }
}

fn sum_of(text: &str) -> String {
    hex(&Sha256::digest(text.as_bytes()))
}

fn keep(folder: &Path, text: &str) -> std::io::Result<()> {
    fs::create_dir_all(folder)?;
    for (name, content) in
        [("install.yaml", text.to_owned()), ("install.yaml.sha256", format!("{}  install.yaml\n", sum_of(text)))]
    {
        let mut draft = tempfile::NamedTempFile::new_in(folder)?;
        draft.write_all(content.as_bytes())?;
        draft.persist(PathBuf::from(folder).join(name)).map_err(|error| error.error)?;
    }
    Ok(())
}

async fn get(url: &str) -> Result<String, Problem> {
    // A second call finds the provider there, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().timeout(LIMIT).connect_timeout(Duration::from_secs(10)).build();
    let client = client.map_err(|error| Problem::lasting(format!("cannot download anything: {error}")))?;
    let failed = |error: &reqwest::Error| {
        let passing =
            error.is_connect() || error.is_timeout() || error.status().is_some_and(|status| status.is_server_error());
        Problem { passing, ..Problem::lasting(format!("cannot download {url}: {}\n{KEY}", chain(error))) }
    };
    let answer = client.get(url).send().await.and_then(reqwest::Response::error_for_status);
    let mut answer = answer.map_err(|error| failed(&error))?;
    let mut bytes = Vec::new();
    while let Some(part) = answer.chunk().await.map_err(|error| failed(&error))? {
        bytes.extend_from_slice(&part);
        if bytes.len() > LARGEST {
            return Err(Problem::lasting(format!(
                "{url} is larger than {} MiB: that is no manifest of Flux\n{KEY}",
                LARGEST >> 20
            )));
        }
    }
    String::from_utf8(bytes).map_err(|_| Problem::lasting(format!("{url} is no text\n{KEY}")))
}

/// An error with what lies behind it, without the URL, which is told already.
fn chain(error: &reqwest::Error) -> String {
    let mut texts = Vec::new();
    let mut next: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = next {
        let text = error.to_string();
        if !text.contains("://") {
            texts.push(text);
        }
        next = error.source();
    }
    match (texts.is_empty(), error.status()) {
        (_, Some(status)) => status.to_string(),
        (true, None) => "the server did not answer".to_owned(),
        (false, None) => texts.join(": "),
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    const MANIFEST: &str = "---\nkind: Namespace\nmetadata:\n  labels:\n    app.kubernetes.io/version: v2.9.4\n";

    fn source(place: Option<String>, checksum: Option<String>) -> Source {
        Source { version: "2.9.4".to_owned(), place, checksum }
    }

    /// Serves one answer to one request; returns its URL.
    async fn serve(status: &'static str, body: &'static str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/install.yaml", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await.unwrap();
            let answer =
                format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
            stream.write_all(answer.as_bytes()).await.unwrap();
        });
        url
    }

    #[tokio::test]
    async fn is_downloaded_once_and_kept() {
        let state = tempfile::tempdir().unwrap();
        let source = source(Some(serve("200 OK", MANIFEST).await), Some(sum_of(MANIFEST)));
        assert_eq!(&*read(&source, state.path()).await.unwrap(), MANIFEST);
        // The server has gone by now.
        assert_eq!(&*read(&source, state.path()).await.unwrap(), MANIFEST);
        fs::write(state.path().join("flux/v2.9.4/install.yaml"), "something else").unwrap();
        let problem = read(&source, state.path()).await.unwrap_err();
        assert!(problem.passing && problem.reason.contains("`components`"), "{}", problem.reason);
    }

    #[tokio::test]
    async fn what_is_not_as_its_checksum_says_is_refused() {
        let state = tempfile::tempdir().unwrap();
        let source = source(Some(serve("200 OK", MANIFEST).await), Some("0".repeat(64)));
        let problem = read(&source, state.path()).await.unwrap_err();
        assert!(!problem.passing && problem.reason.contains("SHA-256"), "{}", problem.reason);
        assert!(!state.path().join("flux").exists());
    }

    /// A release's folder: any number of requests, by the end of their path.
    async fn release(pages: &[(&'static str, String)]) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}/v2.9.4", listener.local_addr().unwrap());
        let pages = pages.to_vec();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = [0; 4096];
                let length = stream.read(&mut request).await.unwrap();
                let asked = String::from_utf8_lossy(&request[..length]).into_owned();
                let path = asked.split(' ').nth(1).unwrap_or_default();
                let page = pages.iter().find(|(name, _)| path == format!("/v2.9.4/{name}"));
                let (status, body) = page.map_or(("404 Not Found", ""), |(_, body)| ("200 OK", body.as_str()));
                let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
                stream.write_all((head + body).as_bytes()).await.unwrap();
            }
        });
        base
    }

    #[tokio::test]
    async fn the_releases_own_list_vouches_for_it() {
        let list = |sum: &str| format!("{}  flux_2.9.4_linux_amd64.tar.gz\n{sum}  install.yaml\n", "1".repeat(64));
        let tried = async |list: Option<String>| {
            let state = tempfile::tempdir().unwrap();
            let pages =
                [Some(("install.yaml", MANIFEST.to_owned())), list.map(|list| ("flux_2.9.4_checksums.txt", list))];
            let base = release(&pages.into_iter().flatten().collect::<Vec<_>>()).await;
            let url = format!("{base}/install.yaml");
            download(&source(None, None), &url, &base, state.path()).await.map_err(|problem| problem.reason)
        };
        assert_eq!(tried(Some(list(&sum_of(MANIFEST)))).await.as_deref(), Ok(MANIFEST));
        let wrong = tried(Some(list(&"0".repeat(64)))).await.unwrap_err();
        for part in [sum_of(MANIFEST), "0".repeat(64), "/v2.9.4/install.yaml".to_owned()] {
            assert!(wrong.contains(&part), "{wrong}");
        }
        let unlisted = tried(Some("11  crd-schemas.tar.gz\n".to_owned())).await.unwrap_err();
        assert!(unlisted.contains("`checksum = \"…\"`"), "{unlisted}");
        let none = tried(None).await.unwrap_err();
        assert!(none.contains("flux_2.9.4_checksums.txt: 404 Not Found"), "{none}");
    }

    #[tokio::test]
    async fn an_absent_release_is_told() {
        let state = tempfile::tempdir().unwrap();
        let source = source(Some(serve("404 Not Found", "").await), Some("0".repeat(64)));
        let problem = read(&source, state.path()).await.unwrap_err();
        assert!(!problem.passing && problem.reason.contains("404 Not Found"), "{}", problem.reason);
    }

    #[tokio::test]
    async fn a_file_is_of_the_version_wanted() {
        let state = tempfile::tempdir().unwrap();
        let path = state.path().join("install.yaml");
        let source = source(Some(path.display().to_string()), None);
        let told = async || read(&source, state.path()).await.map_err(|problem| problem.reason);
        assert!(told().await.unwrap_err().starts_with("cannot read "));
        fs::write(&path, MANIFEST).unwrap();
        assert_eq!(&*told().await.unwrap(), MANIFEST);
        fs::write(&path, MANIFEST.replace("2.9.4", "2.8.1")).unwrap();
        assert!(told().await.unwrap_err().contains("of Flux v2.8.1, and the inventory says 2.9.4"));
        fs::write(&path, "kind: Namespace\n").unwrap();
        assert!(told().await.unwrap_err().contains("not a manifest of Flux"));
        fs::write(&path, MANIFEST).unwrap();
        let summed = Source { checksum: Some("0".repeat(64)), ..source.clone() };
        let wrong = read(&summed, state.path()).await.unwrap_err().reason;
        assert!(wrong.contains(&sum_of(MANIFEST)) && wrong.contains(&"0".repeat(64)), "{wrong}");
        let right = Source { checksum: Some(sum_of(MANIFEST)), ..source.clone() };
        assert_eq!(&*read(&right, state.path()).await.unwrap(), MANIFEST);
    }

    #[test]
    fn finds_its_line_among_the_sums() {
        let sums = "aa11  flux_2.9.4_linux_amd64.tar.gz\nbb22  install.yaml\n";
        assert_eq!(listed(sums).as_deref(), Some("bb22"));
        assert_eq!(listed("aa11  crd-schemas.tar.gz\n"), None);
    }
}

//! Where a chart comes from: a repository, an address, a file or a folder (helm.sh/helm `pkg/action/install.go`).

use std::io::{Read as _, Write as _};

use flate2::read::GzDecoder;

use super::super::super::World;
use super::super::super::process::Call;
use super::arguments::Arguments;
use super::{constraint, repositories};
use crate::kubernetes::{Chart, from_yaml};

/// Where the packed charts of the repositories are.
const RELEASES: [(&str, &str); 3] = [
    ("openebs", "https://github.com/openebs/charts/releases/download"),
    ("nfs-provisioner", "https://github.com/openebs/dynamic-nfs-provisioner/releases/download"),
    ("traefik", "https://traefik.github.io/charts/traefik"),
];

/// The chart a command line means.
///
/// # Errors
/// helm's message, without the words before it.
pub(super) fn locate(world: &World, call: &Call, word: &str, arguments: &Arguments) -> Result<Chart, String> {
    let version = arguments.flag("version").unwrap_or_default();
    if let Some(found) = on_disk(world, call, word)? {
        return Ok(found);
    }
    if word.starts_with('/') || word.starts_with('.') {
        return Err(format!("path \"{word}\" not found"));
    }
    if word.starts_with("http://") || word.starts_with("https://") {
        return packed_at(world, call, word);
    }
    if let Some(url) = arguments.flag("repo") {
        let place = format!("{url} repository");
        let found = pick(repositories::charts_at(url), word, version, &place)?;
        return fetched(world, call, found);
    }
    let Some((name, chart)) = word.split_once('/') else {
        return Err(format!("non-absolute URLs should be in form of repo_name/path_to_chart, got: {word}"));
    };
    let all = repositories::known(world, call);
    let (_, url) = all.iter().find(|(known, _)| known == name).ok_or_else(|| format!("repo {name} not found"))?;
    repositories::cached(world, call, name).map_err(|path| {
        format!("no cached repo found. (try 'helm repo update'): open {path}: no such file or directory")
    })?;
    let found = pick(repositories::charts_at(url), chart, version, &format!("{name} index. (try 'helm repo update')"))?;
    fetched(world, call, found)
}

fn pick(charts: &[&str], name: &str, version: &str, place: &str) -> Result<Chart, String> {
    if !charts.contains(&name) {
        return Err(format!("chart \"{name}\" matching {version} not found in {place}: no chart name found"));
    }
    Chart::versions(name).find(|chart| constraint::fits(version, chart.version)).ok_or_else(|| {
        format!("chart \"{name}\" matching {version} not found in {place}: no chart version found for {name}-{version}")
    })
}

/// The packed chart has to come from where the index says.
fn fetched(world: &World, call: &Call, chart: Chart) -> Result<Chart, String> {
    let base = RELEASES.iter().find(|(name, _)| *name == chart.name).map_or("", |(_, base)| *base);
    let url = format!("{base}/{0}-{1}/{0}-{1}.tgz", chart.name, chart.version);
    repositories::unreachable(world, call, &url).map_or(Ok(chart), Err)
}

/// `https://…/openebs-3.3.1.tgz`: whoever serves it serves what its name says.
fn packed_at(world: &World, call: &Call, url: &str) -> Result<Chart, String> {
    if let Some(why) = repositories::unreachable(world, call, url) {
        return Err(why);
    }
    let file = url.rsplit('/').next().unwrap_or_default().trim_end_matches(".tgz");
    let found = file.rsplit_once('-').and_then(|(name, version)| Chart::known(name, version));
    found.ok_or_else(|| format!("failed to fetch {url} : 404 Not Found"))
}

fn on_disk(world: &World, call: &Call, path: &str) -> Result<Option<Chart>, String> {
    let folder = path.trim_end_matches('/');
    if let Some(text) = call.read(world, &format!("{folder}/Chart.yaml")) {
        return described(&text).map(Some);
    }
    let Some(bytes) = call.read(world, path) else {
        return Ok(None);
    };
    let missing = || format!("file '{path}' does not appear to be a gzipped archive; got 'application/octet-stream'");
    let mut tar = Vec::new();
    GzDecoder::new(bytes.as_slice()).read_to_end(&mut tar).map_err(|_| missing())?;
    let chart = member(&tar, "Chart.yaml").ok_or_else(|| "Chart.yaml file is missing".to_owned())?;
    described(chart).map(Some)
}

/// What `Chart.yaml` says decides.
fn described(text: &[u8]) -> Result<Chart, String> {
    let text = String::from_utf8_lossy(text);
    let document = from_yaml(&text)?.into_iter().next().unwrap_or_default();
    let (name, version) =
        (document["name"].as_str().unwrap_or_default(), document["version"].as_str().unwrap_or_default());
    if name.is_empty() {
        return Err("validation: chart.metadata.name is required".to_owned());
    }
    Chart::known(name, version)
        .ok_or_else(|| format!("this homelab does not know the objects of the chart {name}-{version}"))
}

/// The content of `NAME/file` in a tar archive: blocks of 512 bytes, the name in the first 100 of a header, the size in
/// octal digits at 124.
fn member<'a>(tar: &'a [u8], file: &str) -> Option<&'a [u8]> {
    let mut rest = tar;
    while rest.len() >= 512 && rest[0] != 0 {
        let (header, after) = rest.split_at(512);
        let digits = String::from_utf8_lossy(&header[124..136]);
        let size = usize::from_str_radix(digits.trim_matches(['\0', ' ']), 8).ok()?;
        let name = String::from_utf8_lossy(&header[..100]);
        let name = name.trim_end_matches('\0').trim_start_matches("./");
        if name.split_once('/').is_some_and(|(_, inner)| inner == file) {
            return after.get(..size);
        }
        rest = after.get(size.div_ceil(512) * 512..)?;
    }
    None
}

/// `Chart.yaml`.
pub(super) fn description(chart: Chart) -> String {
    format!("apiVersion: v2\nname: {}\nversion: {}\nappVersion: {}\n", chart.name, chart.version, chart.app_version)
}

/// A packed chart with nothing but its description.
pub(super) fn packed(chart: Chart) -> Vec<u8> {
    let text = description(chart);
    let mut header = [0_u8; 512];
    let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, format!("{}/Chart.yaml", chart.name).as_bytes());
    put(100, b"0000644\0");
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    put(124, format!("{:011o}\0", text.len()).as_bytes());
    put(136, b"00000000000\0");
    put(148, b"        ");
    put(156, b"0");
    put(257, b"ustar\x0000");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let mut tar = header.to_vec();
    tar.extend(text.as_bytes());
    tar.resize(tar.len().next_multiple_of(512) + 1_024, 0);
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    // Writing into memory does not fail.
    let _ = packer.write_all(&tar);
    packer.finish().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packed_chart_is_what_its_description_says() {
        for chart in Chart::versions("openebs") {
            let mut tar = Vec::new();
            GzDecoder::new(packed(chart).as_slice()).read_to_end(&mut tar).unwrap();
            assert_eq!(described(member(&tar, "Chart.yaml").unwrap()), Ok(chart));
        }
        assert!(described(b"name: openebs\nversion: 9.9.9\n").is_err());
        assert!(member(b"no tar", "Chart.yaml").is_none());
    }
}

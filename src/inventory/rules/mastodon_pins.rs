//! The chart and the image, pinned.

use super::flux_release::numbers;
use crate::diagnostic::Problem;
use crate::document::Report;
use crate::inventory::file::File;
use crate::inventory::flux::url;

/// The chart is a commit of a repository, and of the generation whose values homeprov writes.
pub(super) fn chart(file: &File, report: &mut Report) {
    let Some(chart) = file.mastodon.given().and_then(|mastodon| mastodon.chart.given()) else { return };
    if let Some(repository) = chart.repository.given()
        && !url::normal(&repository.value).is_ok_and(|url| url.starts_with("https://"))
    {
        report.push(
            Problem::error("the chart's repository is not at an https URL")
                .at(repository.span.clone(), "https://, without a password")
                .help("such as repository = \"https://github.com/mastodon/chart\""),
        );
    }
    if let Some(commit) = chart.commit.given() {
        let digits = commit.value.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if !digits || commit.value.len() != 40 {
            report.push(
                Problem::error("this is not a whole commit")
                    .at(commit.span.clone(), "40 hexadecimal digits")
                    .why("a branch or a tag can move, and an upgrade of the chart migrates the database")
                    .help("`git ls-remote https://github.com/mastodon/chart` shows them"),
            );
        }
        if chart.version.given().is_none() {
            report.push(
                Problem::error("`version` is missing: which version has this commit?")
                    .at(commit.span.clone(), "a commit of your choice")
                    .help("its Chart.yaml says: add a line such as version = \"6.9.3\""),
            );
        }
    }
    if let Some(version) = chart.version.given() {
        let (label, help) = match numbers(&version.value) {
            Some((6, 9..)) => return,
            Some(_) => (
                "homeprov writes values for 6.9 and later 6.x",
                "the next generation, mastodon/helm-charts, has other values",
            ),
            None => ("three numbers with points between them", "such as version = \"6.9.3\""),
        };
        report.push(
            Problem::error("this version of the chart cannot be used").at(version.span.clone(), label).help(help),
        );
    }
}

/// The image has a tag that stays what it is.
pub(super) fn image(file: &File, report: &mut Report) {
    let Some(image) = file.mastodon.given().and_then(|mastodon| mastodon.image.given()) else { return };
    let sane = |c: char| c.is_ascii_alphanumeric() || "_.-@:".contains(c);
    let label = match image.value.as_str() {
        "latest" | "edge" | "nightly" => "it moves on by itself",
        text if text.contains('/') => "a tag, without the name of the image",
        text if text.is_empty() || !text.chars().all(sane) || text.starts_with(['.', '-', ':', '@']) => "not a tag",
        _ => return,
    };
    report.push(
        Problem::error("`image` is not a tag that pins Mastodon")
            .at(image.span.clone(), label)
            .why("an upgrade of Mastodon migrates its database: it has to come when you want it")
            .help("such as image = \"v4.6.3\"; for another image add values = { image = { repository = \"…\" } }"),
    );
}

//! A verification of the site, shown: every part for people, JSON for programs.

use super::paint::Paint;
use super::status::{entry, mark};
use crate::mastodon::Finding;
use crate::mastodon::report::Report;

/// The verification as a JSON document.
pub fn json(report: &Report) -> serde_json::Result<String> {
    serde_json::to_string_pretty(report)
}

/// The verification for people, broken at `width` columns.
pub fn text(report: &Report, paint: Paint, width: usize) -> String {
    let mut text = String::new();
    for finding in &report.findings {
        text += &part(finding, paint, width);
    }
    let at = report.at.strftime("%Y-%m-%d %H:%M UTC");
    let address = report.address.map_or_else(|| "no address".to_owned(), |address| address.to_string());
    let (mark, verdict) = match report.holds {
        true => (paint.good("✔"), "is as it should be"),
        false => (paint.bad("✘"), "is not as it should be"),
    };
    let line = format!("Mastodon {} at {} ({address}) {verdict}, at {at}", report.version, report.site);
    text + "\n" + &entry(&mark, &line, width)
}

fn part(finding: &Finding, paint: Paint, width: usize) -> String {
    let mut text = entry(&mark(finding.verdict, paint), &format!("{}: {}", finding.part, finding.text), width);
    if let Some(remedy) = &finding.remedy {
        let lines = entry(&paint.busy("→"), &format!("what to do: {remedy}"), width.saturating_sub(2));
        text.extend(lines.lines().map(|line| format!("  {line}\n")));
    }
    text
}

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
    let (mark, verdict) = if report.holds {
        (paint.good("✔"), "is as it should be")
    } else {
        (paint.bad("✘"), "is not as it should be")
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mastodon::report::SCHEMA;

    #[test]
    fn a_verification_shows_every_part_and_what_to_do() {
        let report = Report {
            schema: SCHEMA,
            site: "https://social.example.org".to_owned(),
            address: Some([192, 168, 1, 240].into()),
            version: "v4.6.3".to_owned(),
            at: "2026-01-01T10:00:00Z".parse().unwrap(),
            holds: false,
            findings: vec![
                Finding::good("mastodon-running", "everything of Mastodon runs"),
                Finding::open("certificate", "the ingress controller's own, which no browser trusts"),
                Finding::bad(
                    "web",
                    "https://social.example.org/health answers 503 at 192.168.1.240",
                    "look at the pods",
                ),
            ],
        };
        insta::assert_snapshot!(text(&report, Paint::new(false), 80));
        assert!(json(&report).unwrap().contains("\"verdict\": \"unknown\""));
    }
}

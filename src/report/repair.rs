//! What came of a repair, shown: for people, and JSON for programs.

use super::paint::Paint;
use super::status::entry;
use super::words;
use crate::facts::mending::Told;
use crate::repair::{Entry, Report};
use crate::steps::stuck::Proof;

/// The report as a JSON document.
pub fn json(report: &Report) -> serde_json::Result<String> {
    serde_json::to_string_pretty(report)
}

/// The report for people, broken at `width` columns.
pub fn text(report: &Report, paint: Paint, width: usize) -> String {
    let mut text = String::new();
    for id in &report.mended {
        text += &entry(&paint.good("✔"), &format!("mended: {id}"), width);
    }
    for left in &report.left {
        text += &stuck(left, paint, width);
    }
    for line in &report.not_seen {
        text += &entry(&paint.care("!"), line, width);
    }
    let mark = if report.left.is_empty() { paint.good("✔") } else { paint.bad("✘") };
    let found = match report.left.len() {
        0 => "nothing is stuck".to_owned(),
        count => format!("{} stuck", words::count(count, "thing")),
    };
    let at = report.at.strftime("%Y-%m-%d %H:%M UTC");
    text + &entry(&mark, &format!("{}: {found}, at {at}", report.cluster), width)
}

fn stuck(left: &Entry, paint: Paint, width: usize) -> String {
    let mut text = entry(&paint.bad("✘"), &paint.bold(&left.id), width);
    let mut part = |title: &str, said: &str| {
        let lines = entry(&format!("{title:<9}"), said, width.saturating_sub(10));
        for (number, line) in lines.lines().enumerate() {
            let lead = if number == 0 { "  " } else { "          " };
            text.extend([lead, line, "\n"]);
        }
    };
    let finding = &left.finding;
    part("seen", &finding.seen);
    part("cause", finding.why);
    match &finding.proof {
        Proof::Given { because } => {
            part("safe", because);
            part("do", &finding.way_out);
        }
        Proof::Missing { because, would_prove } => {
            part("unproven", because);
            part("do", would_prove);
        }
    }
    match &left.told {
        Some(Told::Declined) => part("left", "as it is, as you said"),
        Some(Told::Vain { reason }) => part("tried", reason),
        Some(Told::Mended) => part("tried", "it was gone, and has come back"),
        None => {}
    }
    text + "\n"
}

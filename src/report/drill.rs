//! What came of a drill, shown: a table for people, JSON for programs.

use super::paint::Paint;
use super::status::{entry, plain_table};
use super::words;
use crate::drill::{Report, Row};
use std::time::Duration;

/// The report as a JSON document.
pub fn json(report: &Report) -> serde_json::Result<String> {
    serde_json::to_string_pretty(report)
}

/// The report for people, `width` columns wide at the most.
pub fn text(report: &Report, paint: Paint, width: usize) -> String {
    let away = words::duration(Duration::from_secs(report.away_seconds));
    let header = ["", "MEASURED", "", "SEEN"];
    let rows = report.rows.iter().map(|row| cells(row, paint));
    let mut text = format!(
        "{}  {} by {}, away for {away}\n\n{}\n\n",
        paint.bold(&report.cluster),
        report.node,
        report.how,
        plain_table(&header, rows, width, Some(3)),
    );
    if let Some(by_hand) = &report.by_hand {
        text += &entry(&paint.bad("✘"), &format!("{} is not back. To bring it back: {by_hand}", report.node), width);
    }
    let mark = if report.passed { paint.good("✔") } else { paint.bad("✘") };
    text + &entry(&mark, &report.summary(), width)
}

fn cells(row: &Row, paint: Paint) -> Vec<String> {
    let mark = if row.well { paint.good("✔") } else { paint.bad("✘") };
    let seconds = row.seconds.map_or_else(|| "-".to_owned(), |seconds| format!("{seconds} s"));
    vec![mark, super::clean::clean(&row.title), seconds, super::clean::clean(&row.detail)]
}

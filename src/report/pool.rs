//! A verification of the pool, shown: what was found and what is in use for people, JSON for programs.

use super::paint::Paint;
use super::status::{entry, mark};
use super::words;
use crate::pool::{Finding, InUse, Report};

/// The verification as a JSON document.
pub fn json(report: &Report) -> serde_json::Result<String> {
    serde_json::to_string_pretty(report)
}

/// The verification for people, broken at `width` columns.
pub fn text(report: &Report, paint: Paint, width: usize) -> String {
    let mut text = String::new();
    for used in &report.in_use {
        text += &entry(&paint.good("✔"), &in_use(used), width);
    }
    for found in &report.findings {
        text += &finding(found, paint, width);
    }
    for line in &report.not_tried {
        text += &entry(&paint.care("!"), line, width);
    }
    if !text.is_empty() {
        text.push('\n');
    }
    let (mark, verdict) = if report.holds {
        (paint.good("✔"), "nobody else was found there")
    } else {
        (paint.bad("✘"), "not the cluster's alone")
    };
    let line = format!(
        "pool {}: {verdict}; {} asked for by ARP from {}, at {}",
        report.ranges.join(", "),
        addresses(report.addresses),
        words::list(&report.asked_from),
        report.at.strftime("%Y-%m-%d %H:%M UTC"),
    );
    text + &entry(&mark, &line, width)
}

fn addresses(number: usize) -> String {
    if number == 1 { "1 address".to_owned() } else { format!("{number} addresses") }
}

fn in_use(used: &InUse) -> String {
    let InUse { address, service, .. } = used;
    match (&used.node, &used.mac) {
        (Some(node), Some(mac)) => format!("{address} is {service}'s, announced by {node} ({mac})"),
        _ => format!("{address} is {service}'s"),
    }
}

fn finding(found: &Finding, paint: Paint, width: usize) -> String {
    let heard = match found.heard_by.as_slice() {
        [] => String::new(),
        nodes => format!(" (heard by {})", words::list(nodes)),
    };
    let mut text = entry(&mark(found.verdict, paint), &format!("{}{heard}", found.text), width);
    let lines = entry(&paint.busy("→"), &format!("what to do: {}", found.remedy), width.saturating_sub(2));
    text.extend(lines.lines().map(|line| format!("  {line}\n")));
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool::{Kind, SCHEMA};
    use crate::status::Conclusion;

    fn report() -> Report {
        Report {
            schema: SCHEMA,
            cluster: "home".to_owned(),
            ranges: vec!["192.168.1.240-192.168.1.250".to_owned()],
            dhcp_range: Some("192.168.1.100-192.168.1.199".to_owned()),
            addresses: 11,
            asked_from: vec!["nuc1".to_owned(), "nuc2".to_owned()],
            at: "2026-01-01T10:00:00Z".parse().unwrap(),
            holds: true,
            in_use: vec![InUse {
                address: [192, 168, 1, 240].into(),
                service: "ingress/ingress".to_owned(),
                node: Some("nuc2".to_owned()),
                mac: Some("02:00:0a:4d:00:0c".to_owned()),
            }],
            findings: vec![],
            not_tried: vec![],
        }
    }

    #[test]
    fn a_clean_pool_and_one_with_a_stranger_in_it() {
        let mut report = report();
        let clean = text(&report, Paint::new(false), 80);
        report.holds = false;
        report.findings = vec![Finding {
            kind: Kind::Collision,
            address: Some([192, 168, 1, 243].into()),
            macs: vec!["b8:27:eb:4d:00:cb".to_owned()],
            heard_by: vec!["nuc1".to_owned(), "nuc2".to_owned()],
            verdict: Conclusion::No,
            text: "192.168.1.243 is answered for by b8:27:eb:4d:00:cb, which is none of the nodes".to_owned(),
            remedy: "take it out of [metallb] pool".to_owned(),
        }];
        report.not_tried = vec!["nuc3 could not be reached: no route to host".to_owned()];
        let found = text(&report, Paint::new(false), 80);
        insta::assert_snapshot!(format!("{clean}----\n{found}----\n{}", json(&report).unwrap()));
    }
}

//! A diagnosis, shown: what was found for people, JSON for programs.

use super::paint::Paint;
use super::status::entry;
use super::words;
use crate::doctor::{Diagnosis, Finding};

/// The diagnosis as a JSON document.
pub fn json(diagnosis: &Diagnosis) -> serde_json::Result<String> {
    serde_json::to_string_pretty(diagnosis)
}

/// The diagnosis for people, broken at `width` columns. Traps seen in several places are told once, with every place.
pub fn text(diagnosis: &Diagnosis, paint: Paint, width: usize) -> String {
    let mut text = String::new();
    let same = |one: &Finding, other: &Finding| one.check == other.check;
    for group in diagnosis.findings.chunk_by(same) {
        text += &trap(group, paint, width);
    }
    for line in &diagnosis.not_seen {
        text += &entry(&paint.care("!"), line, width);
    }
    let whole = diagnosis.not_seen.is_empty() && diagnosis.looked_at == diagnosis.checks;
    let mark = match diagnosis.findings.len() {
        0 if whole => paint.good("✔"),
        // Nothing was found where nobody could look: that is no good news.
        0 => paint.care("?"),
        _ => paint.bad("✘"),
    };
    let found = match diagnosis.findings.len() {
        0 => "nothing found".to_owned(),
        found => format!("{found} found"),
    };
    let at = diagnosis.at.strftime("%Y-%m-%d %H:%M UTC");
    let held = match diagnosis.looked_at {
        0 => "nothing could be looked at".to_owned(),
        looked if looked < diagnosis.checks => {
            format!("{looked} of {} held against it, {found}", words::count(diagnosis.checks, "known trap"))
        }
        _ if whole => format!("{} held against it, {found}", words::count(diagnosis.checks, "known trap")),
        _ => format!("{} held against what could be seen, {found}", words::count(diagnosis.checks, "known trap")),
    };
    let line = format!("{}: {held}, at {at}", diagnosis.cluster);
    text + &entry(&mark, &line, width)
}

fn trap(group: &[Finding], paint: Paint, width: usize) -> String {
    let Some(first) = group.first() else { return String::new() };
    let mut text = entry(&paint.bad("✘"), &paint.bold(first.check), width);
    let mut part = |title: &str, said: &str| {
        let lines = entry(&format!("{title:<9}"), said, width.saturating_sub(10));
        // Later lines stand under the first one's words.
        for (number, line) in lines.lines().enumerate() {
            let lead = if number == 0 { "  " } else { "          " };
            text.extend([lead, line, "\n"]);
        }
    };
    part("symptom", first.symptom);
    part("cause", first.cause);
    for finding in group {
        let place = finding.node.as_ref().map(|node| format!("{node}: ")).unwrap_or_default();
        part("seen", &format!("{place}{}", finding.evidence));
        part("do", &finding.remedy);
    }
    part("see", first.link);
    text + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::SCHEMA;

    const TOLD: &str = "\
✘ iscsid-off\n\
\x20 symptom   `enable community/openebs` ends with status 0, and nothing\n\
\x20           is installed\n\
\x20 cause     the addon gives up without an error while iscsid is not\n\
\x20           enabled\n\
\x20 seen      nuc1: iscsid is not enabled\n\
\x20 do        there: `systemctl enable --now iscsid`\n\
\x20 seen      nuc2: iscsid is not enabled\n\
\x20 do        there: `systemctl enable --now iscsid`\n\
\x20 see       https://example.org/addons/openebs/enable\n\
\n\
! nuc3 could not be reached: no route to host\n\
✘ home: 40 known traps held against what could be seen, 2 found, at\n\
\x20 2026-01-01 10:00 UTC\n\
";

    #[test]
    fn a_trap_in_two_places_is_told_once() {
        let finding = |node: &str| Finding {
            check: "iscsid-off",
            node: Some(node.to_owned()),
            symptom: "`enable community/openebs` ends with status 0, and nothing is installed",
            cause: "the addon gives up without an error while iscsid is not enabled",
            evidence: "iscsid is not enabled".to_owned(),
            remedy: "there: `systemctl enable --now iscsid`".to_owned(),
            link: "https://example.org/addons/openebs/enable",
        };
        let mut diagnosis = Diagnosis {
            schema: SCHEMA,
            cluster: "home".to_owned(),
            at: "2026-01-01T10:00:00Z".parse().unwrap(),
            findings: vec![finding("nuc1"), finding("nuc2")],
            checks: 40,
            looked_at: 40,
            not_seen: vec!["nuc3 could not be reached: no route to host".to_owned()],
        };
        assert_eq!(text(&diagnosis, Paint::new(false), 72), TOLD);
        assert!(json(&diagnosis).unwrap().contains("\"check\": \"iscsid-off\""));
        diagnosis.findings.clear();
        diagnosis.not_seen.clear();
        assert_eq!(
            text(&diagnosis, Paint::new(false), 72),
            "✔ home: 40 known traps held against it, nothing found, at 2026-01-01\n  10:00 UTC\n"
        );
        diagnosis.looked_at = 12;
        assert_eq!(
            text(&diagnosis, Paint::new(false), 72),
            "? home: 12 of 40 known traps held against it, nothing found, at\n  2026-01-01 10:00 UTC\n"
        );
        diagnosis.looked_at = 0;
        assert_eq!(
            text(&diagnosis, Paint::new(false), 72),
            "? home: nothing could be looked at, at 2026-01-01 10:00 UTC\n"
        );
    }
}

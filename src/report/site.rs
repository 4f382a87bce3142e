//! How the site stands, shown.

use super::paint::Paint;
use super::status::{entry, mark};
use crate::status::Conclusion;
use crate::status::site::SiteStatus;

/// Whether it runs and answers, and what it needs from outside.
pub(super) fn text(status: &SiteStatus, paint: Paint, width: usize) -> String {
    let address = status.address.map_or_else(|| "no address yet".to_owned(), |address| address.to_string());
    let mut text = format!("\n{}  {} {} ({address})\n\n", paint.bold("site"), status.version, status.url);
    let running = status.waiting.as_deref().unwrap_or("everything of it runs");
    text += &entry(&mark(status.running, paint), running, width);
    text += &match &status.answered {
        Some(answered) => {
            let at = answered.at.strftime("%Y-%m-%d %H:%M UTC");
            let line = format!("answered {at}; `homeprov verify app` asks again and shows how");
            entry(&paint.good("✔"), &line, width)
        }
        None => entry(&paint.care("?"), "not asked yet, or changed since it was", width),
    };
    for finding in status.outside.iter().flat_map(|outside| &outside.evidence) {
        let wrong = finding.contains("; what to do: ");
        text += &entry(&mark(if wrong { Conclusion::Unknown } else { Conclusion::Yes }, paint), finding, width);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::Probe;

    #[test]
    fn a_site_that_waits_and_one_that_answers() {
        let at = "2026-01-01T10:00:00Z".parse().unwrap();
        let probe = |evidence: &[&str]| Probe {
            verdict: Conclusion::Yes,
            at,
            evidence: evidence.iter().map(|line| (*line).to_owned()).collect(),
        };
        let mut status = SiteStatus {
            url: "https://social.example.org".to_owned(),
            version: "v4.6.3".to_owned(),
            address: Some([192, 168, 1, 240].into()),
            running: Conclusion::Yes,
            waiting: None,
            answered: Some(probe(&[])),
            outside: Some(probe(&["name: no record; what to do: make one", "mail: it answers EHLO"])),
        };
        let paint = Paint::new(false);
        let answers = text(&status, paint, 80);
        status.running = Conclusion::No;
        status.waiting = Some("waiting for mastodon-web (0 of 1 ready)".to_owned());
        (status.answered, status.address) = (None, None);
        insta::assert_snapshot!(answers + &text(&status, paint, 80));
    }
}

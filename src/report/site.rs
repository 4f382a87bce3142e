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

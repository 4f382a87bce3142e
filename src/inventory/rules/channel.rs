//! The snap channel of MicroK8s: `<track>/<risk>[/<branch>]`, see <https://snapcraft.io/docs/channels>.

use crate::diagnostic::Problem;
use crate::document::At;
use crate::document::Report;
use crate::document::suggest::nearest;
use crate::inventory::file::{DEFAULT_CHANNEL, File};

const RISKS: [&str; 4] = ["stable", "candidate", "beta", "edge"];

/// The channel has a track, a risk and perhaps a branch.
pub(super) fn well_formed(file: &File, report: &mut Report) {
    if let Some(channel) = file.cluster.given().and_then(|table| table.channel.given()) {
        report.check(parse(channel));
    }
}

/// The channel as snapd takes it.
pub(in crate::inventory) fn parse(text: &At<String>) -> Result<String, Problem> {
    let problem = |span, label: String, help: String| {
        Problem::error("this is not a snap channel")
            .at(span, label)
            .why("a channel is <track>/<risk>, and sometimes /<branch>")
            .help(help)
    };
    let whole = || text.span.clone();
    let example = || format!("such as channel = \"{DEFAULT_CHANNEL}\"; `snap info microk8s` lists them");
    let part_is_sane = |part: &str| {
        let sane = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
        part.starts_with(|c: char| c.is_ascii_alphanumeric()) && part.chars().all(sane)
    };
    let parts: Vec<&str> = text.value.split('/').collect();
    if let Some(odd) = parts.iter().find(|part| !part_is_sane(part)) {
        let label = if odd.is_empty() { "a part is empty" } else { "not a name" };
        return Err(problem(text.find(odd), label.to_owned(), example()));
    }
    if let Some(right) = text.value.strip_prefix('v').filter(|right| right.starts_with(|c: char| c.is_ascii_digit())) {
        let risk = if parts.len() == 1 { "/stable" } else { "" };
        let help = format!("write channel = \"{right}{risk}\"; `snap info microk8s` lists them");
        return Err(problem(text.part(0..1), "tracks have no `v`".to_owned(), help));
    }
    match parts.as_slice() {
        [risk] if RISKS.contains(risk) => Err(problem(
            whole(),
            "a risk without a track".to_owned(),
            format!("name the version too: channel = \"1.35/{risk}\""),
        )),
        [track] => Err(problem(
            whole(),
            "a track without a risk".to_owned(),
            format!("add the risk: channel = \"{track}/stable\""),
        )),
        [_, risk] | [_, risk, _] if RISKS.contains(risk) => Ok(text.value.clone()),
        [track, risk] | [track, risk, _] => {
            let label = match nearest(risk, RISKS) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "not a risk".to_owned(),
            };
            let start = track.len() + 1;
            Err(problem(text.part(start..start + risk.len()), label, format!("the risks are {}", RISKS.join(", "))))
        }
        _ => Err(problem(whole(), "too many parts".to_owned(), example())),
    }
}

//! A proof, shown: every piece of evidence with its node and path for people, JSON for programs.

use std::fmt::Write as _;

use super::clean::clean;
use super::paint::Paint;
use super::words;
use crate::storage::{ClassProof, Evidence, Proof};

/// The proof as a JSON document.
pub fn json(proof: &Proof) -> serde_json::Result<String> {
    serde_json::to_string_pretty(proof)
}

/// The proof for people. Text is broken at `width` columns; paths are not, so that they can be copied.
pub fn text(proof: &Proof, paint: Paint, width: usize) -> String {
    let mut text = String::new();
    for class in &proof.classes {
        text += &class_text(class, paint, width);
        text.push('\n');
    }
    let nodes: Vec<String> = proof.nodes.iter().map(|node| format!("{} {}", node.name, node.version)).collect();
    let at = proof.at.strftime("%Y-%m-%d %H:%M UTC");
    let (mark, verdict) = if proof.holds { (paint.good("✔"), "proven") } else { (paint.bad("✘"), "not proven") };
    text += &entry(&mark, &format!("{verdict} at {at} on {}", nodes.join(", ")), 0, width);
    for left in &proof.left_behind {
        text += &entry(&paint.care("!"), &format!("left behind, for the next proof to remove: {left}"), 0, width);
    }
    text
}

fn class_text(class: &ClassProof, paint: Paint, width: usize) -> String {
    let mark = if class.holds() { paint.good("✔") } else { paint.bad("✘") };
    let conclusion = if class.cause.is_none() { class.conclusion() } else { "not proven".to_owned() };
    let headline = format!("({}, {}): {conclusion}", class.access.name(), class.keeper.name());
    let mut text = entry(&mark, &format!("{} {headline}", class.class), 0, width);
    let nodes = class.evidence.iter().filter_map(|evidence| evidence.node.as_ref());
    let column = nodes.map(|node| console::measure_text_width(node)).max().unwrap_or(0).max("cluster".len());
    for evidence in &class.evidence {
        text += &evidence_text(evidence, paint, column, width);
    }
    for line in &class.not_tried {
        text += &entry(&paint.care("-"), line, 2, width);
    }
    if let Some(cause) = &class.cause {
        text += &entry(&paint.bad("✘"), &format!("cause: {}", cause.text()), 2, width);
        text += &entry(&paint.busy("→"), &format!("what to do: {}", cause.remedy()), 2, width);
    }
    text
}

fn evidence_text(evidence: &Evidence, paint: Paint, column: usize, width: usize) -> String {
    let mark = if evidence.holds { paint.good("✔") } else { paint.bad("✘") };
    let node = clean(evidence.node.as_deref().unwrap_or("cluster"));
    let room = column.saturating_sub(console::measure_text_width(&node));
    let lead = format!("({}) {node}{}  ", evidence.number, " ".repeat(room));
    let indent = 4 + console::measure_text_width(&lead);
    let lines = words::wrap(&clean(&evidence.text), width.saturating_sub(indent).max(20));
    let mut text = String::new();
    for (number, line) in lines.iter().enumerate() {
        let lead = if number == 0 { format!("  {mark} {lead}") } else { " ".repeat(indent) };
        let _ = writeln!(text, "{lead}{}", line.trim_end());
    }
    if let Some(path) = &evidence.path {
        let _ = writeln!(text, "{}{}", " ".repeat(indent), paint.dim(&clean(path)));
    }
    text
}

/// A marked text, broken at `width`.
fn entry(mark: &str, text: &str, indent: usize, width: usize) -> String {
    let lines = words::wrap(&clean(text), width.saturating_sub(indent + 2));
    let lead = |number| if number == 0 { mark } else { " " };
    let space = " ".repeat(indent);
    let lines = lines.iter().enumerate();
    lines.map(|(number, line)| [space.as_str(), lead(number), " ", line.trim_end(), "\n"].concat()).collect()
}

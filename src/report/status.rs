//! How the cluster stands, shown: a table for people, JSON for programs.

use comfy_table::{Cell, ContentArrangement, Table, presets};

use super::clean::clean;
use super::paint::Paint;
use super::words;
use crate::inventory::model::Role;
use crate::status::{ClusterStatus, Conclusion, DqliteRole, NodeStatus, PoolStatus};

/// The status as a JSON document.
pub fn json(status: &ClusterStatus) -> serde_json::Result<String> {
    serde_json::to_string_pretty(status)
}

/// The status for people. The table has `width` columns at the most; text after it is broken there.
pub fn text(status: &ClusterStatus, paint: Paint, width: usize) -> String {
    let identity = match &status.identity {
        Some(identity) => format!("identity {identity}"),
        None => "no cluster yet".to_owned(),
    };
    let mut text = format!(
        "{}  MicroK8s {}  {}\n\n{}\n\n",
        paint.bold(&status.cluster),
        status.channel,
        paint.dim(&identity),
        table(&status.nodes, width),
    );
    for node in status.nodes.iter().filter(|node| !node.reachable) {
        let reason = node.unreachable_because.as_deref().unwrap_or("it does not answer");
        text += &entry(&paint.bad("✘"), &format!("{} is unreachable: {reason}", node.name), width);
    }
    text += &high_availability(status, paint, width);
    if let Some(pool) = &status.pool {
        text += &pool_lines(pool, paint, width);
    }
    for warning in &status.warnings {
        text += &entry(&paint.care("!"), warning, width);
    }
    text
}

fn table(nodes: &[NodeStatus], width: usize) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(u16::try_from(width).unwrap_or(u16::MAX))
        .set_header(["NODE", "ADDRESS", "ROLE", "SYSTEM", "MICROK8S", "READY", "DATA STORE"]);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    for node in nodes {
        table.add_row(row(node).map(Cell::new));
    }
    table.trim_fmt()
}

fn row(node: &NodeStatus) -> [String; 7] {
    let or_dash = |text: &Option<String>| text.as_deref().map_or("-".to_owned(), clean);
    let microk8s = match (&node.microk8s_version, node.held) {
        (Some(version), Some(false)) => format!("{} not held", clean(version)),
        (version, _) => or_dash(version),
    };
    let ready = match node.kubernetes_ready {
        _ if !node.reachable && node.kubernetes_ready.is_none() => "unreachable",
        Some(true) => "yes",
        Some(false) => "no",
        None => "no member",
    };
    let data_store = match (node.dqlite_role, node.answers) {
        (DqliteRole::None, _) => "-",
        (DqliteRole::Voter, Some(false)) => "voter, silent",
        (DqliteRole::Voter, _) => "voter",
        (DqliteRole::StandBy, Some(false)) => "stand-by, silent",
        (DqliteRole::StandBy, _) => "stand-by",
        (DqliteRole::Spare, _) => "spare",
    };
    let role = match node.role {
        Role::ControlPlane => "control-plane",
        Role::Worker => "worker",
    };
    [
        node.name.clone(),
        node.address.to_string(),
        role.to_owned(),
        or_dash(&node.os),
        microk8s,
        ready.to_owned(),
        data_store.to_owned(),
    ]
}

fn high_availability(status: &ClusterStatus, paint: Paint, width: usize) -> String {
    let found = &status.high_availability;
    let headline = match found.verdict {
        Conclusion::Yes => "highly available",
        Conclusion::No => "not highly available",
        Conclusion::Unknown => "not known to be highly available",
    };
    let agreed = if found.agreed { "" } else { "; its members disagree" };
    let text = format!(
        "{headline}: {} of {} answer{agreed}. {}",
        found.voters_that_answer,
        words::count(found.of as usize, "voter"),
        found.reason,
    );
    entry(&mark(found.verdict, paint), &text, width)
}

fn pool_lines(pool: &PoolStatus, paint: Paint, width: usize) -> String {
    let ranges = pool.ranges.join(", ");
    let speakers = format!("{} of {} ready", pool.speakers_ready, words::count(pool.of as usize, "speaker"));
    let Some(probe) = &pool.probe else {
        let text = format!("pool {ranges}: {speakers}; not probed yet");
        return entry(&mark(Conclusion::Unknown, paint), &text, width);
    };
    let verdict = match probe.verdict {
        Conclusion::Yes => "announced",
        Conclusion::No => "not announced",
        Conclusion::Unknown => "not known to be announced",
    };
    let at = probe.at.strftime("%Y-%m-%d %H:%M UTC");
    let text = format!("pool {ranges}: {verdict}; {speakers}; probed {at}");
    let mut lines = entry(&mark(probe.verdict, paint), &text, width);
    for finding in &probe.evidence {
        lines += &entry(" ", &format!("- {finding}"), width);
    }
    lines
}

fn mark(conclusion: Conclusion, paint: Paint) -> String {
    match conclusion {
        Conclusion::Yes => paint.good("✔"),
        Conclusion::No => paint.bad("✘"),
        Conclusion::Unknown => paint.care("?"),
    }
}

/// One finding behind a mark, broken at `width`.
fn entry(mark: &str, text: &str, width: usize) -> String {
    let text: Vec<String> = text.lines().map(clean).collect();
    let lines = words::wrap(&text.join("\n"), width.saturating_sub(2));
    let mut entry = String::new();
    for (number, line) in lines.iter().enumerate() {
        let lead = if number == 0 { mark } else { " " };
        entry += &format!("{lead} {}\n", line.trim_end());
    }
    entry
}

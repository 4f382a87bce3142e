//! How the cluster stands, shown: a table for people, JSON for programs.

use comfy_table::{Cell, ColumnConstraint, ContentArrangement, Table, presets};

use super::clean::clean;
use super::paint::Paint;
use super::words;
use crate::inventory::model::Role;
use crate::status::{ClusterStatus, Conclusion, DqliteRole, DrillStatus, NodeStatus, PoolStatus};

/// The status as a JSON document.
pub fn json(status: &ClusterStatus) -> serde_json::Result<String> {
    serde_json::to_string_pretty(status)
}

/// The status for people. The table has `width` columns at the most; text after it is broken there.
pub fn text(status: &ClusterStatus, paint: Paint, width: usize) -> String {
    let identity = match &status.identity {
        Some(identity) => format!("identity {}", crate::facts::identity::short(identity)),
        None if status.nodes.iter().all(|node| !node.reachable) => "nothing is known of it now".to_owned(),
        None if status.nodes.iter().any(|node| !node.reachable) => "no cluster on the nodes that answer".to_owned(),
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
    for node in nodes_not_held(status) {
        let warning = format!("{node} may refresh MicroK8s by itself at any time: its refreshes are not held");
        text += &entry(&paint.care("!"), &warning, width);
    }
    text += &high_availability(status, paint, width);
    if let Some(pool) = &status.pool {
        text += &pool_lines(pool, paint, width);
    }
    if let Some(storage) = &status.storage {
        text += &super::storage::text(storage, paint, width);
    }
    if let Some(site) = &status.site {
        text += &super::site::text(site, paint, width);
    }
    text += &super::margins::text(&status.margins, paint, width);
    if let Some(drill) = &status.drill {
        text += &drill_line(drill, paint, width);
    }
    for warning in &status.warnings {
        text += &entry(&paint.care("!"), warning, width);
    }
    text
}

fn drill_line(drill: &DrillStatus, paint: Paint, width: usize) -> String {
    let Some(result) = &drill.result else {
        let text = format!("a drill took {} away ({}) and did not end; `homeprov up` ends it", drill.node, drill.how);
        return entry(&paint.bad("✘"), &text, width);
    };
    let when = match drill.days {
        0 => "today".to_owned(),
        1 => "yesterday".to_owned(),
        days => format!("{days} days ago"),
    };
    entry(&paint.good("✔"), &format!("last drill: {}, {when}, {result}", drill.node), width)
}

fn nodes_not_held(status: &ClusterStatus) -> impl Iterator<Item = &str> {
    let nodes = status.nodes.iter().filter(|node| node.microk8s_version.is_some() && node.held == Some(false));
    nodes.map(|node| node.name.as_str())
}

/// The column of the operating system.
const SYSTEM: usize = 3;

fn table(nodes: &[NodeStatus], width: usize) -> String {
    let header = ["NODE", "ADDRESS", "ROLE", "SYSTEM", "MICROK8S", "READY", "DATA STORE"];
    plain_table(&header, nodes.iter().map(|node| row(node).to_vec()), width, Some(SYSTEM))
}

/// A table without lines. Where it is too narrow, only the column `breaking` takes more lines, or any when there is none.
pub(super) fn plain_table(
    header: &[&str],
    rows: impl Iterator<Item = Vec<String>>,
    width: usize,
    breaking: Option<usize>,
) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(u16::try_from(width).unwrap_or(u16::MAX))
        .set_header(header.to_vec());
    for row in rows {
        table.add_row(row.into_iter().map(Cell::new));
    }
    for (number, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        if breaking.is_some_and(|breaking| number != breaking) {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
    table.trim_fmt()
}

fn row(node: &NodeStatus) -> [String; 7] {
    let ready = match node.kubernetes_ready {
        Some(true) => "yes",
        Some(false) => "no",
        None => "-",
    };
    let data_store = match (node.dqlite_role, node.answers) {
        (None | Some(DqliteRole::None), _) => "-",
        (Some(DqliteRole::Voter), Some(false)) => "silent voter",
        (Some(DqliteRole::Voter), _) => "voter",
        (Some(DqliteRole::StandBy), Some(false)) => "silent stand-by",
        (Some(DqliteRole::StandBy), _) => "stand-by",
        (Some(DqliteRole::Spare), _) => "spare",
    };
    let role = match node.role {
        Role::ControlPlane => "control-plane",
        Role::Worker => "worker",
    };
    [
        node.name.clone(),
        node.address.to_string(),
        role.to_owned(),
        node.os.as_deref().map_or_else(dash, system),
        node.microk8s_version.as_deref().map_or_else(dash, clean),
        ready.to_owned(),
        data_store.to_owned(),
    ]
}

fn dash() -> String {
    "-".to_owned()
}

/// The short name of a system: `Ubuntu 24.04` of `Ubuntu 24.04.1 LTS`, `Debian 12` of `Debian GNU/Linux 12 (bookworm)`.
fn system(name: &str) -> String {
    let words = name.split_whitespace().filter(|word| !["GNU/Linux", "LTS"].contains(word) && !word.starts_with('('));
    let words: Vec<String> = words
        .map(|word| {
            let version = word.starts_with(|first: char| first.is_ascii_digit());
            let numbers = if version { word.splitn(3, '.').take(2).collect() } else { vec![word] };
            numbers.join(".")
        })
        .collect();
    clean(&words.join(" "))
}

fn high_availability(status: &ClusterStatus, paint: Paint, width: usize) -> String {
    let found = &status.high_availability;
    let headline = match found.verdict {
        Conclusion::Yes => "highly available",
        Conclusion::No => "not highly available",
        Conclusion::Unknown => "not known to be highly available",
    };
    let voters = match found.of {
        0 => String::new(),
        of => format!(" ({} of {} answer)", found.voters_that_answer, words::count(of as usize, "voter")),
    };
    let text = format!("{headline}{voters}: {}", found.reason);
    entry(&mark(found.verdict, paint), &text, width)
}

fn pool_lines(pool: &PoolStatus, paint: Paint, width: usize) -> String {
    let ranges = pool.ranges.join(", ");
    let speakers = format!("{} of {} ready", pool.speakers_ready, words::count(pool.of as usize, "speaker"));
    if pool.installed == Some(false) {
        return entry(&mark(Conclusion::No, paint), &format!("pool {ranges}: MetalLB is not installed"), width);
    }
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

/// The mark of a conclusion.
pub(super) fn mark(conclusion: Conclusion, paint: Paint) -> String {
    match conclusion {
        Conclusion::Yes => paint.good("✔"),
        Conclusion::No => paint.bad("✘"),
        Conclusion::Unknown => paint.care("?"),
    }
}

/// One finding behind a mark, broken at `width`.
pub(super) fn entry(mark: &str, text: &str, width: usize) -> String {
    let text: Vec<String> = text.lines().map(clean).collect();
    let lines = words::wrap(&text.join("\n"), width.saturating_sub(2));
    let lead = |number| if number == 0 { mark } else { " " };
    let lines = lines.iter().enumerate();
    lines.map(|(number, line)| [lead(number), " ", line.trim_end(), "\n"].concat()).collect()
}

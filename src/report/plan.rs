//! A plan, shown: for people by place, for programs as JSON.

use std::collections::BTreeMap;

use serde::Serialize;

use super::clean::clean;
use super::diff;
use super::paint::Paint;
use super::words;
use crate::inventory::model::{Inventory, Role};
use crate::plan::{Pending, Place, Plan, Verdict};

/// The version of the JSON format.
pub const SCHEMA: u32 = 1;

/// The plan as a JSON document.
pub fn json(plan: &Plan, inventory: &Inventory) -> serde_json::Result<String> {
    #[derive(Serialize)]
    struct Document<'a> {
        schema: u32,
        cluster: &'a str,
        steps: usize,
        blocked: usize,
        pending: &'a [Pending],
        unreachable: &'a BTreeMap<String, String>,
    }
    serde_json::to_string_pretty(&Document {
        schema: SCHEMA,
        cluster: &inventory.cluster.name,
        steps: plan.pending.len(),
        blocked: blocked(plan),
        pending: &plan.pending,
        unreachable: &plan.unreachable,
    })
}

/// The plan for people, in lines of at most `width` columns. Nodes with the same steps before them are shown together.
pub fn text(plan: &Plan, inventory: &Inventory, apply: &str, paint: Paint, width: usize) -> String {
    let name = &inventory.cluster.name;
    if plan.is_empty() {
        return format!("{} {name} is as it should be: nothing to do.\n", paint.good("✔"));
    }
    let mut lines = vec![];
    // Without a machine that answers nothing was seen: what there would be to do is a guess.
    let blind = inventory.nodes.iter().all(|node| plan.unreachable.contains_key(&node.name));
    for group in groups(plan, inventory).iter().filter(|_| !blind) {
        lines.extend(heading(group, paint, width));
        for pending in &group.steps {
            lines.extend(step(pending, paint, width));
        }
        lines.push(String::new());
    }
    for (node, reason) in &plan.unreachable {
        lines.push(format!("{} {}", paint.bad("✘"), paint.bold(&format!("{node} is unreachable"))));
        lines.extend(indented(reason, width));
        lines.push(String::new());
    }
    if blind {
        lines.push("No machine answers, so what there is to do is not known.".to_owned());
    } else {
        lines.extend(conclusion(plan, apply, paint));
    }
    lines.join("\n") + "\n"
}

/// How much it is, what to type, what the marks mean.
fn conclusion(plan: &Plan, apply: &str, paint: Paint) -> Vec<String> {
    if plan.pending.is_empty() {
        return vec!["Everything holds on the nodes that answer.".to_owned()];
    }
    let mut lines = vec![total(plan)];
    if plan.refusals().next().is_some() {
        lines.push("Nothing is changed while a pre-flight check refuses.".to_owned());
    } else if plan.runnable().next().is_some() {
        lines.push(format!("Apply them with  {}", paint.bold(apply)));
    }
    lines.push(paint.dim(&legend(plan)));
    lines
}

/// Places with the same steps before them.
struct Group<'a> {
    names: Vec<&'a str>,
    role: Option<Role>,
    steps: Vec<&'a Pending>,
}

fn groups<'a>(plan: &'a Plan, inventory: &'a Inventory) -> Vec<Group<'a>> {
    let mut groups: Vec<Group<'a>> = vec![];
    for node in &inventory.nodes {
        let steps = steps_at(plan, |place| matches!(place, Place::Node(name) if *name == node.name));
        if steps.is_empty() {
            continue;
        }
        let same = groups.iter_mut().find(|group| group.role == Some(node.role) && alike(&group.steps, &steps));
        match same {
            Some(group) => group.names.push(&node.name),
            None => groups.push(Group { names: vec![&node.name], role: Some(node.role), steps }),
        }
    }
    let steps = steps_at(plan, |place| *place == Place::Cluster);
    if !steps.is_empty() {
        groups.push(Group { names: vec!["cluster"], role: None, steps });
    }
    groups
}

fn steps_at(plan: &Plan, at: impl Fn(&Place) -> bool) -> Vec<&Pending> {
    plan.pending.iter().filter(|pending| at(&pending.place)).collect()
}

fn alike(some: &[&Pending], others: &[&Pending]) -> bool {
    some.len() == others.len()
        && some.iter().zip(others).all(|(one, other)| one.step == other.step && one.verdict == other.verdict)
}

fn heading(group: &Group, paint: Paint, width: usize) -> Vec<String> {
    let role = match group.role {
        Some(Role::ControlPlane) => " (control-plane)",
        Some(Role::Worker) => " (worker)",
        None => "",
    };
    let each = if group.names.len() > 1 { " each" } else { "" };
    let steps = words::count(group.steps.len(), "step");
    let text = format!("{}{role}: {steps}{each}", words::list(&group.names));
    words::wrap(&text, width).iter().map(|line| paint.bold(line)).collect()
}

fn step(pending: &Pending, paint: Paint, width: usize) -> Vec<String> {
    let (mark, detail) = match &pending.verdict {
        Verdict::Holds => return vec![],
        Verdict::Differs { why } => (paint.good("+"), why.clone()),
        Verdict::Unknown { after } => (paint.dim("?"), format!("known after {after}")),
        Verdict::Blocked { reason } => (paint.bad("!"), reason.clone()),
        Verdict::Settling { why } => (paint.busy("~"), why.clone()),
        Verdict::Waits { nodes, why } => (paint.care("~"), format!("waits for {}: {why}", words::list(nodes))),
    };
    let mut titles = words::wrap(&pending.title, width.saturating_sub(4)).into_iter();
    let title = titles.next().unwrap_or_default();
    let id = format!("{}/{}", pending.playbook, pending.step);
    let room = width.saturating_sub(4 + console::measure_text_width(&title));
    let id = if room > id.len() { format!("{id:>room$}") } else { String::new() };
    let mut lines = vec![format!("  {mark} {title}{}", paint.dim(&id))];
    lines.extend(titles.map(|more| format!("    {more}")));
    // A check that prints nothing has no more to say than the title.
    if !detail.ends_with(&pending.title) {
        let dim = !matches!(pending.verdict, Verdict::Blocked { .. });
        if diff::is_diff(&detail) {
            lines.extend(diff::lines(&detail, paint).map(|line| format!("      {line}")));
        } else {
            let detail = indented(&detail, width).into_iter();
            lines.extend(detail.map(|line| if dim { paint.dim(&line) } else { line }));
        }
    }
    lines
}

fn indented(text: &str, width: usize) -> Vec<String> {
    let text: Vec<String> = text.lines().map(clean).collect();
    let lines = words::wrap(&text.join("\n"), width.saturating_sub(6));
    lines.iter().map(|line| format!("      {line}")).collect()
}

fn total(plan: &Plan) -> String {
    let nodes: std::collections::BTreeSet<&str> = plan
        .pending
        .iter()
        .filter_map(|pending| match &pending.place {
            Place::Node(name) => Some(name.as_str()),
            Place::Cluster => None,
        })
        .collect();
    let in_cluster = steps_at(plan, |place| *place == Place::Cluster).len();
    let on_nodes = plan.pending.len() - in_cluster;
    let mut parts = vec![];
    if on_nodes > 0 {
        parts.push(format!("{} on {}", words::count(on_nodes, "step"), words::count(nodes.len(), "node")));
    }
    if in_cluster > 0 {
        parts.push(format!("{} in the cluster", words::count(in_cluster, "step")));
    }
    let blocked = match blocked(plan) {
        0 => String::new(),
        number => format!("; {number} blocked"),
    };
    format!("{}{blocked}.", words::list(&parts))
}

/// Explains the marks that are there.
fn legend(plan: &Plan) -> String {
    let has = |mark: fn(&Verdict) -> bool| plan.pending.iter().any(|pending| mark(&pending.verdict));
    let marks = [
        (has(|verdict| matches!(verdict, Verdict::Differs { .. })), "+ differs"),
        (has(|verdict| matches!(verdict, Verdict::Unknown { .. })), "? not known yet"),
        (has(|verdict| matches!(verdict, Verdict::Settling { .. } | Verdict::Waits { .. })), "~ waits"),
        (has(|verdict| matches!(verdict, Verdict::Blocked { .. })), "! blocked"),
    ];
    let there: Vec<&str> = marks.into_iter().filter(|(there, _)| *there).map(|(_, mark)| mark).collect();
    there.join("   ")
}

fn blocked(plan: &Plan) -> usize {
    plan.pending.iter().filter(|pending| matches!(pending.verdict, Verdict::Blocked { .. })).count()
}

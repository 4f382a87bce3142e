//! The pages of the manual that are made from what the program knows: `make manual` writes them, and here they are compared.

use std::fmt::Write as _;
use std::fs;

use homeprov::doctor;
use homeprov::inventory::schema;
use homeprov::playbook::{self, On, Step};
use serde_json::Value;

use super::blocks::root;

/// Compares a page with what it should be; writes it when `MANUAL_WRITE` is set.
fn is_up_to_date(page: &str, wanted: &str) {
    let path = root().join("docs/src").join(page);
    if std::env::var_os("MANUAL_WRITE").is_some() {
        fs::write(&path, wanted).expect("the page can be written");
        return;
    }
    let is = fs::read_to_string(&path).unwrap_or_default();
    assert!(is == wanted, "docs/src/{page} is not as the program has it by now: `make manual` writes it anew");
}

/// A text for a line or for a cell of a table: what Markdown would take for HTML is not.
fn cell(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|");
    let parts = text.split('`').enumerate();
    // Between backticks it is code, where a backslash would be seen.
    let parts = parts.map(|(number, part)| if number % 2 == 0 { part.replace('<', "\\<") } else { part.to_owned() });
    parts.collect::<Vec<_>>().join("`")
}

/// The tables in the order in which an inventory has them.
const TABLES: [&str; 7] = ["cluster", "ssh", "nodes", "metallb", "storage", "flux", "mastodon"];

struct Schema(Value);

impl Schema {
    /// The object a property stands for, through references and lists.
    fn object<'a>(&'a self, property: &'a Value) -> Option<&'a Value> {
        if let Some(reference) = property["$ref"].as_str() {
            return self.object(&self.0["$defs"][reference.rsplit('/').next()?]);
        }
        if property["properties"].is_object() {
            return Some(property);
        }
        let inner = property.get("items").into_iter().chain(property["anyOf"].as_array().into_iter().flatten());
        { inner }.find_map(|inner| self.object(inner))
    }

    fn kind(property: &Value) -> String {
        let values = property["enum"].as_array().or_else(|| property["anyOf"][0]["enum"].as_array());
        if let Some(values) = values {
            let values: Vec<String> =
                values.iter().map(|value| format!("`{}`", value.as_str().unwrap_or("?"))).collect();
            return values.join(", ");
        }
        let example = property["examples"].as_array().and_then(|examples| examples.first());
        match example {
            Some(example) => cell(&format!("such as `{example}`")),
            None => match &property["type"] {
                Value::String(kind) if kind == "boolean" => "`true`, `false`".to_owned(),
                Value::String(kind) if kind == "object" => "a table".to_owned(),
                Value::String(kind) => kind.clone(),
                _ => String::new(),
            },
        }
    }

    fn table(&self, name: &str, property: &Value, depth: usize, page: &mut String) {
        let Some(object) = self.object(property) else { return };
        let heading = "#".repeat(depth.min(4));
        let shown = if name == "nodes" { "[[nodes]]".to_owned() } else { format!("[{name}]") };
        let about = property["description"].as_str().unwrap_or_default();
        let _ = writeln!(page, "{heading} `{shown}`\n\n{}\n", about.split_whitespace().collect::<Vec<_>>().join(" "));
        let _ = writeln!(page, "| key | value | default | what it is |\n|---|---|---|---|");
        let required: Vec<&str> =
            object["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let properties = object["properties"].as_object().expect("properties");
        let (inner, plain): (Vec<_>, Vec<_>) =
            properties.iter().partition(|(_, property)| self.object(property).is_some());
        for (key, property) in &plain {
            let default = match &property["default"] {
                Value::Null if required.contains(&key.as_str()) => "**needed**".to_owned(),
                Value::Null => String::new(),
                default => format!("`{}`", cell(&default.to_string())),
            };
            let about = cell(property["description"].as_str().unwrap_or_default());
            let _ = writeln!(page, "| `{key}` | {} | {default} | {about} |", Self::kind(property));
        }
        page.push('\n');
        for (key, property) in inner {
            self.table(&format!("{name}.{key}"), property, depth + 1, page);
        }
    }
}

#[test]
fn the_inventory_key_by_key() {
    let schema = Schema(serde_json::from_str(&schema()).expect("JSON"));
    let mut page = String::from(
        "# Key by key\n\nMade from the JSON Schema, which `homeprov schema` prints. What has no default and is not needed may be left out.\n\n",
    );
    let properties = schema.0["properties"].as_object().expect("tables");
    assert_eq!(properties.len(), TABLES.len(), "a table is missing here");
    for name in TABLES {
        schema.table(name, &properties[name], 2, &mut page);
    }
    assert!(page.matches("\n| `").count() > 90, "keys are missing:\n{page}");
    is_up_to_date("inventory/keys.md", &(page.trim_end().to_owned() + "\n"));
}

#[test]
fn every_step_and_why_it_is_there() {
    let recipe =
        playbook::load_embedded(&homeprov::steps::names().collect::<Vec<_>>()).expect("the playbooks are valid");
    let mut page = String::from(
        "# Every step, and why it is there\n\nMade from the playbooks. *Where* says on which nodes a step should hold; *only if* names the condition under which it is wanted.\n",
    );
    let mut before = "";
    for step in &recipe.steps {
        if step.playbook != before {
            let _ = writeln!(page, "\n## {}\n\n| step | what holds | where | why |\n|---|---|---|---|", step.playbook);
            before = &step.playbook;
        }
        page += &row(step);
    }
    is_up_to_date("playbooks/steps.md", &page);
}

fn row(step: &Step) -> String {
    let place = match step.on {
        On::All => "every node",
        On::ControlPlane => "every control plane",
        On::Workers => "every worker",
        On::Seed => "the seed",
        On::Cluster => "the cluster",
    };
    let only = step.when.as_ref().map(|when| format!("; only if `{when}`")).unwrap_or_default();
    format!("| `{}` | {} | {place}{only} | {} |\n", step.id, cell(&step.title), cell(&step.why))
}

/// The page on the other commands has words of its own between the tables.
#[test]
fn every_step_of_the_other_commands() {
    let page = fs::read_to_string(root().join("docs/src/playbooks/day-two.md")).expect("the page");
    let builtins: Vec<&str> = homeprov::steps::names().collect();
    let mut rows = 0;
    for command in playbook::COMMANDS {
        for step in playbook::load_embedded_of(command, &builtins).expect("the playbooks are valid").steps {
            assert!(page.contains(&row(&step)), "day-two.md lacks:\n{}", row(&step));
            rows += 1;
        }
    }
    assert_eq!(page.matches("\n| `").count(), rows, "day-two.md has rows of steps that are not there");
}

#[test]
fn what_doctor_looks_for() {
    let mut page = String::from(
        "# What `doctor` looks for\n\nMade from the program. Each of these is a check on one observation; nothing is changed. `homeprov doctor --json home.toml` prints what was found under the same names.\n\n",
    );
    let readme = fs::read_to_string(root().join("README.md")).expect("the README");
    let count = format!("holds {} known traps", doctor::traps().count());
    assert!(readme.contains(&count), "the README does not say that doctor {count}");
    for trap in doctor::traps() {
        let _ = writeln!(
            page,
            "## `{}`\n\n* *One notices:* {}.\n* *Cause:* {}.\n* [Upstream]({})\n",
            trap.name,
            cell(trap.symptom),
            cell(trap.cause),
            trap.link
        );
    }
    is_up_to_date("failures/doctor.md", &(page.trim_end().to_owned() + "\n"));
}

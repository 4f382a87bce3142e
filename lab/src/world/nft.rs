//! `nft`: the tables of a machine's packet filter, kept as the texts they were made of (nft(8)). What drops everything that
//! comes in keeps the other machines away; whoever logs in over SSH is let through by the same rules.

use super::World;
use super::machine::Machine;
use super::process::{Call, Next, after};

/// From the call until the kernel has the rules.
const TAKES: u64 = 5;

/// `nft -f FILE`, `nft delete table FAMILY NAME`, `nft list table FAMILY NAME`, `nft list ruleset`.
pub(super) fn main(world: &World, call: &mut Call) -> Next {
    if call.exec.user != "root" {
        return call.fail(1, "Operation not permitted (you must be root)");
    }
    let args = call.args();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["-f" | "--file", file] => {
            let text = if *file == "-" { Some(call.exec.stdin.clone()) } else { call.read(world, file) };
            let Some(text) = text else {
                return call.fail(1, format!("Error: Could not open file \"{file}\": No such file or directory"));
            };
            let text = String::from_utf8_lossy(&text).into_owned();
            after(TAKES, move |world, call| load(world, call, &text))
        }
        ["delete", "table", family, name] => {
            let table = format!("{family} {name}");
            after(TAKES, move |world, call| delete(world, call, &table))
        }
        ["list", "table", family, name] => {
            let table = format!("{family} {name}");
            match world.machine(&call.machine).tables.get(&table) {
                Some(text) => call.quit(0, format!("table {table} {{{text}}}")),
                None => missing(call, &format!("list table {table}")),
            }
        }
        ["list", "ruleset"] => {
            let tables = world.machine(&call.machine).tables.iter();
            let tables: Vec<String> = tables.map(|(table, text)| format!("table {table} {{{text}}}\n")).collect();
            call.print(tables.concat());
            Next::Exit(0)
        }
        _ => call.fail(1, format!("Error: syntax error, unexpected end of file\n{}", words.join(" "))),
    }
}

fn missing(call: &mut Call, said: &str) -> Next {
    let name = said.rsplit(' ').next().unwrap_or_default();
    let marks = format!("{}{}", " ".repeat(said.len() - name.len()), "^".repeat(name.len()));
    call.fail(1, format!("Error: Could not process rule: No such file or directory\n{said}\n{marks}"))
}

fn load(world: &mut World, call: &mut Call, text: &str) -> Next {
    let Some(tables) = tables(text) else {
        return call.fail(1, "Error: syntax error, unexpected end of file");
    };
    let kept = &mut world.machine_mut(&call.machine).tables;
    for (name, text) in tables {
        // What is loaded comes to what is there.
        kept.entry(name).or_default().push_str(&text);
    }
    filter(world, &call.machine.clone());
    Next::Exit(0)
}

fn delete(world: &mut World, call: &mut Call, table: &str) -> Next {
    if world.machine_mut(&call.machine).tables.remove(table).is_none() {
        return missing(call, &format!("delete table {table}"));
    }
    filter(world, &call.machine.clone());
    Next::Exit(0)
}

/// The rules of the machine have changed.
fn filter(world: &mut World, name: &str) {
    let drops = drops(world.machine(name));
    if drops == world.machine(name).fenced {
        return;
    }
    if drops { world.fence_off(name) } else { world.unfence(name) }
}

/// Whether a chain drops what comes in and no rule lets pass.
fn drops(machine: &Machine) -> bool {
    let chains = machine.tables.values().flat_map(|text| text.split("chain "));
    { chains }.any(|chain| chain.contains("hook input") && chain.contains("policy drop"))
}

/// The tables of a file: `FAMILY NAME` and what is between the braces; none where one does not end.
fn tables(text: &str) -> Option<Vec<(String, String)>> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("table ") {
        let (name, body) = rest[at + "table ".len()..].split_once('{')?;
        let mut depth = 1_usize;
        let end = body.char_indices().find_map(|(at, letter)| {
            match letter {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            (depth == 0).then_some(at)
        })?;
        found.push((name.split_whitespace().collect::<Vec<_>>().join(" "), body[..end].to_owned()));
        rest = &body[end..];
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::super::{Config, Os};
    use super::*;

    const RULES: &str = "table inet away {\n\tchain input {\n\t\ttype filter hook input priority -310; policy drop;\n\t\ttcp dport 22 accept\n\t}\n}\n";

    #[test]
    fn rules_that_drop_all_keep_a_machine_away_until_they_are_deleted_or_it_is_off() {
        let mut world = World::in_memory(Config::homelab(2, Os::Ubuntu2404, "2026-11-21T01:45:00Z".parse().unwrap()));
        let nft = |world: &mut World, words: &str, input: &str| {
            let argv: Vec<&str> = words.split(' ').collect();
            world.run("nuc1", &argv, input.as_bytes())
        };
        assert_eq!(nft(&mut world, "nft -f -", RULES).exit, 0);
        assert!(world.machine("nuc1").fenced && !world.machine("nuc2").fenced);
        assert!(nft(&mut world, "nft list ruleset", "").stdout.contains("policy drop"));
        assert_eq!(nft(&mut world, "nft list table inet away", "").exit, 0);
        assert_eq!(nft(&mut world, "nft delete table inet away", "").exit, 0);
        assert!(!world.machine("nuc1").fenced);
        let gone = nft(&mut world, "nft delete table inet away", "");
        assert_eq!(gone.exit, 1);
        assert!(gone.stderr.contains("delete table inet away\n                  ^^^^"), "{}", gone.stderr);
        assert_eq!(nft(&mut world, "nft -f -", RULES.trim_end().trim_end_matches('}')).exit, 1);
        nft(&mut world, "nft -f -", RULES);
        world.reboot("nuc1");
        assert!(!world.machine("nuc1").fenced);
        assert_eq!(nft(&mut world, "nft list table inet away", "").exit, 1);
    }

    #[test]
    fn a_table_that_drops_nothing_keeps_nobody_away() {
        let mut world = World::in_memory(Config::homelab(1, Os::Ubuntu2404, "2026-11-21T01:45:00Z".parse().unwrap()));
        let harmless = RULES.replace("policy drop", "policy accept");
        assert_eq!(world.run("nuc1", &["nft", "-f", "-"], harmless.as_bytes()).exit, 0);
        assert!(!world.machine("nuc1").fenced);
    }
}

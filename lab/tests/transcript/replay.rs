//! Runs a transcript's commands on a world and compares.

use std::fmt::Write as _;

use homeprov_lab::world::World;

use super::{Entry, Mismatch, normal, read};

/// What to do with one entry of a transcript.
pub enum Do {
    /// Run it and compare everything.
    Compare,
    /// Leave it out, for this reason.
    Skip(&'static str),
}

/// Runs what the shell would: commands joined by `;`, maybe piped into `head -N`, `ls` and `cat` of the world's files.
fn shell(world: &mut World, node: &str, line: &str) -> (String, String, i32, u64) {
    let (mut stdout, mut stderr, mut exit, mut took) = (String::new(), String::new(), 0, 0);
    for part in line.split("; ") {
        let (command, head) =
            part.split_once(" | head -").map_or((part, None), |(command, lines)| (command, lines.parse().ok()));
        let words: Vec<&str> = command.split_whitespace().filter(|word| !word.starts_with("2>")).collect();
        let mut out = match words[0] {
            "ls" => {
                let names = world.machine(node).files().list(words[1]);
                let shown = names.iter().filter(|name| !name.starts_with('.'));
                shown.flat_map(|name| [name.as_str(), "\n"]).collect()
            }
            "cat" => {
                let mut text = String::new();
                exit = 0;
                for path in &words[1..] {
                    if let Some(bytes) = world.machine(node).files().read(path) {
                        text.push_str(&String::from_utf8_lossy(&bytes));
                    } else {
                        let _ = writeln!(text, "cat: {path}: No such file or directory");
                        exit = 1;
                    }
                }
                text
            }
            _ => {
                let output = world.run(node, &words, b"");
                stderr.push_str(&output.stderr);
                exit = output.exit;
                took += output.took;
                output.stdout
            }
        };
        if let Some(lines) = head {
            out = out.split_inclusive('\n').take(lines).collect();
            exit = 0;
        }
        stdout.push_str(&out);
    }
    (stdout, stderr, exit, took)
}

/// Replays a transcript; `before` may change the world before an entry, and chooses what to do with it.
pub fn replay(world: &mut World, name: &str, mut before: impl FnMut(&mut World, usize, &mut Entry) -> Do) {
    let mut failures = Vec::new();
    let mut last = None;
    for (at, mut entry) in read(name).into_iter().enumerate() {
        // As much time passes between two commands as did then.
        let since: i64 = last.map_or(0, |last| entry.at - last);
        let pause = u64::try_from(since * 1_000).unwrap_or(0).saturating_sub(entry.wall);
        world.advance(world.now() + pause);
        last = Some(entry.at);
        if let Do::Skip(reason) = before(world, at, &mut entry) {
            assert!(!reason.is_empty());
            continue;
        }
        let (stdout, stderr, exit, took) = shell(world, &entry.node, &entry.command);
        let checks = [
            ("status", entry.status.to_string(), exit.to_string()),
            ("stdout", normal(&entry.stdout), normal(&stdout)),
            ("stderr", normal(&entry.stderr), normal(&stderr)),
        ];
        for (what, wanted, got) in checks {
            if wanted != got {
                failures.push(Mismatch { at, command: entry.command.clone(), what, wanted, got });
            }
        }
        // The transcripts' machines were slow and busy; what counts is the order of magnitude.
        let busy = entry.command.contains("bin/dqlite") || took == 0;
        if !busy && (took * 3 < entry.wall || took > entry.wall * 3) {
            let (wanted, got) = (entry.wall.to_string(), took.to_string());
            failures.push(Mismatch { at, command: entry.command.clone(), what: "duration", wanted, got });
        }
    }
    let text: Vec<String> = failures.iter().map(ToString::to_string).collect();
    assert!(text.is_empty(), "{name}:\n{}", text.join("\n"));
}

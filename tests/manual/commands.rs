//! Every command of the manual can be typed, and every inventory in it is one.

use std::fs;
use std::path::Path;

use homeprov::cli::Cli;

use super::blocks::{self, root};

/// What is typed besides homeprov.
const OTHERS: [&str; 9] = ["cd", "git", "make", "vagrant", "sudo", "printf", "ssh-keygen", "microk8s", "homeprov-lab"];

/// Why a command of homeprov cannot be typed; nothing when it can.
fn refused(command: &str) -> Option<String> {
    let words = shlex::split(command).unwrap_or_default();
    // What the shell takes away.
    let words: Vec<&str> =
        words.iter().map(String::as_str).take_while(|word| !word.starts_with(['>', '<', '|', '&'])).collect();
    let parsed = Cli::definition().try_get_matches_from(words);
    let error = parsed.err().filter(clap::Error::use_stderr)?;
    Some(format!("{command}: {}", error.to_string().lines().next().unwrap_or_default()))
}

/// The commands of homeprov in a line of a shell: the whole of it, or what stands behind a pipe, `sudo …` or `--`.
fn of_homeprov(line: &str) -> Vec<String> {
    let line = line.replace(" || ", " | ").replace(" && ", " | ").replace(" -- homeprov ", " | homeprov ");
    line.split(" | ").map(str::trim).filter(|part| part.starts_with("homeprov ")).map(str::to_owned).collect()
}

#[test]
fn every_command_can_be_typed() {
    let mut problems = Vec::new();
    let mut checked = 0;
    for block in blocks::all().iter().filter(|block| block.is("sh")) {
        for line in block.commands() {
            let first = line.split_whitespace().next().unwrap_or_default();
            if first != "homeprov" && !OTHERS.contains(&first) {
                problems.push(format!("{}: what is {first}?", block.place));
            }
            for command in of_homeprov(&line) {
                checked += 1;
                problems.extend(refused(&command).map(|why| format!("{}: {why}", block.place)));
            }
        }
    }
    assert!(checked > 60, "only {checked} commands were found");
    assert_eq!(problems, Vec::<String>::new());
}

/// The commands that stand in a sentence, in backticks.
#[test]
fn every_command_in_a_sentence_can_be_typed() {
    let mut problems = Vec::new();
    let mut checked = 0;
    let pages = blocks::pages().into_iter().chain([root().join("README.md"), root().join("playbooks/README.md")]);
    for page in pages {
        let text = fs::read_to_string(&page).expect("the page");
        for command in in_sentences(&text) {
            // A placeholder stands for what is needed; a command alone is only named.
            if command.split_whitespace().any(|word| word.contains('…')) {
                continue;
            }
            checked += 1;
            let command = command.replace("SHELL", "bash");
            let named = command.split_whitespace().count() <= 3 && !command.contains("--");
            let problem =
                refused(&command).filter(|why| !(named && why.contains("required arguments were not provided")));
            problems.extend(problem.map(|why| format!("{}: {why}", page.display())));
        }
    }
    assert!(checked > 10, "only {checked} commands were found");
    assert_eq!(problems, Vec::<String>::new());
}

fn in_sentences(text: &str) -> Vec<String> {
    let mut outside = String::new();
    let mut fenced = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            outside += line;
            outside += " ";
        }
    }
    let spans = outside.split('`').skip(1).step_by(2).map(str::trim);
    spans.filter(|span| span.starts_with("homeprov ")).map(str::to_owned).collect()
}

#[test]
fn every_inventory_is_one() {
    let mut checked = 0;
    for block in blocks::all().iter().filter(|block| block.is("inventory")) {
        let loaded = homeprov::inventory::parse(Path::new("home.toml"), block.lines.join("\n"));
        if let Err(invalid) = loaded {
            panic!("{}\n{}", block.place, invalid.render(false, 100));
        }
        checked += 1;
    }
    assert!(checked >= 2, "only {checked} inventories were found");
}

#[test]
fn a_step_in_the_manual_is_one() {
    let steps: Vec<String> = blocks::all()
        .iter()
        .filter(|block| block.is("toml") && block.lines.iter().any(|line| line == "[[step]]"))
        .map(|block| block.lines.join("\n"))
        .collect();
    assert!(!steps.is_empty(), "none was found");
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("10-manual.toml"), steps.join("\n")).expect("written");
    let read = homeprov::playbook::load_dir(folder.path(), &[]);
    assert!(read.is_ok(), "{}", read.err().map(|invalid| invalid.render(false, 100)).unwrap_or_default());
}

/// The test would not be worth much if it took everything.
#[test]
fn what_cannot_be_typed_is_found() {
    assert!(refused("homeprov upp home.toml").is_some());
    assert!(refused("homeprov up --yess home.toml").is_some());
    assert_eq!(refused("homeprov status --json home.toml >status.json"), None);
    assert_eq!(of_homeprov("printf x | homeprov init a.toml"), ["homeprov init a.toml"]);
    assert_eq!(of_homeprov("homeprov-lab run --nodes 3 -- homeprov up x"), ["homeprov up x"]);
    assert_eq!(in_sentences("a `homeprov up` b\n```sh\nhomeprov x\n```\n`c`"), ["homeprov up"]);
}

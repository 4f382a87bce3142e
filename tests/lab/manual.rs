//! The commands of the manual that are marked for the lab, typed one after the other into one lab.

#[path = "../manual/blocks.rs"]
mod blocks;

use std::fmt::Write as _;

use crate::harness::lab;

#[test]
fn the_commands_of_the_manual() {
    let commands: Vec<(String, String)> = blocks::all()
        .iter()
        .filter(|block| block.is("lab"))
        .flat_map(|block| block.commands().into_iter().map(|command| (block.place.clone(), command)))
        .collect();
    assert!(commands.len() > 20, "only {} are marked", commands.len());
    // What they call home.toml is the lab's inventory, and they write into a folder of their own.
    let mut script = String::from("cd $(mktemp -d) && ln -s $I home.toml\n");
    for (number, (_, command)) in commands.iter().enumerate() {
        let _ = writeln!(script, "{command} >out 2>&1; code=$?; echo c{number}=$code; [ $code = 0 ] || tail -n 40 out");
    }
    let ran = lab("--nodes 3 --storage default", &script);
    for (number, (place, command)) in commands.iter().enumerate() {
        let code = ran.code_of(&format!("c{number}"));
        // Before there is anything, there is nothing to be found wrong.
        ran.expect(code == 0, &format!("{place}: `{command}` ended with {code}"));
    }
}

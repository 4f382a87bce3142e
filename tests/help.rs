//! The help of every command, whole: whoever changes what can be typed sees it here.

use clap::Command;
use homeprov::cli::Cli;

/// The help of a command and of all commands below it.
fn help(command: &mut Command, text: &mut String) {
    let name = command.get_bin_name().unwrap_or_else(|| command.get_name()).to_owned();
    text.extend(["$ ", &name, " --help\n", &command.render_help().to_string(), "\n"]);
    for below in command.get_subcommands_mut() {
        help(below, text);
    }
}

#[test]
fn help_of_all_commands() {
    let mut command = Cli::definition().term_width(80);
    command.build();
    let mut text = String::new();
    help(&mut command, &mut text);
    let text: Vec<&str> = text.lines().map(str::trim_end).collect();
    insta::with_settings!({ snapshot_path => "help", prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!("help", text.join("\n"));
    });
}

#[test]
fn help_is_short_and_begins_with_examples() {
    let mut command = Cli::definition().term_width(80);
    command.build();
    for below in command.get_subcommands_mut() {
        let help = below.render_help().to_string();
        let name = below.get_name();
        assert!(help.lines().count() <= 30, "{name} is long:\n{help}");
        let examples = help.find("Examples:").unwrap_or_else(|| panic!("{name} has no examples:\n{help}"));
        assert!(examples < help.find("Usage:").expect("usage"), "{name}");
    }
}

#[test]
fn the_definition_is_sound() {
    Cli::definition().debug_assert();
}

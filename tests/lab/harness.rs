//! Starting a lab with a script of commands in it, and reading what came of it.

use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::OnceLock;

/// The lab's program: built beside the tests, since the test runner only builds the binaries of its own package.
fn lab_program() -> &'static PathBuf {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let homeprov = PathBuf::from(env!("CARGO_BIN_EXE_homeprov"));
        let program = homeprov.with_file_name("homeprov-lab");
        assert!(program.exists(), "{} is missing: cargo build --workspace --bins", program.display());
        program
    })
}

/// What a lab's script printed.
pub struct Ran {
    /// Standard output and standard error together.
    pub text: String,
}

impl Ran {
    /// The text after a line `== NAME`, up to the next such line.
    pub fn part(&self, name: &str) -> String {
        let start = self.text.lines().skip_while(|line| *line != format!("== {name}")).skip(1);
        let lines: Vec<&str> = start.take_while(|line| !line.starts_with("== ")).collect();
        lines.join("\n")
    }

    /// Panics with the whole text when a condition does not hold.
    pub fn expect(&self, holds: bool, what: &str) {
        assert!(holds, "{what}\n--- the lab's text:\n{}", self.text);
    }

    /// The exit code a line `NAME=CODE` tells.
    pub fn code_of(&self, name: &str) -> i32 {
        let line = self.text.lines().find_map(|line| line.strip_prefix(&format!("{name}=")));
        line.and_then(|code| code.trim().parse().ok()).unwrap_or_else(|| panic!("no {name}=… in\n{}", self.text))
    }
}

/// Runs a script inside a lab. In it `homeprov` and `homeprov-lab` are on the PATH, `$I` is the inventory, and
/// `part NAME` begins a part of the output.
pub fn lab(options: &str, script: &str) -> Ran {
    let program = lab_program();
    let folder = program.parent().expect("a folder");
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap_or_default());
    let prelude = "I=$LAB_INVENTORY\npart() { echo \"== $1\"; }\n";
    let output: Output = Command::new(program)
        .arg("run")
        .args(options.split_whitespace())
        .args(["--", "sh", "-c", &format!("exec 2>&1\n{prelude}{script}")])
        .env("PATH", path)
        .env("NO_COLOR", "1")
        .output()
        .expect("the lab should start");
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    Ran { text }
}

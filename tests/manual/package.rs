//! The Debian package: built from the program under test, taken apart, and installed into a root of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::blocks::root;

fn run(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().expect("it runs");
    let text = format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(status.success(), "{command:?}: {text}");
    String::from_utf8_lossy(&stdout).into_owned()
}

/// Builds the package, without compressing it.
fn built(folder: &Path) -> PathBuf {
    let mut command = Command::new(root().join("scripts/deb"));
    command.arg(env!("CARGO_BIN_EXE_homeprov")).arg(folder).env("DPKG_DEB_COMPRESSOR_TYPE", "none");
    PathBuf::from(run(&mut command).trim())
}

#[test]
fn it_holds_what_it_should_and_can_be_installed() {
    let folder = tempfile::tempdir().expect("a folder");
    let package = built(folder.path());
    let field = |name: &str| run(Command::new("dpkg-deb").arg("--field").arg(&package).arg(name)).trim().to_owned();
    assert_eq!((field("Package"), field("Version")), ("homeprov".to_owned(), env!("CARGO_PKG_VERSION").to_owned()));
    assert!(field("Depends").contains("libc6") && field("Depends").contains("openssh-client"), "{}", field("Depends"));

    let there = folder.path().join("root");
    run(Command::new("dpkg-deb").arg("--extract").arg(&package).arg(&there));
    for file in [
        "usr/bin/homeprov",
        "usr/share/man/man1/homeprov.1.gz",
        "usr/share/man/man1/homeprov-verify-storage.1.gz",
        "usr/share/bash-completion/completions/homeprov",
        "usr/share/zsh/vendor-completions/_homeprov",
        "usr/share/fish/vendor_completions.d/homeprov.fish",
        "usr/share/doc/homeprov/copyright",
        "usr/share/doc/homeprov/LICENSE-MIT",
        "usr/share/doc/homeprov/changelog.gz",
        "usr/share/doc/homeprov/examples/home.toml",
    ] {
        let size = fs::metadata(there.join(file)).map(|meta| meta.len()).unwrap_or_default();
        assert!(size > 100, "{file} has {size} bytes");
    }
    let version = run(Command::new(there.join("usr/bin/homeprov")).arg("--version"));
    assert_eq!(version.trim(), format!("homeprov {}", env!("CARGO_PKG_VERSION")));
    let completions = fs::read_to_string(there.join("usr/share/bash-completion/completions/homeprov")).expect("text");
    assert!(completions.contains("homeprov__subcmd__doctor") || completions.contains("homeprov__doctor"));
    let page = run(Command::new("gzip").arg("-dc").arg(there.join("usr/share/man/man1/homeprov.1.gz")));
    assert!(page.contains(".SH NAME") && page.contains("doctor"), "{page}");
    installs(&package, &folder.path().join("installed"));
}

/// dpkg itself takes it, and removes it whole. Only root may do that.
fn installs(package: &Path, root: &Path) {
    if run(Command::new("id").arg("-u")).trim() != "0" {
        eprintln!("SKIPPED: only root installs packages, so that dpkg was not asked to");
        return;
    }
    for folder in ["var/lib/dpkg/info", "var/lib/dpkg/updates", "var/lib/dpkg/triggers"] {
        fs::create_dir_all(root.join(folder)).expect("made");
    }
    for file in ["status", "available"] {
        fs::write(root.join("var/lib/dpkg").join(file), "").expect("made");
    }
    let dpkg = |arguments: &[&str]| {
        let mut command = Command::new("dpkg");
        // What it depends on is not there.
        run(command
            .arg(format!("--root={}", root.display()))
            .args(["--force-depends", "--log=/dev/null"])
            .args(arguments))
    };
    dpkg(&["--install", package.to_str().expect("a path")]);
    assert!(root.join("usr/bin/homeprov").exists());
    let status = fs::read_to_string(root.join("var/lib/dpkg/status")).expect("a status");
    assert!(status.contains("Package: homeprov\nStatus: install ok installed"), "{status}");
    dpkg(&["--purge", "homeprov"]);
    assert!(!root.join("usr/bin/homeprov").exists() && !root.join("usr/share/doc/homeprov").exists());
}

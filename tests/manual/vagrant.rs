//! The machines of Vagrant are those of the inventory, and what is missing for them is said at once.

use std::collections::BTreeMap;
use std::fs;
use std::net::Ipv4Addr;
use std::process::{Command, Stdio};

use super::blocks::root;

fn vagrantfile() -> String {
    fs::read_to_string(root().join("vagrant/Vagrantfile")).expect("the Vagrantfile")
}

/// The names and addresses of a table in the Vagrantfile.
fn machines(text: &str, table: &str) -> BTreeMap<String, Ipv4Addr> {
    let start = text.find(&format!("{table} = {{")).unwrap_or_else(|| panic!("no {table}"));
    let body = text[start..].split('}').next().expect("its end");
    let pairs = body.lines().flat_map(|line| line.split(',')).filter_map(|pair| pair.split_once("=>"));
    let unquoted = |text: &str| text.rsplit('"').nth(1).expect("quoted").to_owned();
    pairs.map(|(name, address)| (unquoted(name), unquoted(address).parse().expect("an address"))).collect()
}

#[test]
fn the_inventory_fits_the_machines() {
    let text = vagrantfile();
    let loaded = homeprov::inventory::load(&root().join("inventory/vagrant.toml")).expect("it is valid").inventory;
    let named: BTreeMap<String, Ipv4Addr> = loaded.nodes.iter().map(|node| (node.name.clone(), node.address)).collect();
    assert_eq!(named, machines(&text, "MACHINES"));
    assert_eq!(named.len(), 3);

    let spare = machines(&text, "SPARE");
    assert_eq!(spare.len(), 1);
    let pool = loaded.metallb.expect("a pool").pool;
    for address in named.values().chain(spare.values()) {
        assert_eq!(address.octets()[..3], [192, 168, 56], "{address}: VirtualBox allows 192.168.56.0/21");
        assert!(pool.iter().all(|range| !(range.first..=range.last).contains(address)), "{address} is in the pool");
    }
    // Vagrant's login, and the key the Vagrantfile makes.
    assert_eq!(loaded.ssh.user.as_deref(), Some("vagrant"));
    let identity = loaded.ssh.identity.expect("a key");
    let key = root().join("inventory/../vagrant/.vagrant/homeprov-key");
    assert_eq!(identity, key, "the key the Vagrantfile makes");
    assert!(text.contains("File.join(__dir__, \".vagrant\", \"homeprov-key\")"));
    // The machines can hold a control plane: half of this is what the pre-flight wants.
    let memory = text.split("HOMEPROV_MEMORY\", \"").nth(1).and_then(|rest| rest.split('"').next());
    assert!(memory.and_then(|memory| memory.parse::<u32>().ok()).is_some_and(|memory| memory >= 4096));
}

#[test]
fn vagrant_takes_the_file() {
    if Command::new("vagrant").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err() {
        eprintln!("SKIPPED: vagrant is not installed here, so that nobody has looked at vagrant/Vagrantfile");
        eprintln!("SKIPPED: scripts/install --tests installs it where the distribution has it");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    fs::copy(root().join("vagrant/Vagrantfile"), folder.path().join("Vagrantfile")).expect("copied");
    let looked = Command::new("vagrant")
        .args(["validate", "--ignore-provider"])
        .current_dir(folder.path())
        .env("VAGRANT_HOME", folder.path().join("home"))
        .env("VAGRANT_CHECKPOINT_DISABLE", "1")
        .output()
        .expect("it runs");
    let said = format!("{}{}", String::from_utf8_lossy(&looked.stdout), String::from_utf8_lossy(&looked.stderr));
    assert!(looked.status.success() && said.contains("validated successfully"), "{said}");
    assert!(folder.path().join(".vagrant/homeprov-key.pub").exists(), "the key was not made: {said}");
}

#[test]
fn what_is_missing_is_said_at_once() {
    let tools = tempfile::tempdir().expect("a folder");
    // As little as the script itself needs; no vagrant, no hypervisor, no curl.
    for tool in ["dirname", "sed", "basename"] {
        let path = ["/usr/bin", "/bin"]
            .iter()
            .map(|folder| format!("{folder}/{tool}"))
            .find(|path| fs::exists(path).unwrap_or(false));
        std::os::unix::fs::symlink(path.expect("it is there"), tools.path().join(tool)).expect("linked");
    }
    let run = |arguments: &[&str]| {
        Command::new("/bin/sh")
            .arg(root().join("scripts/vagrant-test"))
            .args(arguments)
            .env_clear()
            .env("PATH", tools.path())
            .output()
            .expect("sh runs")
    };
    let ended = run(&[env!("CARGO_BIN_EXE_homeprov")]);
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.code(), Some(1), "{said}");
    for words in ["CANNOT RUN", "- vagrant: https://", "- a hypervisor: libvirt", "- curl"] {
        assert!(said.contains(words), "{words:?} is not in {said}");
    }
    let ended = run(&[]);
    assert!(String::from_utf8_lossy(&ended.stderr).contains("say which homeprov"));
}

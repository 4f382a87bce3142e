//! The inventory from the outside: what is accepted, what is refused, and in which words.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use homeprov::inventory::{self, Loaded, PoolRange, Problem};
use proptest::prelude::*;

/// Wide enough for whole sentences, narrow enough for a small terminal.
const WIDTH: usize = 100;

/// The files of a folder of this repository, by name. Paths stay relative, so that messages are the same everywhere.
fn files(folder: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .expect("the folder is there")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{folder} holds no files");
    files
}

fn stem(path: &Path) -> &str {
    path.file_stem().and_then(|stem| stem.to_str()).expect("a name")
}

fn load(path: &Path) -> Loaded {
    inventory::load(path).unwrap_or_else(|invalid| panic!("{}", invalid.render(false, WIDTH)))
}

/// Snapshots lie beside the files they belong to, under the same names.
fn snapshot_settings() -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("inventory/snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings
}

fn render(problems: &[Problem]) -> String {
    let rendered: Vec<String> = problems.iter().map(|p| p.render(false, WIDTH)).collect();
    rendered.join("\n")
}

#[test]
fn invalid_files_are_refused_with_these_messages() {
    snapshot_settings().bind(|| {
        for path in files("tests/inventory/invalid") {
            let Err(invalid) = inventory::load(&path) else {
                panic!("{} was accepted", path.display());
            };
            insta::assert_snapshot!(stem(&path), invalid.render(false, WIDTH));
        }
    });
}

#[test]
fn valid_files_are_accepted_with_these_warnings() {
    snapshot_settings().bind(|| {
        for path in files("tests/inventory/valid") {
            let loaded = load(&path);
            let is_warning = stem(&path).starts_with("warning-");
            assert_eq!(!loaded.warnings.is_empty(), is_warning, "{}", path.display());
            if is_warning {
                insta::assert_snapshot!(stem(&path), render(&loaded.warnings));
            }
        }
    });
}

#[test]
fn examples_load_without_a_word() {
    let examples = files("inventory");
    assert_eq!(examples.len(), 5);
    for path in examples {
        assert_eq!(render(&load(&path).warnings), "", "{}", path.display());
        let text = fs::read_to_string(&path).expect("the example");
        assert_eq!(text.lines().next(), Some("#:schema ./schema.json"), "{}", path.display());
    }
}

#[test]
fn every_key_arrives_in_the_model() {
    let path = Path::new("tests/inventory/valid/every-key.toml");
    let folder = std::path::absolute("tests/inventory/valid").expect("a folder");
    let home = home();
    let mut inventory = load(path).inventory;
    assert_eq!(inventory.ssh.identity.take(), Some(home.join(".ssh/id_ed25519")));
    assert_eq!(inventory.ssh.config.take(), Some(folder.join("ssh_config")));
    assert_eq!(inventory.ssh.known_hosts.take(), Some(folder.join("keys/known_hosts")));
    assert_eq!(inventory.nodes[0].ssh.identity.take(), Some(PathBuf::from("/etc/keys/nuc1")));
    snapshot_settings().bind(|| {
        let shown = format!("{inventory:#?}").replace(&folder.display().to_string(), "FOLDER");
        insta::assert_snapshot!("every-key", shown);
    });
}

fn home() -> PathBuf {
    std::env::home_dir().expect("a home")
}

#[test]
fn a_password_that_others_can_read_is_warned_of() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().expect("a folder");
    let (inventory, password) = (folder.path().join("home.toml"), folder.path().join("smtp-password"));
    let text = fs::read_to_string("tests/inventory/valid/mastodon-outside.toml").expect("the fixture");
    fs::write(&inventory, text).expect("written");
    fs::write(&password, "hunter2\n").expect("written");
    for (mode, warned) in [(0o600, false), (0o640, true), (0o644, true), (0o400, false)] {
        fs::set_permissions(&password, fs::Permissions::from_mode(mode)).expect("its own file");
        let warnings = render(&load(&inventory).warnings);
        assert_eq!(warnings.contains("chmod 600 smtp-password"), warned, "{mode:o}: {warnings}");
        assert_eq!(warnings.contains(&format!("its mode is {mode:o}")), warned, "{warnings}");
        assert!(!warnings.contains("hunter2"), "{warnings}");
    }
}

#[test]
fn the_schema_is_the_one_checked_in() {
    let checked_in = fs::read_to_string("inventory/schema.json").unwrap_or_default();
    assert!(
        inventory::schema() == checked_in,
        "inventory/schema.json is out of date; it should be what `homeprov schema` prints:\n{}",
        inventory::schema()
    );
}

#[test]
fn the_schema_accepts_what_the_loader_accepts() {
    let schema = serde_json::from_str(&inventory::schema()).expect("JSON");
    let validator = jsonschema::draft202012::new(&schema).expect("a schema");
    for path in ["inventory", "tests/inventory/valid"].into_iter().flat_map(files) {
        let text = fs::read_to_string(&path).expect("the file");
        let value: serde_json::Value = toml::from_str(&text).expect("TOML");
        let faults: Vec<String> = validator.iter_errors(&value).map(|e| e.to_string()).collect();
        assert!(faults.is_empty(), "{}: {faults:?}", path.display());
    }
}

/// The invalid files whose fault a schema can express: the editor shows it before homeprov does.
#[test]
fn the_schema_refuses_what_it_can() {
    let schema = serde_json::from_str(&inventory::schema()).expect("JSON");
    let validator = jsonschema::draft202012::new(&schema).expect("a schema");
    for name in [
        "channel-risk",
        "cluster-name-upper-case",
        "failure-domain",
        "flux-repository-missing",
        "flux-version",
        "mastodon-chart",
        "mastodon-missing-keys",
        "mastodon-sizes",
        "mastodon-startup",
        "missing-keys",
        "node-name-underscore",
        "nodes-missing",
        "role",
        "storage-engine",
        "storage-prove-every",
        "storage-replicas-number",
        "storage-sizes",
        "sudo",
        "types",
        "unknown-keys",
    ] {
        let path = format!("tests/inventory/invalid/{name}.toml");
        let value: serde_json::Value = toml::from_str(&fs::read_to_string(&path).expect("the file")).expect("TOML");
        assert!(!validator.is_valid(&value), "{path}");
    }
}

/// The schema and the reader are two descriptions of one file: for each table, the keys a message offers are those
/// of the schema.
#[test]
fn the_schema_knows_the_keys_the_loader_knows() {
    let schema: serde_json::Value = serde_json::from_str(&inventory::schema()).expect("JSON");
    let tables = [
        ("", "/properties", "xyzzy = 1"),
        ("[cluster]", "/$defs/Cluster/properties", "[cluster]\nxyzzy = 1"),
        ("[ssh]", "/$defs/Ssh/properties", "[ssh]\nxyzzy = 1"),
        ("[[nodes]]", "/$defs/Node/properties", "[[nodes]]\nxyzzy = 1"),
        ("ssh", "/$defs/NodeSsh/properties", "[[nodes]]\nssh = { xyzzy = 1 }"),
        ("[metallb]", "/$defs/Metallb/properties", "[metallb]\nxyzzy = 1"),
        ("[storage]", "/$defs/Storage/properties", "[storage]\nxyzzy = 1"),
    ];
    for (table, place, text) in tables {
        let properties = schema.pointer(place).and_then(|value| value.as_object());
        let mut expected: Vec<&str> = properties.expect(place).keys().map(String::as_str).collect();
        let Err(invalid) = inventory::parse(Path::new("x.toml"), text.to_owned()) else {
            panic!("{table}: an unknown key was accepted");
        };
        let unknown = invalid
            .problems()
            .iter()
            .find(|problem| problem.message().starts_with("unknown key `xyzzy`"))
            .expect(table);
        let help = unknown.help_text().and_then(|help| help.strip_prefix("known here: "));
        let mut known: Vec<&str> = help.expect("a list of keys").split(", ").collect();
        expected.sort_unstable();
        known.sort_unstable();
        assert_eq!(known, expected, "{table}");
    }
}

#[test]
fn an_unreadable_file_is_named_with_what_to_do() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    fs::write(at("home.toml"), [b'#', 0xff, b'\n']).expect("a file");
    let message = |path: &Path| {
        let invalid = inventory::load(path).expect_err("it cannot be read");
        let text = invalid.render(false, 400);
        text.replace(&folder.path().display().to_string(), "DIR")
    };
    let messages = ["hoem.toml", "other.toml", "home.toml", ""].map(|name| message(&at(name))).concat();
    snapshot_settings().bind(|| {
        insta::assert_snapshot!("unreadable", messages);
    });
}

#[test]
fn colour_and_line_drawing_come_only_when_asked_for() {
    let path = Path::new("tests/inventory/invalid/role.toml");
    let invalid = inventory::load(path).expect_err("it is invalid");
    assert!(invalid.render(false, WIDTH).is_ascii());
    assert!(invalid.render(true, WIDTH).contains('\u{1b}'));
    assert!(invalid.render(true, WIDTH).contains('╭'));
}

#[test]
fn one_line_for_each_problem_says_where() {
    let path = Path::new("tests/inventory/invalid/types.toml");
    let invalid = inventory::load(path).expect_err("it is invalid");
    let text = invalid.to_string();
    assert_eq!(text.lines().count(), invalid.problems().len());
    for line in text.lines() {
        let place = line.strip_prefix("tests/inventory/invalid/types.toml:").expect("the path");
        let numbers: Vec<&str> = place.splitn(3, ':').collect();
        assert!(numbers[0].parse::<u32>().is_ok() && numbers[1].parse::<u32>().is_ok(), "{line}");
    }
}

fn address() -> impl Strategy<Value = Ipv4Addr> {
    any::<u32>().prop_map(Ipv4Addr::from_bits)
}

fn range() -> impl Strategy<Value = PoolRange> {
    prop_oneof![
        (address(), address()).prop_map(|(a, b)| format!("{}-{}", a.min(b), a.max(b))),
        (any::<u32>(), 0..=32_u32).prop_map(|(bits, length)| {
            let mask = u32::MAX.checked_shl(32 - length).unwrap_or(0);
            format!("{}/{length}", Ipv4Addr::from_bits(bits & mask))
        }),
    ]
    .prop_map(|text| text.parse().expect("a range"))
}

/// Ranges so small and near that they overlap often and can be looked at address by address.
fn small_range() -> impl Strategy<Value = PoolRange> {
    (0..40_u8, 0..8_u8).prop_map(|(first, more)| {
        let text = format!("192.168.1.{first}-192.168.1.{}", first + more);
        text.parse().expect("a range")
    })
}

/// Pieces of inventories, shuffled: much nearer to real files than random characters.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("[cluster]\n".to_owned()),
        Just("[ssh]\n".to_owned()),
        Just("[[nodes]]\n".to_owned()),
        Just("[nodes.ssh]\n".to_owned()),
        Just("[metallb]\n".to_owned()),
        Just("[storage]\n".to_owned()),
        (
            prop::sample::select(vec![
                "name",
                "channel",
                "address",
                "role",
                "pool",
                "labels",
                "host_key",
                "ssh",
                "port",
                "identity",
                "failure_domain",
                "sudo",
                "user",
                "jump",
                "labels.\"a/b\"",
                "engine",
                "replicas",
                "rwx",
                "reserve",
                "class",
                "image",
                "chart",
                "prove_every",
                "ümlaut",
            ]),
            prop_oneof![
                any::<i64>().prop_map(|number| number.to_string()),
                any::<bool>().prop_map(|switch| switch.to_string()),
                "[a-z0-9./:_ ,A-Z-]{0,20}".prop_map(|text| format!("\"{text}\"")),
                any::<String>().prop_map(|text| format!("{text:?}")),
                (range(), range()).prop_map(|(a, b)| format!("[\"{a}\", \"{b}\"]")),
                Just("{ host = \"ä\", port = 0 }".to_owned()),
            ]
        )
            .prop_map(|(key, value)| format!("{key} = {value}\n")),
    ];
    prop::collection::vec(piece, 0..20).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn ranges_parse_to_what_they_print(range in range()) {
        let again: PoolRange = range.to_string().parse().expect("a range");
        prop_assert_eq!(&again, &range);
        let full: PoolRange = format!("{}-{}", range.first, range.last).parse().expect("a range");
        prop_assert_eq!((full.first, full.last), (range.first, range.last));
    }

    #[test]
    fn overlap_is_an_address_in_both(a in small_range(), b in small_range()) {
        let naive = (0..=255).any(|octet| {
            let address = Ipv4Addr::new(192, 168, 1, octet).into();
            a.contains(address) && b.contains(address)
        });
        prop_assert_eq!(a.overlaps(&b), naive);
        prop_assert_eq!(b.overlaps(&a), naive);
    }

    #[test]
    fn no_text_makes_the_loader_panic(text in any::<String>()) {
        explain(text);
    }

    #[test]
    fn no_shuffled_inventory_makes_the_loader_panic(text in pieces()) {
        explain(text);
    }
}

/// Loads a text and renders what is wrong with it, which there is when it is refused.
fn explain(text: String) {
    if let Err(invalid) = inventory::parse(Path::new("any.toml"), text) {
        assert!(!invalid.problems().is_empty());
        assert!(!invalid.render(false, WIDTH).contains("Failed to read contents"));
        assert!(!invalid.render(true, 20).is_empty());
    }
}

//! Changes of an inventory's text: what a person wrote around the change stays, comments and order too.

use std::io::{self, Write as _};
use std::net::Ipv4Addr;
use std::path::Path;

use toml_edit::{ArrayOfTables, DocumentMut, Item, Table, value};

use super::model::{Inventory, Role};

/// Why a text cannot be changed so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// It is no TOML; whoever read the inventory before has said where.
    #[error("it cannot be read: {0}")]
    Unreadable(String),
    /// The nodes are written in a form that is not edited.
    #[error("its nodes do not stand in [[nodes]] tables; write each as one")]
    Form,
    /// There is no such node in it.
    #[error("it has no node {0}")]
    Absent(String),
}

/// A node to be written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewNode {
    /// Its name.
    pub name: String,
    /// Its address in the cluster.
    pub address: Ipv4Addr,
    /// What it does.
    pub role: Role,
}

/// The text with one more node, behind the others. Where control planes have a failure domain of their own written down, the
/// new one gets the lowest number that is free.
pub fn add(text: &str, inventory: &Inventory, node: &NewNode) -> Result<String, EditError> {
    let mut document = read(text)?;
    let nodes = nodes(&mut document)?;
    let mut table = Table::new();
    table.decor_mut().set_prefix("\n");
    table["name"] = value(&node.name);
    table["address"] = value(node.address.to_string());
    if node.role == Role::Worker {
        table["role"] = value("worker");
    }
    let numbered = inventory.control_planes().any(|other| other.failure_domain.is_some());
    if numbered && node.role == Role::ControlPlane {
        let taken: Vec<u32> = inventory.control_planes().map(|other| inventory.failure_domain(other)).collect();
        let free = (1..=u32::MAX).find(|number| !taken.contains(number)).unwrap_or(1);
        table["failure_domain"] = value(i64::from(free));
    }
    nodes.push(table);
    Ok(document.to_string())
}

/// The text without a node. A control plane's failure domain is its place in the file unless it says otherwise: where places
/// shift, the numbers are written down, as each change of one restarts a member.
pub fn remove(text: &str, inventory: &Inventory, name: &str) -> Result<String, EditError> {
    let mut document = read(text)?;
    let nodes = nodes(&mut document)?;
    let at = position(nodes, name)?;
    let shifts = |table: &Table| {
        let node = table.get("name").and_then(Item::as_str).and_then(|name| inventory.node(name));
        node.filter(|node| node.role == Role::ControlPlane && node.failure_domain.is_none())
    };
    if nodes.iter().skip(at + 1).any(|table| shifts(table).is_some()) {
        for (_, table) in nodes.iter_mut().enumerate().filter(|(place, _)| *place != at) {
            if let Some(node) = shifts(table) {
                table["failure_domain"] = value(i64::from(inventory.failure_domain(node)));
            }
        }
    }
    let above = nodes.get(at).and_then(|table| table.decor().prefix()?.as_str()).unwrap_or_default().to_owned();
    nodes.remove(at);
    // A comment that an empty line parts from the table is about more than this one.
    if let (Some((kept, _)), Some(next)) = (above.rsplit_once("\n\n"), nodes.get_mut(at))
        && kept.contains('#')
    {
        let own = next.decor().prefix().and_then(|prefix| prefix.as_str()).unwrap_or_default().to_owned();
        next.decor_mut().set_prefix(format!("{kept}\n{own}"));
    }
    Ok(document.to_string())
}

/// The text with another machine in a node's place: its address, and nothing that belonged to the old machine alone (a pinned
/// host key, another host to connect to).
pub fn readdress(text: &str, name: &str, address: Ipv4Addr) -> Result<String, EditError> {
    let mut document = read(text)?;
    let nodes = nodes(&mut document)?;
    let at = position(nodes, name)?;
    let table = nodes.get_mut(at).ok_or_else(|| EditError::Absent(name.to_owned()))?;
    set(table, "address", &address.to_string());
    table.remove("host_key");
    if let Some(ssh) = table.get_mut("ssh").and_then(Item::as_table_like_mut) {
        ssh.remove("host");
        if ssh.is_empty() {
            table.remove("ssh");
        }
    }
    Ok(document.to_string())
}

/// The text with another channel.
pub fn channel(text: &str, channel: &str) -> Result<String, EditError> {
    let mut document = read(text)?;
    let cluster = document.get_mut("cluster").and_then(Item::as_table_mut).ok_or(EditError::Form)?;
    set(cluster, "channel", channel);
    Ok(document.to_string())
}

/// Another value under a key, with what stands around the old one.
fn set(table: &mut Table, key: &str, text: &str) {
    let mut new = toml_edit::Value::from(text);
    if let Some(old) = table.get(key).and_then(Item::as_value) {
        *new.decor_mut() = old.decor().clone();
    }
    table[key] = Item::Value(new);
}

fn read(text: &str) -> Result<DocumentMut, EditError> {
    text.parse().map_err(|error: toml_edit::TomlError| EditError::Unreadable(error.to_string()))
}

fn nodes(document: &mut DocumentMut) -> Result<&mut ArrayOfTables, EditError> {
    document.get_mut("nodes").and_then(Item::as_array_of_tables_mut).ok_or(EditError::Form)
}

fn position(nodes: &ArrayOfTables, name: &str) -> Result<usize, EditError> {
    let named = |table: &Table| table.get("name").and_then(Item::as_str) == Some(name);
    nodes.iter().position(named).ok_or_else(|| EditError::Absent(name.to_owned()))
}

/// Puts a text in a file's place, whole or not at all; the file keeps its mode, and a link stays one. Refused when the file no
/// longer says `before`: somebody has changed it meanwhile.
pub fn replace(path: &Path, before: &str, after: &str) -> io::Result<()> {
    let path = path.canonicalize()?;
    if std::fs::read_to_string(&path)? != before {
        return Err(io::Error::other("it was changed meanwhile by somebody else"));
    }
    let folder = path.parent().unwrap_or(Path::new("/"));
    let mut draft = tempfile::NamedTempFile::new_in(folder)?;
    draft.write_all(after.as_bytes())?;
    draft.as_file().set_permissions(path.metadata()?.permissions())?;
    draft.as_file().sync_all()?;
    draft.persist(&path).map_err(|error| error.error)?;
    std::fs::File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"# My homelab.
[cluster]
name = "home"
channel = "1.35/stable" # not yet 1.36

# The machines in the cellar.

# The loud one.
[[nodes]]
name = "nuc1"
address = "192.168.1.11" # by the switch
host_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFakeFakeFakeFakeFakeFakeFakeFakeFakeFakeFake"
ssh = { host = "nuc1.lan", port = 2222 }

[[nodes]] # the quiet one
name = "nuc2"
address = "192.168.1.12"
[nodes.labels]
disk = "ssd"

[[nodes]]
name = "nuc3"
address = "192.168.1.13"

[metallb]
pool = "192.168.1.240-192.168.1.250" # above the router's
"#;

    fn parsed(text: &str) -> Inventory {
        crate::inventory::parse(Path::new("home.toml"), text.to_owned())
            .unwrap_or_else(|error| panic!("{error}"))
            .inventory
    }

    fn plain() -> String {
        TEXT.split_inclusive('\n').filter(|line| !line.starts_with("host_key")).collect()
    }

    #[test]
    fn a_node_is_added_behind_the_others() {
        let text = plain();
        let node = NewNode { name: "nuc4".into(), address: [192, 168, 1, 14].into(), role: Role::Worker };
        let added = add(&text, &parsed(&text), &node).expect("it is added");
        let own = "\n[[nodes]]\nname = \"nuc4\"\naddress = \"192.168.1.14\"\nrole = \"worker\"\n";
        assert_eq!(added, text.replace("\n[metallb]", &format!("{own}\n[metallb]")));
        assert_eq!(parsed(&added).nodes.len(), 4);
    }

    #[test]
    fn a_removed_first_node_moves_no_failure_domain() {
        let text = plain();
        let before = parsed(&text);
        let removed = remove(&text, &before, "nuc1").expect("it is removed");
        let after = parsed(&removed.replace("[cluster]", "[cluster]\nallow_two_control_planes = true"));
        for node in &after.nodes {
            assert_eq!(after.failure_domain(node), before.failure_domain(before.node(&node.name).expect("it stays")));
        }
        for words in [
            "# My homelab.",
            "# The machines in the cellar.",
            "# the quiet one",
            "# above the router's",
            "disk = \"ssd\"",
        ] {
            assert!(removed.contains(words), "{words} is gone:\n{removed}");
        }
        assert!(!removed.contains("The loud one") && !removed.contains("192.168.1.11"), "{removed}");
        // The next one takes the number that is free, and nobody is restarted for it.
        let node = NewNode { name: "nuc4".into(), address: [192, 168, 1, 14].into(), role: Role::ControlPlane };
        let added = parsed(&add(&removed, &after, &node).expect("it is added"));
        assert_eq!(added.failure_domain(added.node("nuc4").expect("it is there")), 1);
    }

    #[test]
    fn a_removed_last_node_changes_nothing_else() {
        let text = plain();
        let own = "\n[[nodes]]\nname = \"nuc3\"\naddress = \"192.168.1.13\"\n";
        assert_eq!(remove(&text, &parsed(&text), "nuc3").as_deref(), Ok(text.replace(own, "").as_str()));
        assert_eq!(remove(&text, &parsed(&text), "nuc9"), Err(EditError::Absent("nuc9".into())));
    }

    #[test]
    fn another_machine_keeps_the_name_and_nothing_of_the_old_ones_own() {
        let moved = readdress(TEXT, "nuc1", [192, 168, 1, 15].into()).expect("it is changed");
        assert!(moved.contains("address = \"192.168.1.15\" # by the switch\n"), "{moved}");
        assert!(!moved.contains("host_key") && !moved.contains("nuc1.lan") && moved.contains("2222"), "{moved}");
    }

    #[test]
    fn the_channel_keeps_its_comment() {
        let changed = channel(TEXT, "1.36/stable").expect("it is changed");
        assert_eq!(changed, TEXT.replace("1.35/stable", "1.36/stable"));
    }

    #[test]
    fn a_file_that_was_changed_meanwhile_is_left_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("home.toml");
        std::fs::write(&path, "one").expect("a file");
        assert!(replace(&path, "two", "three").is_err());
        assert_eq!(std::fs::read_to_string(&path).expect("it is there"), "one");
        replace(&path, "one", "three").expect("it is replaced");
        assert_eq!(std::fs::read_to_string(&path).expect("it is there"), "three");
        assert_eq!(folder.path().read_dir().expect("a folder").count(), 1, "nothing is left beside it");
    }
}

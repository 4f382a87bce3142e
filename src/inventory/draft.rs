//! A new inventory, with comments, from the few things only its author knows.

use std::fmt::Write as _;
use std::net::Ipv4Addr;

use super::model::{Engine, Role};

/// A machine of a new inventory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// Its host name.
    pub name: String,
    /// Its address.
    pub address: Ipv4Addr,
    /// What it does; left to [`Draft`] when absent.
    pub role: Option<Role>,
    /// Why it could not be reached when it was tried.
    pub silent: Option<String>,
}

/// The owner of a site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// The domain in everybody's names.
    pub domain: String,
    /// The owner's name.
    pub owner: String,
    /// The owner's address.
    pub email: String,
}

/// What a new inventory is written from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Draft {
    /// The cluster's name.
    pub name: String,
    /// The login on the machines; ssh decides without one.
    pub user: Option<String>,
    /// The machines.
    pub machines: Vec<Machine>,
    /// The ranges of the pool, as they are written.
    pub pool: Option<String>,
    /// How volumes are made; the number of machines decides without one.
    pub storage: Option<Engine>,
    /// The Git repository.
    pub repository: Option<String>,
    /// Mastodon.
    pub site: Option<Site>,
}

/// `ADDRESS [NAME] [worker]`; a machine without a name is called after its place, `node1`.
pub fn machine(line: &str, place: usize) -> Result<Machine, String> {
    let mut words = line.split_whitespace();
    let address = words.next().unwrap_or_default();
    let address = address.parse().map_err(|_| {
        format!(
            "`{address}` is no IPv4 address; a machine is an address, if you like with a name and `worker` after it"
        )
    })?;
    let mut machine = Machine { name: format!("node{place}"), address, role: None, silent: None };
    let mut named = None;
    for word in words {
        match (word, named) {
            ("worker", _) => machine.role = Some(Role::Worker),
            ("control-plane", _) => machine.role = Some(Role::ControlPlane),
            (name, None) => {
                name.clone_into(&mut machine.name);
                named = Some(name);
            }
            (more, Some(name)) => return Err(format!("a machine has one name, and here are `{name}` and `{more}`")),
        }
    }
    Ok(machine)
}

impl Draft {
    /// The inventory's text. It is for [`super::parse`] to say whether it is valid.
    pub fn text(&self) -> String {
        let mut text = String::from(
            "# Written by `homeprov init`. What each key means: `homeprov schema`, and the manual's page on the inventory.\n\n",
        );
        let name = quoted(&self.name);
        let _ = write!(text, "[cluster]\n# Contexts, records and folders are called after it.\nname = {name}\n\n");
        self.login(&mut text);
        self.nodes(&mut text);
        self.addresses(&mut text);
        self.volumes(&mut text);
        self.git(&mut text);
        text
    }

    fn login(&self, text: &mut String) {
        *text += "[ssh]\n# The login on the machines: root, or one that may use sudo. Without this line ssh decides, as when you type `ssh ADDRESS`.\n";
        let line = match &self.user {
            Some(user) => format!("user = {}\n\n", quoted(user)),
            None => "# user = \"ubuntu\"\n\n".to_owned(),
        };
        text.push_str(&line);
    }

    fn nodes(&self, text: &mut String) {
        *text += "# One table for each machine. The name becomes its host name. The address must never change: reserve it in your router.\n";
        let worker = self.worker_of_two();
        for (place, machine) in self.machines.iter().enumerate() {
            if let Some(why) = &machine.silent {
                let _ = writeln!(text, "# Port 22 did not answer here when this was written: {why}");
            }
            let _ = writeln!(text, "[[nodes]]\nname = {}\naddress = \"{}\"", quoted(&machine.name), machine.address);
            match machine.role {
                Some(Role::Worker) => *text += "role = \"worker\"\n",
                Some(Role::ControlPlane) => *text += "role = \"control-plane\"\n",
                None if worker == Some(place) => {
                    *text += "# Two control planes are less safe than one: the loss of either stops them. With a third one, take this line out.\nrole = \"worker\"\n";
                }
                None => {}
            }
            *text += "\n";
        }
    }

    /// Of exactly two control planes the one that is better a worker, where nobody said what it should be.
    fn worker_of_two(&self) -> Option<usize> {
        let mut planes = self.machines.iter().enumerate().filter(|(_, machine)| machine.role != Some(Role::Worker));
        let (Some(first), Some(second), None) = (planes.next(), planes.next(), planes.next()) else { return None };
        [second, first].into_iter().find(|(_, machine)| machine.role.is_none()).map(|(place, _)| place)
    }

    fn addresses(&self, text: &mut String) {
        *text += match &self.pool {
            Some(_) => {
                "[metallb]\n# Addresses for services, in the machines' network. Keep them out of what the router hands out by DHCP.\n"
            }
            None => {
                "# Addresses for services, in the machines' network and out of what the router hands out by DHCP:\n"
            }
        };
        let line = match &self.pool {
            Some(pool) => format!("pool = {}\n\n", quoted(pool)),
            None => "# [metallb]\n# pool = \"192.168.1.240-192.168.1.250\"\n\n".to_owned(),
        };
        text.push_str(&line);
    }

    fn volumes(&self, text: &mut String) {
        *text += "# Where volumes lie: with three machines or more each is kept on three of them, with fewer in a folder on one of them.\n";
        let table = match self.storage {
            Some(engine) => format!("[storage]\nengine = \"{}\"\n", engine.name()),
            None => {
                "# [storage]\n# engine = \"jiva\"        # or \"hostpath\", \"existing-class\", \"none\"\n".to_owned()
            }
        };
        text.push_str(&table);
    }

    fn git(&self, text: &mut String) {
        let Some(repository) = &self.repository else {
            *text += "\n# A Git repository that says what runs in the cluster. homeprov writes it, and Flux follows it:\n# [flux]\n# repository = \"ssh://git@github.com/alice/home\"\n";
            return;
        };
        let _ = write!(
            text,
            "\n[flux]\n# As the cluster reads it; it may be empty. homeprov pushes with your own git credentials.\nrepository = {}\n",
            quoted(repository)
        );
        let Some(Site { domain, owner, email }) = &self.site else { return };
        let _ = write!(
            text,
            "\n[mastodon]\n# The domain in everybody's names. It can never change.\nlocal_domain = {}\n\
             # The owner; the password is shown once, at the end of `up`.\nadmin = {{ username = {}, email = {} }}\n\
             # A certificate that browsers trust: a Secret in the namespace mastodon, or a ClusterIssuer of cert-manager.\n\
             # ingress = {{ cluster_issuer = \"letsencrypt\" }}\n\
             # Mail; passwords are in files that only you can read, never in this one.\n\
             # smtp = {{ server = \"smtp.example.org\", login = \"alice\", password_file = \"~/.config/homeprov/smtp-password\" }}\n",
            quoted(domain),
            quoted(owner),
            quoted(email),
        );
    }
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::inventory::parse;

    fn draft(machines: &[&str]) -> Draft {
        let machines = machines.iter().zip(1..).map(|(line, place)| machine(line, place).unwrap()).collect();
        Draft { name: "home".into(), machines, ..Draft::default() }
    }

    #[test]
    fn every_draft_is_an_inventory_without_warnings() {
        let three = draft(&["192.168.1.10 desktop", "192.168.1.11 nuc1", "192.168.1.12 nuc2"]);
        let pool = Draft { pool: Some("192.168.1.240-192.168.1.250".into()), ..three.clone() };
        let flux = Draft {
            repository: Some("ssh://git@git.example.org/home".into()),
            user: Some("me".into()),
            ..pool.clone()
        };
        let site = Site { domain: "example.org".into(), owner: "alice".into(), email: "alice@example.org".into() };
        let whole = Draft { site: Some(site), storage: Some(Engine::Jiva), ..flux.clone() };
        for draft in [draft(&["10.0.0.1"]), draft(&["10.0.0.1", "10.0.0.2"]), three, pool, flux, whole] {
            let text = draft.text();
            let loaded = parse(Path::new("home.toml"), text.clone()).unwrap_or_else(|error| panic!("{error}\n{text}"));
            let warnings: Vec<String> = loaded.warnings.iter().map(ToString::to_string).collect();
            // A site is told that no browser will trust it and that no mail will come, two machines that nothing is replicated.
            let told = draft.site.is_some() || draft.machines.len() == 2;
            assert!(warnings.is_empty() || told, "{warnings:?}\n{text}");
            assert_eq!(loaded.inventory.nodes.len(), draft.machines.len());
        }
    }

    #[test]
    fn of_two_machines_one_is_a_worker() {
        let loaded = parse(Path::new("home.toml"), draft(&["10.0.0.1", "10.0.0.2 second"]).text()).unwrap();
        assert_eq!(loaded.inventory.nodes[1].role, Role::Worker);
        assert_eq!(loaded.inventory.nodes[1].name, "second");
        let said = draft(&["10.0.0.1", "10.0.0.2 second control-plane", "10.0.0.3 third worker"]);
        let loaded = parse(Path::new("home.toml"), said.text()).unwrap();
        let roles: Vec<Role> = loaded.inventory.nodes.iter().map(|node| node.role).collect();
        assert_eq!(roles, [Role::Worker, Role::ControlPlane, Role::Worker]);
    }

    #[test]
    fn a_machine_that_did_not_answer_is_marked() {
        let mut draft = draft(&["10.0.0.1"]);
        draft.machines[0].silent = Some("connection refused".into());
        let text = draft.text();
        assert!(
            text.contains("# Port 22 did not answer here when this was written: connection refused\n[[nodes]]"),
            "{text}"
        );
        assert!(parse(Path::new("home.toml"), text).is_ok());
    }

    #[test]
    fn a_machine_is_an_address_with_a_name_and_a_role() {
        let worker = machine("10.0.0.7 attic worker", 3).unwrap();
        assert_eq!((worker.name.as_str(), worker.role), ("attic", Some(Role::Worker)));
        assert_eq!(machine("10.0.0.7", 3).unwrap().name, "node3");
        assert!(machine("attic", 1).unwrap_err().contains("`attic` is no IPv4 address"));
    }
}

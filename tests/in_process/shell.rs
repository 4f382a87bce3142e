//! What a script does on one machine: commands of the world, and files.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use homeprov::inventory::{Inventory, Node};
use homeprov_lab::world::{Exec, Machine};
use tokio::time::timeout;

use super::homelab::{Homelab, Printed};

/// What a script has printed so far.
#[derive(Debug, Clone, Default)]
pub struct Said {
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// Both in the order of writing, as a job's file holds them.
    pub both: String,
}

/// One script's shell, as root. It is gone with the boot it was started in: what it does after that has no effect.
#[derive(Clone)]
pub struct Shell {
    lab: Homelab,
    name: String,
    boot: String,
    /// The inventory its script was rendered from.
    pub inventory: Arc<Inventory>,
    /// The login behind sudo.
    pub login: String,
    said: Arc<Mutex<Said>>,
}

impl Shell {
    /// A shell on a machine that is on.
    pub fn new(lab: &Homelab, machine: &str, inventory: &Arc<Inventory>, login: &str) -> Self {
        Self {
            lab: lab.clone(),
            name: machine.to_owned(),
            boot: lab.with(|world| world.machine(machine).boot_id.clone()),
            inventory: Arc::clone(inventory),
            login: login.to_owned(),
            said: Arc::default(),
        }
    }

    /// Another shell in the same boot, which has printed nothing yet.
    pub fn afresh(&self) -> Self {
        Self { said: Arc::default(), ..self.clone() }
    }

    /// Whether the machine has lost power since the shell was started.
    pub fn is_gone(&self) -> bool {
        self.machine(|machine| !machine.powered || machine.boot_id != self.boot)
    }

    /// Looks at the machine.
    pub fn machine<T>(&self, look: impl FnOnce(&Machine) -> T) -> T {
        self.lab.with(|world| look(world.machine(&self.name)))
    }

    /// The homelab the machine is in.
    pub fn lab(&self) -> &Homelab {
        &self.lab
    }

    /// The machine as the inventory has it.
    pub fn node(&self) -> &Node {
        self.inventory.node(&self.name).expect("scripts run on nodes of the inventory")
    }

    /// What was printed up to now.
    pub fn said(&self) -> Said {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn print(&self, printed: &Printed<'_>) {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let (Printed::Out(bytes) | Printed::Err(bytes)) = printed;
        let text = String::from_utf8_lossy(bytes);
        said.both.push_str(&text);
        match printed {
            Printed::Out(_) => said.stdout.push_str(&text),
            Printed::Err(_) => said.stderr.push_str(&text),
        }
    }

    /// Prints a line.
    pub fn say(&self, line: impl AsRef<str>) {
        self.print(&Printed::Out(format!("{}\n", line.as_ref()).as_bytes()));
    }

    /// Prints a line on standard error.
    pub fn complain(&self, line: impl AsRef<str>) {
        self.print(&Printed::Err(format!("{}\n", line.as_ref()).as_bytes()));
    }

    /// Prints a line and ends with status 1, as the checks do.
    pub fn differs(&self, line: impl AsRef<str>) -> i32 {
        self.say(line);
        1
    }

    /// Runs a command and prints what it prints.
    pub async fn run(&self, argv: &[&str]) -> i32 {
        self.start(argv, b"", |printed| self.print(printed)).await
    }

    /// The same, with something on its standard input.
    pub async fn run_with(&self, argv: &[&str], input: &[u8]) -> i32 {
        self.start(argv, input, |printed| self.print(printed)).await
    }

    /// Runs a command as `timeout SECONDS` does.
    pub async fn run_for(&self, seconds: u64, argv: &[&str]) -> i32 {
        timeout(Duration::from_secs(seconds), self.run(argv)).await.unwrap_or(124)
    }

    /// Runs a command for its status and standard output, without printing.
    pub async fn ask(&self, argv: &[&str]) -> (i32, String) {
        let mut output = Vec::new();
        let status = self
            .start(argv, b"", |printed| {
                if let Printed::Out(bytes) = printed {
                    output.extend_from_slice(bytes);
                }
            })
            .await;
        (status, String::from_utf8_lossy(&output).into_owned())
    }

    /// Runs a command with bytes on its standard input: its status, and its bytes on standard output and standard error.
    pub async fn pipe(&self, argv: &[&str], input: &[u8]) -> (i32, Vec<u8>, Vec<u8>) {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let taken = |printed: &Printed<'_>| match printed {
            Printed::Out(bytes) => out.extend_from_slice(bytes),
            Printed::Err(bytes) => err.extend_from_slice(bytes),
        };
        let status = self.start(argv, input, taken).await;
        (status, out, err)
    }

    /// What the backup of the data store does on a machine: a file is made, sent, hashed and removed.
    pub async fn back_up_data_store(&self) -> (i32, Vec<u8>, Vec<u8>) {
        const FILE: &str = "/var/snap/microk8s/common/homeprov-datastore";
        let (status, _, mut err) = self.pipe(&["/snap/bin/microk8s", "dbctl", "backup", "-o", FILE], b"").await;
        let file = format!("{FILE}.tar.gz");
        let bytes = self.machine(|machine| machine.files().read(&file)).unwrap_or_default();
        self.remove(&file);
        let sum: String = <sha2::Sha256 as sha2::Digest>::digest(&bytes)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<Vec<_>>()
            .concat();
        err.extend(format!("homeprov-status {status}\n{sum}  -\n").bytes());
        (0, bytes, err)
    }

    /// Runs commands one after another until one fails, as `a && b` does.
    pub async fn all(&self, commands: &[&[&str]]) -> i32 {
        for command in commands {
            let status = self.run(command).await;
            if status != 0 {
                return status;
            }
        }
        0
    }

    async fn start(&self, argv: &[&str], input: &[u8], printed: impl FnMut(&Printed<'_>)) -> i32 {
        if self.is_gone() {
            return 137;
        }
        let exec = Exec { stdin: input.to_vec(), ..Exec::root(argv) };
        let status = self.lab.run(&self.name, exec, printed).await;
        if self.is_gone() { 137 } else { status }
    }

    /// The text of a file.
    pub fn read(&self, path: &str) -> Option<String> {
        self.machine(|machine| machine.files().read(path)).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Whether a file has this line, as `grep -x` says.
    pub fn has_line(&self, path: &str, line: &str) -> bool {
        self.read(path).is_some_and(|text| text.lines().any(|own| own == line))
    }

    /// Whether anything is at a path.
    pub fn exists(&self, path: &str) -> bool {
        self.machine(|machine| machine.files().exists(path))
    }

    /// Writes a file.
    pub fn write(&self, path: &str, text: &str) {
        if !self.is_gone() {
            self.lab.with(|world| world.machine_mut(&self.name).files_mut().write(path, text.as_bytes(), 0o644));
        }
    }

    /// Removes a file.
    pub fn remove(&self, path: &str) {
        if !self.is_gone() {
            self.lab.with(|world| world.machine_mut(&self.name).files_mut().remove(path));
        }
    }
}

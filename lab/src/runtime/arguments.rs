//! The command line.

use clap::{Args, Parser, Subcommand, ValueEnum};

/// A homelab inside this machine.
#[derive(Debug, Parser)]
#[command(name = "homeprov-lab", version, about)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Starts a homelab, runs COMMAND in it and leaves nothing behind.
    Run(Run),
    /// Inside COMMAND: cuts a node's power.
    PowerOff {
        /// The node.
        node: String,
    },
    /// Inside COMMAND: gives a node its power back.
    PowerOn {
        /// The node.
        node: String,
    },
    /// Inside COMMAND: unplugs a node's network cable.
    Cut {
        /// The node.
        node: String,
    },
    /// Inside COMMAND: plugs it in again.
    Heal {
        /// The node.
        node: String,
    },
    /// Inside COMMAND: unplugs the controller's own cable: it reaches no node, the nodes reach one another.
    Unplug,
    /// Inside COMMAND: plugs it in again.
    Plug,
    /// Inside COMMAND: prints the simulated programs that were run on the nodes, a JSON object a line, with the
    /// milliseconds since the lab's start at which each began and ended.
    Commands,
    /// Inside COMMAND: lets something go wrong.
    Fault {
        /// The fault's name.
        name: String,
        /// The node, where the fault does not choose by itself.
        node: Option<String>,
        /// After how many seconds, of the lab's time, it is over; without that it decides itself.
        #[arg(long, value_name = "SECONDS")]
        lasts: Option<u64>,
    },
    /// Inside COMMAND: writes a listing of every file the nodes have changed.
    Snapshot {
        /// The file to write.
        file: std::path::PathBuf,
    },
    /// Inside COMMAND: prints the state of the simulated world as JSON.
    Describe,
    /// Inside COMMAND: what the Git server is told.
    Git {
        /// What.
        #[command(subcommand)]
        command: GitCommand,
    },
    /// Names the faults.
    Faults,
    /// The first process of a node.
    #[command(hide = true)]
    NodeInit {
        /// The node's configuration, JSON.
        config: String,
    },
    /// A container on a node.
    #[command(hide = true)]
    ContainerInit {
        /// A file with the container's configuration, JSON; it is removed.
        file: std::path::PathBuf,
    },
}

/// `git`
#[derive(Debug, Clone, Subcommand)]
pub enum GitCommand {
    /// Lets a deploy key read the repository.
    AddKey {
        /// The file with the public key.
        file: std::path::PathBuf,
    },
}

/// `run`
#[derive(Debug, Clone, Args)]
pub struct Run {
    /// Control-plane machines in the inventory.
    #[arg(long, default_value_t = 3)]
    pub nodes: u8,
    /// Worker machines in the inventory.
    #[arg(long, default_value_t = 0)]
    pub workers: u8,
    /// Machines that are not in the inventory.
    #[arg(long, default_value_t = 0)]
    pub spare: u8,
    /// What goes wrong: a name, or name@node. May be given several times.
    #[arg(long)]
    pub fault: Vec<String>,
    /// Round-trip time between the controller and the nodes in milliseconds.
    #[arg(long, default_value_t = 0)]
    pub rtt: u64,
    /// How much faster than real time the simulated programs are.
    #[arg(long, default_value_t = 20)]
    pub speed: u64,
    /// How one logs in.
    #[arg(long, value_enum, default_value_t = Login::Root)]
    pub login: Login,
    /// What the machines run.
    #[arg(long, value_enum, default_value_t = System::Ubuntu)]
    pub os: System,
    /// What the machines are when COMMAND starts.
    #[arg(long, value_enum, default_value_t = State::Bare)]
    pub state: State,
    /// The storage the inventory asks for; `default` says nothing about it.
    #[arg(long, value_enum, default_value_t = Storage::None)]
    pub storage: Storage,
    /// Copies of each volume the inventory asks for.
    #[arg(long)]
    pub replicas: Option<u8>,
    /// Whether the inventory asks for volumes that several nodes mount at once.
    #[arg(long, value_enum)]
    pub rwx: Option<Switch>,
    /// Whether the inventory asks for Flux and Mastodon; that takes a storage other than `none`.
    #[arg(long, value_enum, default_value_t = Switch::Off)]
    pub mastodon: Switch,
    /// The command and its arguments.
    #[arg(last = true, required = true)]
    pub command: Vec<String>,
}

/// The storage an inventory asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Storage {
    /// Nothing is said about it.
    Default,
    /// None.
    None,
    /// Volumes with copies on several nodes.
    Jiva,
    /// Volumes on one node's disk.
    Hostpath,
    /// Classes that are there already.
    ExistingClass,
}

/// On or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// It is.
    On,
    /// It is not.
    Off,
}

/// How one logs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Login {
    /// As root, with a key.
    Root,
    /// As the user lab, who may use sudo without a password.
    Sudo,
    /// As the user lab, who must give a password to sudo.
    SudoPassword,
}

/// What the machines run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum System {
    /// Ubuntu 24.04
    Ubuntu,
    /// Debian 12
    Debian,
}

/// What the machines are when COMMAND starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum State {
    /// Freshly installed machines.
    Bare,
    /// A cluster that somebody has set up by hand: installed and joined.
    Cluster,
}

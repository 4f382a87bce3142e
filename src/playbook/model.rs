//! What a playbook says, once it has been read and found valid.

use std::time::Duration;

use crate::gitops::render::Templates;

/// All playbooks in the order of their file names.
#[derive(Debug, Clone, Default)]
pub struct Recipe {
    /// The steps of all playbooks, in order.
    pub steps: Vec<Step>,
    /// The templates of what lands in the repository.
    pub templates: Templates,
}

/// One desired state.
#[derive(Debug, Clone)]
pub struct Step {
    /// Unique id, such as `snapd-ready`.
    pub id: String,
    /// The state in the present tense: "iscsid is running".
    pub title: String,
    /// Where it should hold.
    pub on: On,
    /// How it is checked and reached.
    pub action: Action,
    /// Only where this fact is true; see [`crate::facts::when`] for the names.
    pub when: Option<String>,
    /// How long it may take to be observed after it was applied: what still differs is not applied again before. What is seen to be on
    /// its way ([`crate::plan::Verdict::Settling`]) is not bounded by this.
    pub settle: Duration,
    /// How long applying may take before it is ended, and how long what is seen to be on its way is waited for.
    pub limit: Duration,
    /// How often it is applied at the most in one run before it is a failure.
    pub attempts: u32,
    /// Why it is there, for readers and messages.
    pub why: String,
    /// The playbook it stands in: `20-microk8s`.
    pub playbook: String,
}

/// Where a step should hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum On {
    /// Every node.
    All,
    /// Every control-plane node.
    ControlPlane,
    /// Every worker.
    Workers,
    /// The seed only.
    Seed,
    /// The cluster as a whole: waits until all before it holds on all nodes.
    Cluster,
}

/// How a step is checked and reached.
#[derive(Debug, Clone)]
pub enum Action {
    /// Shell text from the playbook, templates of the inventory.
    Script {
        /// Read-only, quick, safe when nothing is installed; status 0 means it holds.
        check: String,
        /// Moves towards the state; absent where only waiting helps.
        apply: Option<String>,
        /// Whether `apply` may take more than a few seconds and so runs as a detached job.
        detached: bool,
    },
    /// A Rust step of that name, in `src/steps/`.
    Builtin(String),
}

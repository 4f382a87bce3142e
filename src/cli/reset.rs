//! `homeprov reset`

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use super::change::{self, Changed, Held};
use super::output;
use super::prompt;
use super::remove::{Taking, take_out};
use super::run::{Manner, Prints, Run, RunArguments};
use crate::engine;
use crate::error::{ExitCode, Failure};
use crate::facts::{Departing, Facts, here};
use crate::inventory::{Inventory, edit};
use crate::report::face::Verbosity;
use crate::ssh::{Program, Purpose, Script};
use crate::steps::reset_allowed;

/// Take MicroK8s off the machines, with all data on it; what stays is shown
#[derive(Debug, Args)]
#[command(help_template = super::HELP, before_help = "\
Examples:
  homeprov reset home.toml --node nuc3    leaves the cluster first
  homeprov reset home.toml                the whole cluster; asks for its name")]
pub(super) struct Arguments {
    #[command(flatten)]
    run: RunArguments,
    /// This node only
    #[arg(long, value_name = "NAME")]
    node: Option<String>,
    /// The name that would be typed, where there is no terminal: the node's, or the cluster's
    #[arg(long, value_name = "NAME")]
    confirm: Option<String>,
    /// Print events as JSON, one object per line
    #[arg(long)]
    json: bool,
}

/// What may be left on a machine, and who put it there.
const PLACES: [&str; 9] = [
    "/var/snap/microk8s",
    "/var/openebs",
    "/etc/iscsi/nodes",
    "/etc/modules-load.d/homeprov.conf",
    "/etc/modules-load.d/homeprov-nfs.conf",
    "/etc/sysctl.d/90-homeprov.conf",
    "/etc/multipath/conf.d/homeprov.conf",
    "/etc/profile.d/homeprov-snap.sh",
    "/var/lib/homeprov",
];
/// How long looking for them may take.
const LOOK: Duration = Duration::from_secs(30);

impl Arguments {
    pub(super) async fn run(&self, verbosity: Verbosity) -> Result<ExitCode, Failure> {
        let held = Held::read(&self.run.inventory)?;
        let wanted = self.node.as_deref().unwrap_or(&held.inventory.cluster.name);
        if self.confirm.is_none() && !prompt::possible() {
            let message =
                "`homeprov reset` asks for a name before it deletes anything: use a terminal, or add --confirm";
            return Err(Failure::new(ExitCode::Usage, message).help(format!("homeprov reset … --confirm {wanted}")));
        }
        if self.confirm.as_ref().is_some_and(|typed| typed != wanted) {
            return Err(Failure::new(ExitCode::Usage, format!("--confirm does not say {wanted}: nothing was changed")));
        }
        let manner = Manner { prints: Prints::Events, json: self.json, yes: self.confirm.is_some(), verbosity };
        let shown = held.shown();
        let mut again = vec!["reset", &shown];
        let mut inventory = held.inventory.clone();
        inventory.flux = None;
        inventory.mastodon = None;
        let mut alone = None;
        if let Some(name) = &self.node {
            let Some(node) = held.inventory.node(name).cloned() else {
                return Err(Failure::new(ExitCode::Usage, format!("{shown} has no node {name}"))
                    .help("a machine that has left is cleaned with `snap remove --purge microk8s` on it"));
            };
            again.extend(["--node", name]);
            alone = Some(Inventory { nodes: vec![node], ..inventory.clone() });
        }
        let mut run = self.run.begin_with(&manner, inventory, self.run.recipe_of("reset")?, &again)?;
        if let Err(failure) = Box::pin(self.consent(&mut run, wanted, alone)).await {
            run.end().await;
            return Err(failure);
        }
        let change = match &self.node {
            Some(name) => {
                let change = held.changed(edit::remove(&held.text, &held.inventory, name))?;
                let code = Box::pin(self.leave(&held, name, &change, &again, verbosity)).await?;
                if code != ExitCode::Done {
                    run.end().await;
                    return Ok(code);
                }
                Some(change)
            }
            None => None,
        };
        let outcome = Box::pin(engine::converge(&run.session, "reset")).await;
        let left = Box::pin(residue(&run)).await;
        let (state, cluster) = (run.session.state.clone(), held.inventory.cluster.name.clone());
        run.end().await;
        if outcome.code == ExitCode::Done {
            match change {
                Some(change) => change.write()?,
                None => forget(&state, &cluster)?,
            }
        }
        if !self.json && verbosity > Verbosity::Quiet {
            output::result(&left)?;
        }
        Ok(outcome.code)
    }

    /// Shows what goes, and has the name typed. The run is then about the one node, where it is one.
    async fn consent(&self, run: &mut Run, wanted: &str, alone: Option<Inventory>) -> Result<(), Failure> {
        let stopped = |outcome: engine::Outcome| Failure::new(outcome.code, outcome.summary);
        let (mut plan, facts) = Box::pin(engine::preview(&run.session)).await.map_err(stopped)?;
        if let Some(alone) = alone {
            // Whose a machine is, the others and their records tell, too.
            let strange = reset_allowed::stranger(&run.session.inventory, &facts, wanted);
            if let Some(why) = strange {
                return Err(change::before_anything(&[why]));
            }
            run.session.inventory = Arc::new(alone);
            plan = crate::plan::plan(&run.session.inventory, &run.session.recipe, &facts);
        }
        let refusals: Vec<String> = plan.refusals().map(|refusal| refusal.verdict.text()).collect();
        if !refusals.is_empty() {
            return Err(change::before_anything(&refusals));
        }
        // To take a cluster down that homeprov did not set up is what the name is typed for.
        run.session.takeover = Some(Arc::new(|_| true));
        if plan.pending.is_empty() || self.confirm.is_some() {
            return Ok(());
        }
        let names: Vec<&str> = run.session.inventory.nodes.iter().map(|node| node.name.as_str()).collect();
        let mut text = format!("MicroK8s is taken off {}, with all that is stored there.\n", names.join(", "));
        if self.node.is_none() {
            text += &lost(&facts);
            for line in reset_allowed::left_behind(&run.session.inventory, &facts) {
                let _ = writeln!(text, "  {line}");
            }
        }
        run.screen.suspend(|| output::note(&text));
        if prompt::typed(&run.screen, &format!("Type {wanted} to go on: ")).as_deref() == Some(wanted) {
            return Ok(());
        }
        Err(Failure::new(ExitCode::Refused, "left as it is: nothing was changed"))
    }

    /// The node leaves the cluster first, as with `homeprov remove`; the inventory keeps it until its machine is clean.
    async fn leave(
        &self,
        held: &Held,
        name: &str,
        change: &Changed,
        again: &[&str],
        verbosity: Verbosity,
    ) -> Result<ExitCode, Failure> {
        let manner = Manner { prints: Prints::Events, json: self.json, yes: true, verbosity };
        let address = held.inventory.node(name).map(|node| node.address);
        let departing = Departing { name: name.to_owned(), address, dead: false };
        let (before, after): (&Inventory, &Inventory) = (&held.inventory, &change.inventory);
        let taking = Taking { departing, before, after, change: None, again, gone: false };
        Box::pin(take_out(&self.run, &manner, taking, false)).await
    }
}

/// The claims whose data goes with the whole cluster.
fn lost(facts: &Facts) -> String {
    let claims = facts.cluster.iter().flat_map(|cluster| &cluster.storage.claims);
    let users = claims.filter(|claim| claim.namespace != "openebs");
    let lines: Vec<String> = users.map(|claim| format!("  lost: {}/{}\n", claim.namespace, claim.name)).collect();
    lines.concat()
}

/// This machine knows of the cluster no more. The key of the sealed secrets stays: what is in Git is sealed with it.
fn forget(state: &std::path::Path, cluster: &str) -> Result<(), Failure> {
    here::forget(state, cluster)
        .map_err(|error| Failure::io("cannot remove the record of the cluster on this machine", &error))
}

/// What is left on the machines, as it is seen there.
async fn residue(run: &Run) -> String {
    let script = format!("for place in {}; do [ ! -e \"$place\" ] || echo \"$place\"; done", PLACES.join(" "));
    let mut text = String::new();
    for node in &run.session.inventory.nodes {
        let script = Script::single(Purpose::Probe, "residue".to_owned(), Program::Shell(script.clone()), LOOK);
        let answer = run.session.transport.run(&node.name, &script).await;
        let seen = answer.ok().and_then(|mut answer| answer.sections.remove("residue"));
        let places = seen.map_or_else(
            || "it does not answer, so what is left there is not known".to_owned(),
            |seen| match seen.stdout.split_whitespace().collect::<Vec<_>>().join(", ") {
                none if none.is_empty() => "nothing of MicroK8s or homeprov".to_owned(),
                some => some,
            },
        );
        let _ = writeln!(
            text,
            "{}: left: {places}; packages that were installed (open-iscsi, nfs-common, …) stay",
            node.name
        );
    }
    text
}

//! The playbooks' scripts, told in commands of the world and files: one row per script step.

mod packages;
mod snaps;
mod storage;
mod system;

use futures::future::BoxFuture;
use homeprov::playbook::{Action, Recipe};

use super::shell::Shell;

type Script = for<'a> fn(&'a Shell) -> BoxFuture<'a, i32>;

/// What the scripts of one step do. Both end with an exit status.
pub struct Row {
    /// The step's id.
    pub step: &'static str,
    /// Its `check`.
    pub check: Script,
    /// Its `apply`, where it has one.
    pub apply: Option<Script>,
}

macro_rules! row {
    ($step:literal, $check:path) => {
        Row { step: $step, check: |shell| Box::pin($check(shell)), apply: None }
    };
    ($step:literal, $check:path, $apply:path) => {
        Row { step: $step, check: |shell| Box::pin($check(shell)), apply: Some(|shell| Box::pin($apply(shell))) }
    };
}

const ROWS: &[Row] = &[
    row!("cloud-init-finished", packages::cloud_init),
    row!("dpkg-complete", packages::dpkg, packages::complete_packages),
    row!("packages-installed", packages::packages, packages::install_packages),
    row!("host-name", system::host_name, system::set_host_name),
    row!("peers-in-hosts", system::hosts, system::write_hosts),
    row!("kernel-modules", system::modules, system::load_modules),
    row!("sysctls", system::sysctls, system::set_sysctls),
    row!("time-synchronised", system::time, system::synchronise_time),
    row!("snapd-ready", snaps::snapd, snaps::start_snapd),
    row!("snap-bin-in-path", snaps::path, snaps::write_path),
    row!("user-in-group", snaps::group, snaps::add_to_group),
    row!("iscsi-installed", storage::iscsi, storage::install_iscsi),
    row!("iscsid-running", storage::iscsid, storage::start_iscsid),
    row!("multipath-leaves-volumes", storage::multipath, storage::spare_volumes),
    row!("nfs-ready", storage::nfs, storage::install_nfs),
    row!("community-addons", snaps::community, snaps::add_community),
    row!("search-kernel-setting", system::search, system::allow_search),
    row!("datastore-saved", snaps::saved, snaps::save),
    row!("microk8s-removed", snaps::no_microk8s, snaps::purge),
    row!("record-removed", snaps::no_record, snaps::remove_record),
];

/// The row of a step.
pub fn row(step: &str) -> Option<&'static Row> {
    ROWS.iter().find(|row| row.step == step)
}

/// The recipe's script steps, each with whether it has an `apply`.
fn script_steps(recipe: &Recipe) -> Vec<(String, bool)> {
    let steps = recipe.steps.iter().filter_map(|step| match &step.action {
        Action::Script { apply, .. } => Some((step.id.clone(), apply.is_some())),
        Action::Builtin(_) => None,
    });
    steps.collect()
}

#[test]
fn every_script_step_of_the_playbooks_has_its_row() {
    let rows: Vec<(String, bool)> = ROWS.iter().map(|row| (row.step.to_owned(), row.apply.is_some())).collect();
    let mut steps = script_steps(&super::session::recipe());
    let builtins: Vec<&str> = homeprov::steps::names().collect();
    for command in homeprov::playbook::COMMANDS {
        let recipe = homeprov::playbook::load_embedded_of(command, &builtins).expect("the steps are valid");
        assert!(!recipe.steps.is_empty(), "{command}");
        steps.extend(script_steps(&recipe));
    }
    assert_eq!(rows, steps);
}

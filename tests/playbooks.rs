//! Playbooks from the outside: one folder per fault, and what is said about it.

use std::path::{Path, PathBuf};

use homeprov::playbook::{self, Action, ExportError, InvalidPlaybooks};

const WIDTH: usize = 100;
const BUILTINS: &[&str] = &["members-joined", "pool-exact"];

/// The folders in one of the two, by name.
fn folders(kind: &str) -> Vec<PathBuf> {
    let folder = Path::new("tests/playbooks").join(kind);
    let mut folders: Vec<PathBuf> =
        folder.read_dir().expect("the folder is there").map(|entry| entry.expect("an entry").path()).collect();
    folders.sort();
    assert!(!folders.is_empty());
    folders
}

fn name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).expect("a name")
}

#[test]
fn invalid_playbooks_are_refused_with_these_messages() {
    insta::with_settings!({ snapshot_path => "playbooks/snapshots", prepend_module_to_snapshot => false, omit_expression => true }, {
        for folder in folders("invalid") {
            let invalid: InvalidPlaybooks = playbook::load_dir(&folder, BUILTINS).expect_err(name(&folder));
            insta::assert_snapshot!(name(&folder), invalid.render(false, WIDTH));
        }
    });
}

#[test]
fn valid_playbooks_arrive_in_the_model() {
    insta::with_settings!({ snapshot_path => "playbooks/snapshots", prepend_module_to_snapshot => false, omit_expression => true }, {
        for folder in folders("valid") {
            let recipe = playbook::load_dir(&folder, BUILTINS).unwrap_or_else(|invalid| panic!("{invalid}"));
            insta::assert_debug_snapshot!(format!("valid-{}", name(&folder)), recipe.steps);
        }
    });
}

#[test]
fn a_problem_in_one_line_names_its_place() {
    let invalid = playbook::load_dir(Path::new("tests/playbooks/invalid/twice"), BUILTINS).expect_err("invalid");
    let first = invalid.to_string().lines().next().map(str::to_owned);
    assert_eq!(
        first.as_deref(),
        Some("tests/playbooks/invalid/twice/20-b.toml:2:6: error: there are two steps with the id `same`")
    );
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let invalid = playbook::load_dir(Path::new("tests/playbooks/none"), BUILTINS).expect_err("invalid");
    assert!(invalid.to_string().contains("cannot read tests/playbooks/none"), "{invalid}");
}

#[test]
fn the_embedded_playbooks_are_valid_and_every_rust_step_in_them_is_there() {
    let builtins: Vec<&str> = homeprov::steps::names().collect();
    let recipe =
        playbook::load_embedded(&builtins).unwrap_or_else(|invalid| panic!("{}", invalid.render(false, WIDTH)));
    let others = playbook::COMMANDS.map(|command| {
        playbook::load_embedded_of(command, &builtins)
            .unwrap_or_else(|invalid| panic!("{}", invalid.render(false, WIDTH)))
    });
    let named: Vec<&str> = recipe
        .steps
        .iter()
        .chain(others.iter().flat_map(|recipe| &recipe.steps))
        .filter_map(|step| match &step.action {
            Action::Builtin(name) => Some(name.as_str()),
            Action::Script { .. } => None,
        })
        .collect();
    for builtin in builtins {
        assert!(named.contains(&builtin), "no playbook uses {builtin}");
    }
}

/// What is seen to be on its way is waited for until the limit; a settle time beyond it promises what nobody keeps.
#[test]
fn no_step_of_homeprovs_settles_longer_than_it_is_waited_for() {
    let builtins: Vec<&str> = homeprov::steps::names().collect();
    let others = playbook::COMMANDS.map(|command| playbook::load_embedded_of(command, &builtins).expect("valid"));
    let recipe = playbook::load_embedded(&builtins).expect("valid");
    // Where there is nothing to be applied, waiting for the settle time is all that is done.
    let only_waits = |action: &Action| matches!(action, Action::Script { apply: None, .. });
    for step in recipe.steps.iter().chain(others.iter().flat_map(|recipe| &recipe.steps)) {
        assert!(
            only_waits(&step.action) || step.settle <= step.limit,
            "{}: {:?} > {:?}",
            step.id,
            step.settle,
            step.limit
        );
    }
}

#[test]
fn exported_playbooks_load_and_are_never_overwritten_unasked() {
    let folder = tempfile::tempdir().expect("a folder");
    let target = folder.path().join("new/playbooks");
    let written = playbook::export(&target, false).expect("exported");
    assert!(written.iter().any(|path| name(path) == "README.md"));
    let template = target.join("gitops/mastodon/helmrelease-mastodon.yaml.hbs");
    assert!(written.contains(&template) && template.exists(), "{written:?}");
    let builtins: Vec<&str> = homeprov::steps::names().collect();
    let exported = playbook::load_dir(&target, &builtins).expect("valid");
    let embedded = playbook::load_embedded(&builtins).expect("valid");
    let ids = |recipe: &playbook::Recipe| recipe.steps.iter().map(|step| step.id.clone()).collect::<Vec<_>>();
    assert_eq!(ids(&exported), ids(&embedded));

    assert_eq!(playbook::export(&target, false).expect("nothing to do"), Vec::<PathBuf>::new());
    let mine = target.join("20-microk8s.toml");
    std::fs::write(&mine, "# mine\n").expect("written");
    std::fs::remove_file(target.join("README.md")).expect("removed");
    let refused = playbook::export(&target, false).expect_err("it differs");
    assert!(matches!(&refused, ExportError::Differs(paths) if *paths == [mine.clone()]), "{refused}");
    assert!(!target.join("README.md").exists(), "all or nothing");
    assert_eq!(std::fs::read_to_string(&mine).expect("read"), "# mine\n");
    playbook::export(&target, true).expect("forced");
    assert_ne!(std::fs::read_to_string(&mine).expect("read"), "# mine\n");
    assert!(target.join("README.md").exists());
}

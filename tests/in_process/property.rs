//! From any state that can be reached, repeated `up` ends: converged, or with a reason that stays the same; and where
//! it converged, another `up` applies nothing.

use std::time::Duration;

use homeprov::engine::event::Event;
use homeprov::error::ExitCode;
use homeprov::plan::Verdict;
use homeprov_lab::world::{FaultKind, Os};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::RngSeed;
use tokio::runtime::Builder;
use tokio::time::sleep;

use super::session::{House, Ran};
use super::verify::problems;

/// Something that happens to a homelab.
#[derive(Debug, Clone)]
enum Happening {
    /// homeprov is started, and killed after so many seconds.
    UpFor(u64),
    /// Nothing for so many seconds.
    Wait(u64),
    Off(u8),
    On(u8),
    Cut(u8),
    Heal(u8),
    /// The machine is installed anew.
    Reinstall(u8),
    /// Somebody types `microk8s stop`.
    Stop(u8),
    /// A fault, on this machine where it is about one.
    Fault(FaultKind, u8),
}

use Happening::{Cut, Fault, Heal, Off, On, Reinstall, Stop, UpFor, Wait};

/// Faults that pass by themselves, or that homeprov overcomes.
const PASSING: [FaultKind; 10] = [
    FaultKind::JoinFalseSuccess,
    FaultKind::JoinConsumedToken,
    FaultKind::DqliteSlowVote,
    FaultKind::FirstJoinApiRestart,
    FaultKind::MetallbEndlessLoop,
    FaultKind::SnapBusy,
    FaultKind::SnapStoreDown,
    FaultKind::AptLocked,
    FaultKind::HalfJoined,
    FaultKind::OldSnapd,
];
/// Faults that somebody has to look after.
const LASTING: [FaultKind; 6] = [
    FaultKind::MetallbStickyEnabled,
    FaultKind::PoolNotAnnounced,
    FaultKind::ClockSkew,
    FaultKind::DuplicateMachineId,
    FaultKind::SmallMemory,
    FaultKind::DeadVoter,
];

fn happening() -> impl Strategy<Value = Happening> {
    let node = || 1..=3_u8;
    prop_oneof![
        6 => (1..300_u64).prop_map(UpFor),
        2 => (1..90_u64).prop_map(Wait),
        3 => node().prop_map(Off),
        2 => node().prop_map(On),
        3 => node().prop_map(Cut),
        2 => node().prop_map(Heal),
        1 => node().prop_map(Reinstall),
        1 => node().prop_map(Stop),
        3 => (select(&PASSING[..]), node()).prop_map(|(kind, n)| Fault(kind, n)),
        1 => (select(&LASTING[..]), node()).prop_map(|(kind, n)| Fault(kind, n)),
    ]
}

/// What happened to a homelab: mostly to one that homeprov has worked on for a while.
fn history() -> impl Strategy<Value = Vec<Happening>> {
    let begun = prop::option::weighted(0.7, (60..300_u64).prop_map(UpFor));
    (begun, prop::collection::vec(happening(), 1..8)).prop_map(|(begun, then)| begun.into_iter().chain(then).collect())
}

fn name(n: u8) -> String {
    format!("nuc{n}")
}

async fn happen(house: &House, happening: &Happening) -> Vec<Event> {
    match happening {
        UpFor(seconds) => return house.up_cut_off(Duration::from_secs(*seconds)).await,
        Wait(seconds) => sleep(Duration::from_secs(*seconds)).await,
        Off(n) => house.lab.with(|world| world.power_off(&name(*n))),
        On(n) => house.lab.with(|world| world.power_on(&name(*n))),
        Cut(n) => house.lab.with(|world| world.cut_network(&name(*n))),
        Heal(n) => house.lab.with(|world| world.restore_network(&name(*n))),
        Reinstall(n) => house.lab.with(|world| world.reinstall(&name(*n))),
        Stop(n) => {
            house.lab.with(|world| {
                // Nobody types on a machine that is off, or without MicroK8s.
                if world.machine(&name(*n)).powered && world.machine(&name(*n)).has_microk8s() {
                    world.run(&name(*n), &["microk8s", "stop"], b"");
                }
            });
        }
        Fault(kind, n) => {
            let fault = homeprov_lab::world::Fault { machine: Some(name(*n)), ..(*kind).into() };
            house.lab.with(|world| world.inject(fault));
        }
    }
    Vec::new()
}

/// Every step that was started was pending, and said why, in the plan made before.
fn only_pending_steps_were_started(events: &[Event]) {
    let mut plan = None;
    for event in events {
        match event {
            Event::Planned { plan: made, .. } => plan = Some(made),
            Event::StepStarted { step, place, why, .. } => {
                let pending = plan.into_iter().flat_map(|plan| &plan.pending);
                let mut pending = pending.filter(|pending| pending.step == *step && pending.place == *place);
                let found = pending.next().unwrap_or_else(|| panic!("{step} at {place:?} was not pending"));
                assert!(found.runnable && matches!(found.verdict, Verdict::Differs { .. }), "{found:?}");
                assert!(!why.is_empty(), "{step} at {place:?} was started without a reason");
            }
            _ => {}
        }
    }
}

/// Repeats `up` until it comes to the same end twice; that end.
async fn repeated(house: &House) -> Ran {
    let mut last: Option<Ran> = None;
    for _ in 0..6 {
        let ran = house.up().await;
        only_pending_steps_were_started(&ran.events);
        assert!(!ran.outcome.summary.is_empty());
        assert_eq!(house.lab.harm(), Vec::<String>::new(), "{:?}\n{}", ran.outcome, ran.tail());
        assert!(
            matches!(
                ran.outcome.code,
                ExitCode::Done
                    | ExitCode::Refused
                    | ExitCode::StepFailed
                    | ExitCode::VerificationFailed
                    | ExitCode::Unreachable
            ),
            "{:?}",
            ran.outcome
        );
        if ran.outcome.code == ExitCode::Done {
            assert_eq!(problems(house), Vec::<String>::new(), "a false success: {:?}\n{}", ran.outcome, ran.tail());
        }
        let same = last.as_ref().is_some_and(|last| last.outcome.code == ran.outcome.code);
        if same && ran.outcome.code == ExitCode::Done {
            assert_eq!(ran.applied(), Vec::<String>::new(), "{}", ran.tail());
        }
        if same {
            return ran;
        }
        last = Some(ran);
    }
    panic!("it comes to another end each time; the last: {:?}", last.map(|last| last.outcome));
}

/// Does what a refusal about reinstalled machines says; whether it said what.
async fn follow(house: &House, advice: &str) -> bool {
    let quoted: Vec<&str> = advice.split('`').skip(1).step_by(2).collect();
    if advice.contains("To begin anew, on every node") {
        for n in 1..=3 {
            house.lab.with(|world| world.run(&name(n), &["snap", "remove", "--purge", "microk8s"], b""));
            house.lab.with(|world| world.machine_mut(&name(n)).files_mut().remove("/var/lib/homeprov/identity"));
        }
        house.forget_the_cluster();
        return true;
    }
    if advice.contains("If that cluster is gone, remove") {
        house.forget_the_cluster();
        return true;
    }
    let Some(command) = quoted.iter().find(|command| command.starts_with("microk8s remove-node")) else { return false };
    let witness = advice.split("take the old member out on ").nth(1).and_then(|rest| rest.split(':').next());
    if let Some(stopped) = advice.split("`microk8s start` on ").nth(1).and_then(|rest| rest.split('.').next()) {
        for machine in stopped.split(", ") {
            house.lab.with(|world| world.run(machine, &["microk8s", "start"], b""));
        }
    }
    sleep(Duration::from_secs(60)).await;
    let argv: Vec<&str> = command.split(' ').collect();
    house.lab.with(|world| world.run(witness.expect("it says where"), &argv, b""));
    true
}

/// Whether nobody is needed but homeprov, and somebody who does what it says about reinstalled machines, once all
/// machines are on and connected.
fn mends_itself(happenings: &[Happening]) -> bool {
    !happenings.iter().any(|happening| matches!(happening, Fault(kind, _) if LASTING.contains(kind)))
}

async fn all_on(house: &House) {
    for n in 1..=3 {
        happen(house, &On(n)).await;
        happen(house, &Heal(n)).await;
    }
}

async fn holds(seed: u64, os: Os, happenings: Vec<Happening>) {
    let house = House::new(3, 0, os, &[], seed);
    for happening in &happenings {
        only_pending_steps_were_started(&happen(&house, happening).await);
    }
    repeated(&house).await;
    all_on(&house).await;
    let mut end = repeated(&house).await;
    if end.outcome.code == ExitCode::Unreachable {
        // The voter that was to die did so only now.
        all_on(&house).await;
        end = repeated(&house).await;
    }
    // One machine at a time, as the refusal says; a cluster that is lost is begun anew.
    for _ in 0..4 {
        if end.outcome.code != ExitCode::Refused {
            break;
        }
        // It is done with `--repair` where that may be, or by hand.
        let repaired = seed.is_multiple_of(2) && house.up_repairing(|_| true).await.outcome.code != ExitCode::Refused;
        house.lab.agreed_removals();
        if !repaired && !follow(&house, &end.outcome.summary).await {
            break;
        }
        end = repeated(&house).await;
    }
    let refused = end.outcome.code == ExitCode::Refused;
    if mends_itself(&happenings) {
        assert_eq!(end.outcome.code, ExitCode::Done, "{:?}\n{}", end.outcome, end.tail());
    } else if refused {
        assert_eq!(end.applied(), Vec::<String>::new());
    }
    assert_ne!(end.outcome.code, ExitCode::Unreachable, "{:?}", end.outcome);
}

fn lives(cases: u32, rng_seed: RngSeed) -> ProptestConfig {
    ProptestConfig { cases, rng_seed, max_shrink_iters: 100, failure_persistence: None, ..ProptestConfig::default() }
}

fn live(seed: u64, debian: bool, happenings: Vec<Happening>) {
    let os = if debian { Os::Debian12 } else { Os::Ubuntu2404 };
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
    runtime.block_on(holds(seed, os, happenings));
}

proptest! {
    // The same histories each time: what a change breaks is told apart from what nobody had met before.
    #![proptest_config(lives(8, RngSeed::Fixed(2026)))]

    #[test]
    fn repeated_runs_come_to_an_end(seed in any::<u64>(), debian in any::<bool>(), happenings in history()) {
        live(seed, debian, happenings);
    }
}

proptest! {
    // Other histories each time, in `make matrix`: what nobody has met before is met here.
    #![proptest_config(lives(64, RngSeed::Random))]

    #[test]
    fn repeated_runs_come_to_an_end_from_anywhere(seed in any::<u64>(), debian in any::<bool>(), happenings in history()) {
        live(seed, debian, happenings);
    }
}

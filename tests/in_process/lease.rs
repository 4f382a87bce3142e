//! What the lock's program does on a machine, with the homelab's clock.

use super::shell::Shell;

const LEASE: &str = "/run/homeprov/lease";

/// Who took a run's lease away.
fn taken_from(run: &str) -> String {
    format!("/run/homeprov/taken-from-{run}")
}

/// `take` and `leave`, by the arguments the program has.
pub fn perform(shell: &Shell, arguments: &[&str]) -> i32 {
    let [action, run, seconds, over, lines] = arguments else { panic!("the lock's arguments: {arguments:?}") };
    if shell.read("/run/homeprov").is_some() {
        return 1;
    }
    let boot = shell.machine(|machine| machine.boot_id.clone());
    let now = shell.lab().with(|world| world.now()) / 1000;
    let lease = shell.read(LEASE).filter(|text| text.ends_with(&boot)).unwrap_or_default();
    let value = |key: &str| lease.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default().to_owned();
    let holder = value("run=");
    if *action == "leave" {
        if holder == *run {
            shell.remove(LEASE);
        }
        return 0;
    }
    let until: u64 = value("until=").parse().unwrap_or_default();
    let left = if holder.is_empty() { 0 } else { until.saturating_sub(now) };
    if holder != *run && *over != "*" {
        if !holder.is_empty() && left > 0 && *over != holder {
            shell.say("held");
            shell.say(&lease);
            shell.say(format!("left={left}"));
            return 0;
        }
        if let Some(taker) = shell.read(&taken_from(run)).as_deref().and_then(|text| text.strip_suffix(&boot)) {
            shell.say("held");
            shell.say(taker);
            shell.say("left=0");
            return 0;
        }
    }
    if !holder.is_empty() && holder != *run {
        shell.write(&taken_from(&holder), &format!("{lines}\n{boot}"));
    }
    let seconds: u64 = seconds.parse().expect("seconds");
    shell.write(LEASE, &format!("{lines}\nuntil={}\n{boot}", now + seconds));
    shell.say("taken");
    0
}

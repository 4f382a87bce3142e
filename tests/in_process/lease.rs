//! What the lock's program does on a machine, with the homelab's clock.

use super::shell::Shell;

const LEASE: &str = "/run/homeprov/lease";
const TAKEN: &str = "/run/homeprov/taken";

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
    let from = format!("\nfrom={run}\n{boot}");
    if holder != *run
        && *over != "*"
        && let Some(taken) = shell.read(TAKEN).as_deref().and_then(|text| text.strip_suffix(&from))
    {
        shell.say("held");
        shell.say(taken);
        shell.say(format!("left={left}"));
        return 0;
    }
    if !holder.is_empty() && holder != *run && until > now && *over != "*" && *over != holder {
        shell.say("held");
        shell.say(&lease);
        shell.say(format!("left={left}"));
        return 0;
    }
    if !holder.is_empty() && holder != *run {
        shell.write(TAKEN, &format!("{lines}\nfrom={holder}\n{boot}"));
    }
    let seconds: u64 = seconds.parse().expect("seconds");
    shell.write(LEASE, &format!("{lines}\nuntil={}\n{boot}", now + seconds));
    shell.say("taken");
    0
}

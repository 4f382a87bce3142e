//! `timedatectl`.

use super::super::World;
use super::super::machine::{Machine, UnitFile};
use super::super::process::{Call, Next, after};

fn ntp_runs(machine: &Machine) -> bool {
    ["systemd-timesyncd.service", "chrony.service"]
        .iter()
        .any(|unit| machine.units.get(*unit).is_some_and(|unit| unit.active))
}

/// `timedatectl [status|show [-p NAME] [--value]|set-ntp BOOL|set-timezone ZONE]`
pub(in super::super) fn timedatectl(world: &mut World, call: &mut Call) -> Next {
    let args = call.args();
    let clock = world.machine_clock(&call.machine);
    let machine = world.machine_mut(&call.machine);
    let ntp = ntp_runs(machine);
    let synced = machine.time_synced && ntp;
    let yes_or_no = |value: bool| if value { "yes" } else { "no" };
    match args.iter().find(|arg| !arg.starts_with('-')).map(String::as_str) {
        Some("show") => {
            let wanted = args.windows(2).find(|pair| pair[0] == "-p").map(|pair| pair[1].clone());
            let wanted = wanted.or_else(|| {
                args.iter()
                    .find_map(|arg| arg.strip_prefix("--property=").or(arg.strip_prefix("-p")).map(str::to_owned))
            });
            let wanted = wanted.filter(|name| !name.is_empty());
            let value = args.iter().any(|arg| arg == "--value");
            let rows = [
                ("Timezone", "Etc/UTC".to_owned()),
                ("LocalRTC", "no".to_owned()),
                ("CanNTP", "yes".to_owned()),
                ("NTP", yes_or_no(ntp).to_owned()),
                ("NTPSynchronized", yes_or_no(synced).to_owned()),
                ("TimeUSec", clock.strftime("%a %Y-%m-%d %H:%M:%S UTC").to_string()),
            ];
            for (name, text) in rows {
                if wanted.as_deref().is_none_or(|wanted| wanted == name) {
                    call.say(if value { text } else { format!("{name}={text}") });
                }
            }
            Next::Exit(0)
        }
        Some("set-ntp") => {
            let on = args.iter().any(|arg| ["true", "yes", "1", "on"].contains(&arg.as_str()));
            if let Some(unit) = machine.units.get_mut("systemd-timesyncd.service") {
                unit.active = on;
                unit.file = if on { UnitFile::Enabled } else { UnitFile::Disabled };
                return after(300, |_, _| Next::Exit(0));
            }
            if machine.units.contains_key("chrony.service") {
                return Next::Exit(0);
            }
            call.fail(1, "Failed to set ntp: NTP not supported")
        }
        Some("set-timezone") => Next::Exit(0),
        None | Some("status") => {
            let time = clock.strftime("%a %Y-%m-%d %H:%M:%S UTC");
            call.say(format!("               Local time: {time}\n           Universal time: {time}"));
            call.say("                Time zone: Etc/UTC (UTC, +0000)");
            call.say(format!("System clock synchronized: {}", yes_or_no(synced)));
            call.say(format!("              NTP service: {}", if ntp { "active" } else { "inactive" }));
            call.quit(0, "          RTC in local TZ: no")
        }
        Some(other) => call.fail(1, format!("Unknown command verb '{other}'.")),
    }
}

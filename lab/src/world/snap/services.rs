//! `snap services`, `start`, `stop` and `restart`.

use super::super::World;
use super::super::microk8s::{Pace, SERVICES};
use super::super::process::{Call, Next, after};
use super::table;

/// The service a name of snap's or systemd's means: `microk8s.daemon-kubelite`, `snap.microk8s.daemon-kubelite.service`.
pub(in super::super) fn service_of(name: &str) -> Option<&'static str> {
    let name = name.strip_prefix("snap.").unwrap_or(name);
    let name = name.strip_suffix(".service").unwrap_or(name);
    let name = name.strip_prefix("microk8s.daemon-")?;
    SERVICES.into_iter().find(|service| *service == name)
}

/// `snap services|start|stop|restart [NAME]`
pub(super) fn main(world: &mut World, call: &mut Call, command: &str, args: &[String]) -> Next {
    let name = args.iter().find(|arg| !arg.starts_with('-')).cloned();
    let snap = name.as_deref().map_or("microk8s", |name| name.split('.').next().unwrap_or(name));
    if world.machine(&call.machine).microk8s.is_none() || snap != "microk8s" {
        let text = match &name {
            Some(_) => format!("error: snap \"{snap}\" not found"),
            None => "There are no services provided by installed snaps.".to_owned(),
        };
        return call.fail(i32::from(name.is_some()), text);
    }
    let chosen: Vec<&'static str> = match name.as_deref() {
        Some(name) if name.contains('.') => service_of(name).into_iter().collect(),
        _ => SERVICES.to_vec(),
    };
    if chosen.is_empty() {
        return call.fail(1, format!("error: snap \"microk8s\" has no service \"{}\"", name.unwrap_or_default()));
    }
    if command == "services" {
        return services(world, call, &chosen);
    }
    let whole = chosen.len() > 1;
    let command = command.to_owned();
    let said = match command.as_str() {
        "start" => "Started.",
        "stop" => "Stopped.",
        _ => "Restarted.",
    };
    after(1_500, move |world, call| {
        let machine = call.machine.clone();
        if command != "start" {
            for service in &chosen {
                world.stop_service(&machine, service);
            }
        }
        if command != "stop" {
            if whole {
                world.start_services(&machine, Pace::RESTART);
            } else {
                for service in &chosen {
                    world.start_service(&machine, service, Pace::RESTART);
                }
            }
        }
        after(500, move |_, call| call.quit(0, said))
    })
}

fn services(world: &World, call: &mut Call, chosen: &[&'static str]) -> Next {
    let Some(snap) = &world.machine(&call.machine).microk8s else {
        return Next::Exit(1);
    };
    let mut rows = vec![["Service", "Startup", "Current", "Notes"].map(str::to_owned).to_vec()];
    for service in chosen {
        let current = if snap.active(service) { "active" } else { "inactive" };
        rows.push(vec![format!("microk8s.daemon-{service}"), "enabled".into(), current.into(), "-".into()]);
    }
    table(call, &rows);
    Next::Exit(0)
}

//! `snap set`, `get` and `unset` of the system's options.

use super::super::World;
use super::super::process::{Call, Next};

/// `snap set|get|unset system KEY[=VALUE]…`
pub(super) fn main(world: &mut World, call: &mut Call, command: &str, args: &[String]) -> Next {
    let args: Vec<&String> = args.iter().filter(|arg| !arg.starts_with('-')).collect();
    let Some((snap, keys)) = args.split_first() else {
        return call.fail(64, "error: the required argument `<snap>` was not provided");
    };
    if !["system", "core"].contains(&snap.as_str()) {
        let there = world.machine(&call.machine).snapd.snaps.contains_key(*snap);
        let text = if there {
            format!("error: snap \"{snap}\" has no configuration")
        } else {
            format!("error: snap \"{snap}\" is not installed")
        };
        return call.fail(1, text);
    }
    if command == "get" {
        let settings = world.machine(&call.machine).snapd.settings.clone();
        for key in keys {
            match settings.get(*key) {
                Some(value) => call.say(value),
                None => {
                    return call.fail(1, format!("error: snap \"core\" has no \"{key}\" configuration option"));
                }
            }
        }
        return Next::Exit(0);
    }
    for assignment in keys {
        let (key, value) =
            assignment.split_once('=').map_or((assignment.as_str(), None), |(key, value)| (key, Some(value)));
        let value = value.map(|value| value.trim_matches('"').to_owned());
        if key == "refresh.hold"
            && let Some(text) = value.as_deref().filter(|text| !text.is_empty() && *text != "forever")
            && text.parse::<jiff::Timestamp>().is_err()
        {
            return call.fail(1, format!("error: cannot perform the following tasks:\n- Run configure hook of \"core\" snap (run hook \"configure\": refresh.hold cannot be parsed: parsing time \"{text}\")"));
        }
        let settings = &mut world.machine_mut(&call.machine).snapd.settings;
        match value {
            Some(value) if command == "set" && !value.is_empty() => settings.insert(key.to_owned(), value),
            _ => settings.remove(key),
        };
    }
    Next::Exit(0)
}

//! `helm uninstall`.

use super::super::super::World;
use super::super::super::process::{Call, Next, after};
use super::arguments::Arguments;
use super::record;
use super::{Then, end};

/// `helm uninstall NAME…`
pub(super) fn command(world: &mut World, call: &mut Call, arguments: Arguments, then: Then) -> Next {
    if arguments.words.len() < 2 {
        let why = "Error: \"helm uninstall\" requires at least 1 argument\n\nUsage:  helm uninstall RELEASE_NAME [...] [flags]";
        return end(world, call, Err(why.to_owned()), then);
    }
    let took = world.around(2_000);
    after(took, move |world, call| {
        for name in arguments.words.iter().skip(1) {
            if let Err(why) = remove(world, call, &arguments, name) {
                return end(world, call, Err(why), then);
            }
        }
        then(world, call, 0)
    })
}

fn remove(world: &mut World, call: &mut Call, arguments: &Arguments, name: &str) -> Result<(), String> {
    let now = world.now;
    let cluster = record::cluster(world, call).map_err(|why| format!("Error: {why}"))?;
    let history = record::history(cluster, arguments.namespace(), name);
    let Some(last) = history.last().filter(|last| last.status != "uninstalled") else {
        if arguments.has("ignore-not-found") {
            return Ok(());
        }
        return Err(format!("Error: uninstall: Release not loaded: {name}: release: not found"));
    };
    for object in last.manifest.iter().rev() {
        cluster.kubernetes.release_delete(now, object);
    }
    for old in &history {
        record::forget(cluster, now, old);
    }
    call.say(format!("release \"{name}\" uninstalled"));
    Ok(())
}

//! `microk8s join` (canonical/microk8s scripts/wrappers/join.py).

use std::fmt::Write as _;
use std::net::Ipv4Addr;

use rand::RngExt as _;

use super::super::pki::Subject;
use super::super::process::{Call, Next, after};
use super::super::{BACKEND, COMMON, DATA, Millis, World, pki};
use super::agent::{Grant, Request};
use super::lifecycle::Pace;

/// A connection string taken apart, and the flags.
#[derive(Debug, Clone)]
struct Connection {
    address: Ipv4Addr,
    port: u16,
    token: String,
    fingerprint: Option<String>,
    worker: bool,
    skip_verify: bool,
}

fn parse(text: &str) -> Result<(Ipv4Addr, u16, String, Option<String>), String> {
    let parts: Vec<&str> = text.split('/').collect();
    let (place, token) = match parts.as_slice() {
        [place, token] | [place, token, _] => (*place, *token),
        _ => {
            return Err("Expected format: <master_IP>:<master_PORT>/<token>[/<fingerprint>]".to_owned());
        }
    };
    let [address, port] = place.split(':').collect::<Vec<_>>()[..] else {
        return Err("Expected format: <master_IP>:<master_PORT>/<token>[/<fingerprint>]".to_owned());
    };
    let address = address.parse().map_err(|_| "Invalid master IP".to_owned())?;
    let port: u32 = port.parse().map_err(|_| "Master PORT not a number".to_owned())?;
    let port = u16::try_from(port).ok().filter(|port| *port > 0).ok_or("Master PORT not in range 1:65535")?;
    if token.len() < 32 {
        return Err("Cluster token size should be at least 32 bytes".to_owned());
    }
    let fingerprint = parts.get(2).map(|text| (*text).to_owned());
    if fingerprint.as_ref().is_some_and(|text| text.len() < 12) {
        return Err("Fingerprint should be at least 12 bytes".to_owned());
    }
    Ok((address, port, token.to_owned(), fingerprint))
}

/// `microk8s join CONNECTION [--worker] [--skip-verify] [--disable-low-memory-guard]`
pub(super) fn join(world: &mut World, call: &mut Call, args: Vec<String>) -> Next {
    if let Some(end) = super::lacks_sudo(world, call, "microk8s-join.wrapper") {
        return end;
    }
    after(300, move |world, call| {
        let (flags, connections): (Vec<&String>, Vec<&String>) = args.iter().partition(|arg| arg.starts_with("--"));
        let known = ["--worker", "--controlplane", "--skip-verify", "--disable-low-memory-guard"];
        if let Some(unknown) = flags.iter().find(|flag| !known.contains(&flag.as_str())) {
            return call
                .fail(2, format!("Usage: microk8s join [OPTIONS] CONNECTION\n\nError: No such option: {unknown}"));
        }
        let Some(text) = connections.first() else {
            return call.fail(2, "Usage: microk8s join [OPTIONS] CONNECTION\n\nError: Missing argument 'CONNECTION'.");
        };
        let flag = |name: &str| flags.iter().any(|flag| *flag == name);
        if world.machine(&call.machine).files.exists(&format!("{COMMON}/default-storage")) {
            call.say("WARNING: Hostpath storage is enabled and is not suitable for multi node clusters.\n");
        }
        let (address, port, token, fingerprint) = match parse(text) {
            Ok(parts) => parts,
            Err(error) => {
                return call.quit(1, format!("Invalid connection: {error}"));
            }
        };
        if world.machine(&call.machine).locked("low-memory-guard.lock")
            && !flag("--disable-low-memory-guard")
            && !flag("--worker")
        {
            return super::state::low_memory(call);
        }
        let connection = Connection {
            address,
            port,
            token,
            fingerprint,
            worker: flag("--worker"),
            skip_verify: flag("--skip-verify"),
        };
        world.machine_mut(&call.machine).set_lock("join-in-progress", true);
        after(300, move |world, call| contact(world, call, connection))
    })
}

/// Python's traceback of an error the script does not catch.
fn traceback(world: &World, call: &mut Call, error: &str) -> Next {
    let revision =
        world.machine(&call.machine).microk8s.as_ref().map_or_else(String::new, |snap| snap.revision.clone());
    call.fail(
        1,
        format!(
            "Traceback (most recent call last):\n  File \"/snap/microk8s/{revision}/scripts/wrappers/join.py\", line 1017, in \
             <module>\n    join(prog_name=\"microk8s join\")\n{error}"
        ),
    )
}

fn contact(world: &mut World, call: &mut Call, connection: Connection) -> Next {
    call.say(format!("Contacting cluster at {}", connection.address));
    let Some(contacted) = world.machine_at(connection.address).filter(|peer| world.reach(&call.machine, peer)) else {
        return after(3_100, |world, call| traceback(world, call, "OSError: [Errno 113] No route to host"));
    };
    if !world.accepts(&call.machine, connection.address, connection.port) || connection.port != 25_000 {
        return traceback(world, call, "ConnectionRefusedError: [Errno 111] Connection refused");
    }
    let certificate = world.machine(&contacted).text(&format!("{DATA}/certs/server.crt")).unwrap_or_default();
    let check = pki::check_of_pem(&certificate).unwrap_or_default();
    let wrong = connection.fingerprint.as_ref().is_some_and(|fingerprint| !fingerprint.starts_with(&check));
    if wrong && !connection.skip_verify {
        let text = format!(
            "Joining cluster failed. Could not verify the identity of {}. Use '--skip-verify' to skip server certificate check.",
            connection.address
        );
        return after(700, move |_, call| call.quit(4, text));
    }
    after(600, move |world, call| {
        let request = Request {
            joiner: call.machine.clone(),
            contacted,
            dialled: connection.address,
            token: connection.token,
            worker: connection.worker,
        };
        match world.agent_join(&request) {
            Err((text, status)) => call.quit(6, format!("Connection failed. {text} ({status}).")),
            Ok(grant) if request.worker => match grant.restart {
                // The answer comes once the contacted data store runs again.
                Some(down) => after(down + 2_600, move |world, call| super::worker::join(world, call, &grant)),
                None => super::worker::join(world, call, &grant),
            },
            Ok(grant) => {
                let members = world.clusters.get(&grant.cluster).map_or(0, |cluster| cluster.members.len());
                world.half_joined_fires(&call.machine, members);
                control_plane(world, call, grant)
            }
        }
    })
}

/// The authority's certificates come first; then the services stop, and ten seconds pass before the data store is moved
/// away and the new one is told where to join (`join_dqlite_master_node`, `update_dqlite`). A machine that loses power in
/// between has the cluster's certificates and still its own data store.
fn control_plane(_world: &mut World, _call: &mut Call, grant: Grant) -> Next {
    let first = grant.restart.is_some();
    let answer = grant.restart.map_or(100, |down| down + 2_600);
    after(answer, move |world, call| {
        take_authority(world, &call.machine, &grant);
        after(700, move |world, call| {
            world.stop_services(&call.machine);
            after(10_000, move |world, call| {
                take_place(world, &call.machine, &grant);
                let dqlite = world.fit_join_time(if first { 13_600 } else { 9_200 });
                let pace = Pace { dqlite, kubelite: dqlite.min(16_000) + 500, kubelet: dqlite.min(16_000) + 1_000 };
                world.start_services(&call.machine, pace);
                call.print("Waiting for this node to finish joining the cluster. ");
                probe(world, call, 10, if first { 1_500 } else { 500 })
            })
        })
    })
}

/// The first thing the answer brings: the authority and what is signed by it.
fn take_authority(world: &mut World, name: &str, grant: &Grant) {
    let Some(cluster) = world.clusters.get(&grant.cluster) else {
        return;
    };
    let authority = cluster.authority.clone();
    let client = authority.issue(world.rng.random(), &Subject::admin());
    let kubeconfig = super::config::kubeconfig(&authority.pair.certificate, &client, "127.0.0.1");
    let authority = authority.pair;
    let machine = world.machine_mut(name);
    machine.files.write(&format!("{DATA}/credentials/client.config"), kubeconfig.as_bytes(), 0o660);
    for (file, text) in
        [("ca.crt", &authority.certificate), ("ca.key", &authority.key), ("serviceaccount.key", &authority.key)]
    {
        let path = format!("{DATA}/certs/{file}");
        let before = machine.files.read(&path).unwrap_or_default();
        machine.files.write(&format!("{path}.backup"), &before, 0o660);
        machine.files.write(&path, text.as_bytes(), 0o660);
    }
}

/// The second: dqlite's certificate, and where to join.
fn take_place(world: &mut World, name: &str, grant: &Grant) {
    let Some(cluster) = world.clusters.get(&grant.cluster) else {
        return;
    };
    let pair = cluster.dqlite_pair.clone();
    let address = world.machine(name).spec.address;
    let mut init = format!("Address: {address}:19001\nCluster:\n");
    for voter in &grant.voters {
        let _ = writeln!(init, "- {voter}");
    }
    let machine = world.machine_mut(name);
    if let Some(snap) = machine.microk8s.as_mut() {
        snap.cluster = Some(grant.cluster);
        snap.member = None;
    }
    machine.files.rename(BACKEND, &format!("{BACKEND}.backup"));
    let files = machine.files.as_mut();
    files.write(&format!("{BACKEND}/cluster.crt"), pair.certificate.as_bytes(), 0o660);
    files.write(&format!("{BACKEND}/cluster.key"), pair.key.as_bytes(), 0o660);
    files.write(&format!("{BACKEND}/init.yaml"), init.as_bytes(), 0o660);
    world.write_certificates(name);
    world.forget_empty_clusters();
}

/// Asks the local dqlite whether this node is a member; after ten tries the script goes on as if it were.
fn probe(world: &mut World, _call: &mut Call, left: u32, answers_in: Millis) -> Next {
    let took = world.around(answers_in);
    after(took, move |world, call| {
        let own = format!("{}:19001", world.machine(&call.machine).spec.address);
        let seen = world
            .members_seen_from(&call.machine)
            .map(|cluster| cluster.members.iter().any(|member| member.address == own));
        let (mark, pause) = match seen {
            Some(true) => return finish(world, call),
            Some(false) => (". ", 5_000),
            None => (".. ", 2_000),
        };
        call.print(mark);
        if left > 1 {
            after(pause, move |world, call| probe(world, call, left - 1, answers_in))
        } else {
            after(pause, finish)
        }
    })
}

fn finish(world: &mut World, call: &mut Call) -> Next {
    call.say(" ");
    let machine = world.machine_mut(&call.machine);
    machine.set_lock("no-cert-reissue", true);
    machine.set_lock("join-in-progress", false);
    call.say("Successfully joined the cluster.");
    after(300, |_, _| Next::Exit(0))
}

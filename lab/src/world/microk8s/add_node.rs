//! `microk8s add-node` (canonical/microk8s `scripts/wrappers/add_token.py`).

use super::super::process::{Call, Next, after};
use super::super::{DATA, World, pki};

const HELP: &str = "usage: microk8s add-node [-h] [--token-ttl TOKEN_TTL] [--token TOKEN]
                         [--format {pretty,token-check,yaml,json,token,short}]

Produce a connection string for a node to join the cluster.

options:
  -h, --help            show this help message and exit
  --token-ttl TOKEN_TTL, -l TOKEN_TTL
                        Specify how long the token is valid, before it
                        expires. Value of \"-1\" indicates that the token is
                        usable only once (i.e. after joining a node, the token
                        becomes invalid)
  --token TOKEN, -t TOKEN
                        Specify the bootstrap token to add, must be 32
                        characters long. Auto generates when empty.
  --format {pretty,token-check,yaml,json,token,short}
                        Format the output of the token in pretty, short,
                        token, or token-check";

const FORMATS: [&str; 6] = ["pretty", "token-check", "yaml", "json", "token", "short"];

#[derive(Clone)]
struct Options {
    ttl: i64,
    token: Option<String>,
    format: String,
}

fn parse(args: &[String]) -> Result<Options, String> {
    let mut options = Options { ttl: -1, token: None, format: "pretty".to_owned() };
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        let (flag, inline) =
            arg.split_once('=').map_or((arg.as_str(), None), |(flag, value)| (flag, Some(value.to_owned())));
        let value = match flag {
            "--token-ttl" | "-l" | "--token" | "-t" | "--format" => inline
                .or_else(|| rest.next().cloned())
                .ok_or_else(|| format!("argument {flag}: expected one argument"))?,
            other => return Err(format!("unrecognized arguments: {other}")),
        };
        match flag {
            "--token-ttl" | "-l" => {
                let error = || format!("argument --token-ttl/-l: invalid int value: '{value}'");
                options.ttl = value.parse().map_err(|_| error())?;
            }
            "--format" if !FORMATS.contains(&value.as_str()) => {
                let choices: Vec<String> = FORMATS.iter().map(|format| format!("'{format}'")).collect();
                return Err(format!(
                    "argument --format: invalid choice: '{value}' (choose from {})",
                    choices.join(", ")
                ));
            }
            "--format" => options.format = value,
            _ => options.token = Some(value),
        }
    }
    Ok(options)
}

/// `microk8s add-node`
pub(super) fn add_node(world: &mut World, call: &mut Call, args: &[String]) -> Next {
    if args.iter().any(|arg| arg.contains("help") || arg == "-h") {
        return after(510, |_, call| call.quit(0, HELP));
    }
    if world.machine(&call.machine).is_worker() {
        let text = "This MicroK8s deployment is acting as a node in a cluster. Please use the microk8s add-node on the master.";
        return after(1_100, move |_, call| call.quit(1, text));
    }
    if world.machine(&call.machine).locked("stopped.lock") {
        return after(300, |_, call| call.fail(1, "microk8s is not running, try microk8s start"));
    }
    let options = match parse(args) {
        Ok(options) => options,
        Err(error) => {
            let usage = HELP.lines().take(2).collect::<Vec<_>>().join("\n");
            return after(400, move |_, call| call.fail(2, format!("{usage}\nmicrok8s add-node: error: {error}")));
        }
    };
    if options.token.as_ref().is_some_and(|token| token.len() < 32) {
        return after(610, |_, call| call.quit(1, "Invalid token size.  It must be 32 characters long."));
    }
    let took = world.around(740);
    after(took, move |world, call| {
        let token = options.token.clone().unwrap_or_else(|| world.hex(32));
        write_token(world, &call.machine, &token, options.ttl);
        let machine = world.machine(&call.machine);
        let certificate = machine.text(&format!("{DATA}/certs/server.crt")).unwrap_or_default();
        let check = pki::check_of_pem(&certificate).unwrap_or_default();
        let address = machine.spec.address.to_string();
        print(call, &options.format, &token, &check, &[address]);
        Next::Exit(0)
    })
}

fn write_token(world: &mut World, machine: &str, token: &str, ttl: i64) {
    let expiry = world.machine_clock(machine).as_second() + ttl;
    let machine = world.machine_mut(machine);
    let mut text = machine.text(&super::tokens_path()).unwrap_or_default();
    let line = if ttl > 0 { format!("{token}|{expiry}\n") } else { format!("{token}\n") };
    text.push_str(&line);
    machine.files.write(&super::tokens_path(), text.as_bytes(), 0o660);
}

fn print(call: &mut Call, format: &str, token: &str, check: &str, addresses: &[String]) {
    let urls: Vec<String> = addresses.iter().map(|address| format!("{address}:25000/{token}/{check}")).collect();
    match format {
        "token" => call.say(token),
        "token-check" => call.say(format!("{token}/{check}")),
        "json" => {
            let list: Vec<String> = urls.iter().map(|url| format!("    \"{url}\"")).collect();
            call.say(format!("{{\n  \"token\": \"{token}/{check}\",\n  \"urls\": [\n{}\n  ]\n}}", list.join(",\n")));
        }
        "yaml" => {
            let list: Vec<String> = urls.iter().map(|url| format!("- {url}\n")).collect();
            call.say(format!("token: {token}/{check}\nurls:\n{}", list.concat()));
        }
        "short" => {
            for url in &urls {
                call.say(format!("microk8s join {url}"));
            }
        }
        _ => {
            let first = &urls[0];
            call.say("From the node you wish to join to this cluster, run the following:");
            call.say(format!("microk8s join {first}\n"));
            call.say("Use the '--worker' flag to join a node as a worker not running the control plane, eg:");
            call.say(format!("microk8s join {first} --worker\n"));
            call.say(
                "If the node you are adding is not reachable through the default interface you can use one of the following:",
            );
            for url in &urls {
                call.say(format!("microk8s join {url}"));
            }
        }
    }
}

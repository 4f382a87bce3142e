//! The program `homeprov-lab`; on a node also the stand-in for the programs it replaces there.

use std::process::ExitCode;

use clap::Parser as _;
use homeprov_lab::runtime::arguments::{Arguments, Command};
use homeprov_lab::runtime::storage::container_init;
use homeprov_lab::runtime::{control, daemon, isolate, node_init, requirements, stand_in};
use homeprov_lab::world::FaultKind;

fn main() -> ExitCode {
    if let Some(name) = stand_in::called_as() {
        return ExitCode::from(stand_in::main(&name));
    }
    let result = match Arguments::parse().command {
        Command::Run(run) => requirements::check(&run).and_then(|()| isolate::isolated(|| daemon::main(&run))),
        Command::NodeInit { config } => node_init::main(&config).map(|()| ExitCode::SUCCESS),
        Command::ContainerInit { file } => container_init::main(&file).map(|()| ExitCode::SUCCESS),
        Command::Faults => {
            for (name, _) in FaultKind::all() {
                println!("{name}");
            }
            Ok(ExitCode::SUCCESS)
        }
        command => control::ask(&command).map(|()| ExitCode::SUCCESS),
    };
    result.unwrap_or_else(|error| {
        eprintln!("homeprov-lab: {error:#}");
        ExitCode::FAILURE
    })
}

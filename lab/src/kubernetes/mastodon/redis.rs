//! `redis-cli` in a pod of Bitnami's Redis, and the keys on its volume.

use super::connect::Env;
use super::container::Container;
use super::types::Executed;
use crate::kubernetes::Kubernetes;
use crate::kubernetes::value::text;

/// Commands the chart takes away (bitnami/charts `bitnami/redis`, `master.disableCommands`).
const DISABLED: [&str; 2] = ["FLUSHDB", "FLUSHALL"];

impl Container<'_> {
    pub(super) fn redis_program(&mut self, argv: &[&str], env: &Env) -> Option<Executed> {
        let (name, rest) = argv.split_first()?;
        if *name != "redis-cli" {
            return None;
        }
        let (mut given, mut scans, mut words) = (env.get("REDISCLI_AUTH").map(String::as_str), false, rest);
        while let [flag, more @ ..] = words {
            match *flag {
                "-a" | "--pass" => (given, words) = (more.first().copied(), more.get(1..).unwrap_or_default()),
                "-h" | "-p" | "-n" => words = more.get(1..).unwrap_or_default(),
                "--scan" => (scans, words) = (true, more),
                flag if flag.starts_with('-') => words = more,
                _ => break,
            }
        }
        let right = self.cluster.programs.processes.get(text(&self.pod, "/metadata/uid"));
        let right = right.and_then(|process| process.env.get("REDIS_PASSWORD").cloned());
        if right.is_some() && given != right.as_deref() {
            return Some(Executed::said("NOAUTH Authentication required.\n\n"));
        }
        let data = self.cluster.data_of(&self.pod);
        let keys = self.cluster.programs.keys.entry(data).or_default();
        if scans {
            return Some(Executed::lines(keys.iter().cloned()));
        }
        let [command, arguments @ ..] = words else { return Some(Executed::default()) };
        let before = keys.len();
        Some(match command.to_uppercase().as_str() {
            "PING" => Executed::said("PONG\n"),
            "DBSIZE" => Executed::said(format!("{}\n", keys.len())),
            "SET" | "LPUSH" | "SADD" => {
                keys.extend(arguments.first().map(|key| (*key).to_owned()));
                Executed::said("OK\n")
            }
            "DEL" | "UNLINK" => {
                keys.retain(|key| !arguments.contains(&key.as_str()));
                Executed::said(format!("{}\n", before - keys.len()))
            }
            disabled if DISABLED.contains(&disabled) => {
                Executed::said(format!("ERR unknown command '{disabled}', with args beginning with: \n\n"))
            }
            other => Executed::said(format!("ERR unknown command '{other}', with args beginning with: \n\n")),
        })
    }
}

impl Kubernetes {
    /// Puts keys into the Redis that a process of Mastodon's talks to, as jobs and feeds do.
    pub(super) fn remember(&mut self, namespace: &str, env: &Env, keys: &[String]) {
        if let Some(data) = self.redis_data(namespace, env) {
            self.programs.keys.entry(data).or_default().extend(keys.iter().cloned());
        }
    }
}

//! Running a command in a container of a pod.

use super::connect::Env;
use super::program::{Program, main_container};
use super::state::Life;
use super::types::Executed;
use crate::kubernetes::Kubernetes;
use crate::kubernetes::store::Key;
use crate::kubernetes::types::Millis;
use crate::kubernetes::value::{list, text};

impl Kubernetes {
    /// What a command in a container of a pod does, as after `kubectl exec -i`: `tootctl`, tasks of Rails', the databases'
    /// clients. `container` may be empty for a pod's first one.
    ///
    /// # Errors
    /// What `kubectl` prints on standard error, without a line end, before it ends with 1: there is no such pod or container,
    /// it does not run, or the image has no such program.
    pub fn exec(
        &mut self,
        now: Millis,
        namespace: &str,
        pod: &str,
        container: &str,
        argv: &[String],
        stdin: &[u8],
    ) -> Result<Executed, String> {
        self.now = self.now.max(now);
        let object = self.store.get(&Key::core("pods", namespace, pod)).cloned();
        let object = object.ok_or_else(|| format!("Error from server (NotFound): pods \"{pod}\" not found"))?;
        let names: Vec<&str> = list(&object, "/spec/containers").iter().map(|one| text(one, "/name")).collect();
        let container = if container.is_empty() { names.first().copied().unwrap_or_default() } else { container };
        if !names.contains(&container) {
            return Err(format!("Error from server (BadRequest): container {container} is not valid for pod {pod}"));
        }
        let phase = text(&object, "/status/phase");
        if ["Succeeded", "Failed"].contains(&phase) {
            return Err(format!("error: cannot exec into a container in a completed pod; current phase is {phase}"));
        }
        let node = text(&object, "/spec/nodeName");
        if node.is_empty() {
            return Err(format!("Error from server (BadRequest): pod {pod} does not have a host assigned"));
        }
        if self.kubelets.reachable(node).is_none() {
            let address = text(&object, "/status/hostIP");
            return Err(format!(
                "Error from server: error dialing backend: dial tcp {address}:10250: connect: no route to host"
            ));
        }
        let process = self.programs.processes.get(text(&object, "/metadata/uid"));
        let running = process.filter(|process| process.life == Life::Running && process.container == container);
        let Some(process) = running else {
            return Err(format!(
                "error: Internal error occurred: unable to upgrade connection: container not found (\"{container}\")"
            ));
        };
        let (program, mut env) = (process.program.clone(), process.env.clone());
        if let Some((spec, _)) = main_container(&object) {
            let version = super::program::tag(text(spec, "/image")).trim_start_matches('v');
            env.insert("MASTODON_VERSION".to_owned(), version.to_owned());
        }
        let words: Vec<&str> = argv.iter().map(String::as_str).collect();
        let done = match program {
            Program::Database => self.database_client(&object, &env, &words, stdin),
            Program::Redis => redis_client(&env, &words),
            Program::Search | Program::Streaming => None,
            Program::Web | Program::Sidekiq | Program::Command(_) => self.run_known(namespace, &env, &words),
        };
        done.ok_or_else(|| {
            let name = words.first().copied().unwrap_or_default();
            format!(
                "error: Internal error occurred: Internal error occurred: error executing command in container: failed to exec in container: failed to start exec: OCI runtime exec failed: exec failed: unable to start container process: exec: \"{name}\": executable file not found in $PATH: unknown"
            )
        })
    }

    /// `pg_isready`, and `psql` for the queries that ask whether somebody is there.
    fn database_client(
        &mut self,
        pod: &serde_json::Value,
        env: &Env,
        words: &[&str],
        stdin: &[u8],
    ) -> Option<Executed> {
        let (name, rest) = words.split_first()?;
        if ["sh", "bash", "/bin/sh", "/bin/bash"].contains(name) {
            let script = rest.iter().find(|word| !word.starts_with('-'))?;
            let inner = super::commands::shell_words(script);
            let inner: Vec<&str> =
                inner.iter().map(String::as_str).filter(|word| *word != "exec" && !word.contains('=')).collect();
            let unknown = || Executed::failed(127, format!("sh: 1: {}: not found\n", inner.first().unwrap_or(&"")));
            return Some(self.database_client(pod, env, &inner, stdin).unwrap_or_else(unknown));
        }
        let data = self.data_of(pod);
        let accepts = self.programs.processes.get(text(pod, "/metadata/uid")).is_some_and(|process| process.booted);
        let database = self.programs.databases.get(&data).cloned().unwrap_or_default();
        match name.rsplit('/').next().unwrap_or_default() {
            "pg_isready" if accepts => Some(Executed::said("127.0.0.1:5432 - accepting connections\n")),
            "pg_isready" => Some(Executed {
                stdout: b"127.0.0.1:5432 - rejecting connections\n".to_vec(),
                status: 1,
                ..Executed::default()
            }),
            "psql" if !accepts => Some(Executed::failed(
                2,
                "psql: error: connection to server on socket \"/tmp/.s.PGSQL.5432\" failed: FATAL:  the database system is starting up\n",
            )),
            "psql" => {
                let asked = rest
                    .iter()
                    .position(|word| word.starts_with('-') && word.ends_with('c'))
                    .and_then(|at| rest.get(at + 1));
                let query =
                    asked.map_or_else(|| String::from_utf8_lossy(stdin).into_owned(), |query| (*query).to_owned());
                Some(answer_query(query.trim().trim_end_matches(';'), &database))
            }
            _ => None,
        }
    }
}

/// The answers of `psql -At` to the few queries that are known here.
fn answer_query(query: &str, database: &super::state::Database) -> Executed {
    let small = query.to_lowercase();
    let number = |count: usize| Executed::said(format!("{count}\n"));
    match small.as_str() {
        "select 1" => number(1),
        "show server_version" => Executed::said("16.2\n"),
        "select count(*) from users" | "select count(*) from accounts" | "select count(*) from schema_migrations"
            if !database.migrated =>
        {
            let table = small.rsplit(' ').next().unwrap_or_default();
            Executed::failed(1, format!("ERROR:  relation \"{table}\" does not exist\nLINE 1: {query}\n"))
        }
        "select count(*) from users" | "select count(*) from accounts" => number(database.accounts.len()),
        _ => Executed::failed(
            1,
            format!("ERROR:  syntax error at or near \"{}\"\n", query.split_whitespace().next().unwrap_or_default()),
        ),
    }
}

/// `redis-cli ping`.
fn redis_client(env: &Env, words: &[&str]) -> Option<Executed> {
    let (name, rest) = words.split_first()?;
    if *name != "redis-cli" {
        return None;
    }
    let given = rest.iter().position(|word| *word == "-a").and_then(|at| rest.get(at + 1)).copied();
    let right = env.get("REDIS_PASSWORD").map(String::as_str);
    if right.is_some() && given != right {
        return Some(Executed::said("NOAUTH Authentication required.\n\n"));
    }
    let ping = rest.last().is_some_and(|word| word.eq_ignore_ascii_case("ping"));
    Some(Executed::said(if ping { "PONG\n" } else { "OK\n" }))
}

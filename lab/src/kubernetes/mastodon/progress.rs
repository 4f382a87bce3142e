//! How far a process has come: what it needs, how long it takes, how it fails.

use std::sync::Arc;

use super::connect::Env;
use super::program::Program;
use super::state::Process;
use super::types::Executed;
use crate::kubernetes::Kubernetes;
use crate::kubernetes::types::{Fault, Millis};

/// `initdb` and the first start of `PostgreSQL`.
const INITIALISES: Millis = 15_000;
/// The start of `PostgreSQL` on data that is there.
const RECOVERS: Millis = 10_000;
/// The same under the fault.
const RECOVERS_SLOWLY: Millis = 300_000;
/// What it writes at the beginning and at the end of a recovery (postgres/postgres
/// `src/backend/access/transam/xlogrecovery.c`).
pub(super) const RECOVERING: &str = "LOG:  database system was not properly shut down; automatic recovery in progress\nLOG:  redo starts at 0/1949A28\n";
const RECOVERED: &str =
    "LOG:  redo done at 0/5B1C3D0 system usage: CPU: user: 11.62 s, system: 9.04 s, elapsed: 296.71 s\n";
/// From the start of Rails until it does what it is there for.
const BOOTS: Millis = 12_000;
/// From its start until it finds that it cannot boot.
const FAILS: Millis = 6_000;
/// All migrations on an empty database, and on one that has them.
const MIGRATIONS: (Millis, Millis) = (25_000, 3_000);

/// What a look at a process needs of it.
struct Running {
    program: Program,
    started: Millis,
    booted: bool,
    env: Arc<Env>,
}

impl Running {
    fn of(process: &Process) -> Self {
        let Process { program, started, booted, env, .. } = process;
        Self { program: program.clone(), started: *started, booted: *booted, env: Arc::clone(env) }
    }
}

/// Where a process stands.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Whether it does its work: what a probe over HTTP or by a command finds.
    pub(super) serving: bool,
    /// Whether it listens: what a probe of the port finds.
    pub(super) listening: bool,
    /// What a probe is told while it does not serve.
    pub(super) refusal: String,
    /// It has ended: its status and what it wrote last.
    pub(super) ended: Option<(i32, String)>,
}

impl Progress {
    fn ended(status: i32, log: String) -> Self {
        Self { ended: Some((status, log)), ..Self::default() }
    }

    fn busy(listening: bool, refusal: impl Into<String>) -> Self {
        Self { listening, refusal: refusal.into(), ..Self::default() }
    }

    fn serving() -> Self {
        Self { serving: true, listening: true, ..Self::default() }
    }
}

impl Kubernetes {
    /// Looks at a process, and lets it do what it has come to.
    pub(super) fn progress(&mut self, uid: &str, namespace: &str, data: &str) -> Progress {
        let Some(process) = self.programs.processes.get(uid).map(Running::of) else { return Progress::default() };
        let age = self.now.saturating_sub(process.started);
        if process.program.is_rails()
            && let Some(why) = lacks_keys(&process.env)
        {
            return if self.passed(&process, FAILS) {
                Progress::ended(1, why)
            } else {
                Progress::busy(false, "connection refused")
            };
        }
        match &process.program {
            Program::Database => self.run_database(&process, uid, data),
            Program::Redis => {
                self.simple(&process, 2_000, "Could not connect to Redis at 127.0.0.1:6379: Connection refused")
            }
            Program::Search => self.simple(&process, 45_000, "connection refused"),
            Program::Web => {
                if !self.passed(&process, BOOTS) {
                    return Progress::busy(false, "connection refused");
                }
                match self.site_problem(namespace, &process.env, true) {
                    None => Progress::serving(),
                    Some(_) => Progress::busy(true, "HTTP probe failed with statuscode: 500"),
                }
            }
            Program::Streaming => {
                if !self.passed(&process, 3_000) {
                    return Progress::busy(false, "connection refused");
                }
                match self.site_problem(namespace, &process.env, false) {
                    None => Progress::serving(),
                    Some(_) => Progress::busy(false, "connection refused"),
                }
            }
            Program::Sidekiq => {
                if process.booted {
                    return Progress::serving();
                }
                if !self.passed(&process, BOOTS) {
                    return Progress::busy(
                        false,
                        "cat: /opt/mastodon/tmp/sidekiq_process_has_started_and_will_begin_processing_jobs: No such file or directory",
                    );
                }
                if let Err(why) = self.redis_of(namespace, &process.env) {
                    return Progress::ended(1, format!("{why} (RedisClient::CannotConnectError)\n"));
                }
                if let Err(why) = self.database_of(namespace, &process.env) {
                    return Progress::ended(1, format!("{why} (ActiveRecord::ConnectionNotEstablished)\n"));
                }
                self.remember(namespace, &process.env, &["processes", "stat:processed"].map(str::to_owned));
                self.booted(
                    uid,
                    "Booted Rails application in production environment\nStarting processing, hit Ctrl-C to stop\n",
                );
                Progress::serving()
            }
            Program::Command(words) => self.run_command(&process, uid, namespace, words, age),
        }
    }

    /// Whether a process is that old; otherwise the controllers look again when it is.
    fn passed(&mut self, process: &Running, age: Millis) -> bool {
        let at = process.started + age;
        if self.now >= at {
            return true;
        }
        self.wake_at(at);
        false
    }

    fn simple(&mut self, process: &Running, takes: Millis, refusal: &str) -> Progress {
        if self.passed(process, takes) { Progress::serving() } else { Progress::busy(false, refusal) }
    }

    fn booted(&mut self, uid: &str, line: &str) {
        if let Some(process) = self.programs.processes.get_mut(uid)
            && !process.booted
        {
            process.booted = true;
            process.log.push_str(line);
        }
    }

    fn run_database(&mut self, process: &Running, uid: &str, data: &str) -> Progress {
        let database = self.programs.databases.entry(data.to_owned()).or_default().clone();
        if database.corrupted {
            if self.passed(process, 3_000) {
                return Progress::ended(
                    1,
                    "LOG:  database system was interrupted while in recovery\nLOG:  invalid checkpoint record\nPANIC:  could not locate a valid checkpoint record\nLOG:  startup process was terminated by signal 6: Aborted\nLOG:  aborting startup due to startup process failure\n".to_owned(),
                );
            }
            return Progress::busy(false, "127.0.0.1:5432 - no response");
        }
        let takes = if self.faults.contains(&Fault::DbSlowStart) {
            RECOVERS_SLOWLY
        } else if database.initialised {
            RECOVERS
        } else {
            INITIALISES
        };
        if !self.passed(process, takes) {
            return Progress::busy(false, "127.0.0.1:5432 - rejecting connections");
        }
        if !database.initialised
            && let Some(known) = self.programs.databases.get_mut(data)
        {
            known.initialised = true;
            known.password = process.env.get("POSTGRES_PASSWORD").cloned();
        }
        let recovered = if self.faults.contains(&Fault::DbSlowStart) { RECOVERED } else { "" };
        self.booted(uid, &format!("{recovered}LOG:  database system is ready to accept connections\n"));
        Progress::serving()
    }

    /// What keeps the site from working: the database, Redis, or a schema that is not there.
    fn site_problem(&mut self, namespace: &str, env: &Env, schema: bool) -> Option<String> {
        if let Err(why) = self.redis_of(namespace, env) {
            return Some(why);
        }
        match self.database_of(namespace, env) {
            Err(why) => Some(why),
            Ok(id) => {
                let migrated = self.programs.databases.get(&id).is_some_and(|database| database.migrated);
                (schema && !migrated)
                    .then(|| "PG::UndefinedTable: ERROR:  relation \"users\" does not exist".to_owned())
            }
        }
    }

    fn run_command(
        &mut self,
        process: &Running,
        uid: &str,
        namespace: &str,
        words: &[String],
        age: Millis,
    ) -> Progress {
        if let ["sleep", time] = words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
            let over = time.parse::<Millis>().is_ok_and(|seconds| self.passed(process, seconds * 1_000));
            return if over { Progress::ended(0, String::new()) } else { Progress::serving() };
        }
        if !self.passed(process, BOOTS) {
            return Progress::busy(false, "");
        }
        let migrates = words.iter().any(|word| ["db:migrate", "db:prepare"].contains(&word.as_str()));
        if migrates && !process.booted {
            if let Err(why) = self.database_of(namespace, &process.env) {
                return Progress::ended(
                    1,
                    format!("bin/rails aborted!\nActiveRecord::ConnectionNotEstablished: {why}"),
                );
            }
            self.booted(uid, "");
            self.wake_at(self.now + MIGRATIONS.1);
            return Progress::busy(false, "");
        }
        if migrates {
            let id = match self.database_of(namespace, &process.env) {
                Ok(id) => id,
                Err(why) => {
                    return Progress::ended(
                        1,
                        format!("bin/rails aborted!\nActiveRecord::ConnectionFailed: PQconsumeInput() {why}"),
                    );
                }
            };
            let fresh = !self.programs.databases.get(&id).is_some_and(|database| database.migrated);
            let takes = BOOTS + if fresh { MIGRATIONS.0 } else { MIGRATIONS.1 };
            if age < takes {
                self.wake_at(process.started + takes);
                return Progress::busy(false, "");
            }
        }
        let Executed { stdout, stderr, status } = self.run_words(namespace, &process.env, words);
        Progress::ended(status, String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned())
    }
}

/// What Rails says where a key it needs is missing, and ends (mastodon/mastodon `config/environments/production.rb`,
/// `config/initializers/active_record_encryption.rb`).
fn lacks_keys(env: &Env) -> Option<String> {
    let has = |name: &str| env.get(name).is_some_and(|value| !value.is_empty());
    if !has("SECRET_KEY_BASE") {
        return Some("ArgumentError: Missing `secret_key_base` for 'production' environment, set this string with `bin/rails credentials:edit`\n".to_owned());
    }
    if !env.contains_key("OTP_SECRET") {
        return Some("bundler: failed to load command\nKeyError: key not found: \"OTP_SECRET\"\n".to_owned());
    }
    let encryption = ["DETERMINISTIC_KEY", "KEY_DERIVATION_SALT", "PRIMARY_KEY"];
    if encryption.iter().all(|key| has(&format!("ACTIVE_RECORD_ENCRYPTION_{key}"))) {
        return None;
    }
    let names = encryption.map(|key| format!("  - ACTIVE_RECORD_ENCRYPTION_{key}")).join(
        "
",
    );
    Some(format!(
        "\nMastodon now requires that these variables are set:\n\n{names}\n\nRun `bin/rails db:encryption:init` to generate values and then assign the environment variables.\n"
    ))
}

//! `tootctl` (mastodon/mastodon `lib/mastodon/cli`): accounts, and a word for what else is asked of a site without content.

use super::accounts::{approve, create, modify};
use super::connect::Env;
use super::state::Database;
use super::types::Executed;
use crate::kubernetes::Kubernetes;
use crate::kubernetes::names::uuid;

impl Kubernetes {
    /// Runs `tootctl` with its arguments.
    pub(super) fn tootctl(&mut self, namespace: &str, env: &Env, arguments: &[&str]) -> Executed {
        match arguments {
            ["version" | "--version" | "-v"] => Executed::said(format!("{}\n", version(env))),
            ["accounts", "create", rest @ ..] => {
                self.with_database(namespace, env, |database, seed| create(database, rest, seed))
            }
            ["accounts", "modify", rest @ ..] => {
                self.with_database(namespace, env, |database, seed| modify(database, rest, seed))
            }
            ["accounts", "approve", rest @ ..] => {
                self.with_database(namespace, env, |database, _| approve(database, rest))
            }
            ["cache", "clear"] => self.with_database(namespace, env, |_, _| Executed::said("OK\n")),
            ["emoji", "purge", ..] => self.with_database(namespace, env, |_, _| Executed::said("OK\n")),
            ["accounts", "refresh", "--all", ..] => {
                self.with_database(namespace, env, |_, _| Executed::said("Refreshed 0 accounts\n"))
            }
            ["feeds", "build", ..] => {
                let mut feeds = Vec::new();
                let done = self.with_database(namespace, env, |database, _| {
                    feeds = database.accounts.keys().map(|name| format!("feed:home:{name}")).collect();
                    Executed::said("Regenerated feeds\nOK\n")
                });
                self.remember(namespace, env, &feeds);
                done
            }
            ["media", "remove", ..] => self.with_database(namespace, env, |_, _| {
                Executed::said("Removed 0 media attachments (approx. 0 Bytes)\n")
            }),
            ["search", "deploy", ..] => {
                self.with_database(namespace, env, |_, _| Executed::said("Indexed 0 records, de-indexed 0\n"))
            }
            ["settings", "registrations", "open" | "close" | "approved", ..] => {
                self.with_database(namespace, env, |_, _| Executed::said("OK\n"))
            }
            [] => Executed::said("Commands:\n  tootctl accounts SUBCOMMAND ...ARGS\n"),
            ["accounts", other, ..] | [other, ..] => no_command(other),
        }
    }

    /// Gives a command the database, migrated, and a seed for what it makes up.
    fn with_database(
        &mut self,
        namespace: &str,
        env: &Env,
        command: impl FnOnce(&mut Database, &str) -> Executed,
    ) -> Executed {
        let id = match self.database_of(namespace, env) {
            Ok(id) => id,
            Err(why) => return Executed::failed(1, format!("{why} (ActiveRecord::ConnectionNotEstablished)\n")),
        };
        if let Err(why) = self.redis_of(namespace, env) {
            return Executed::failed(1, format!("{why} (RedisClient::CannotConnectError)\n"));
        }
        let seed = uuid(&mut self.rng);
        let database = self.programs.databases.entry(id).or_default();
        if !database.migrated {
            return Executed::failed(
                1,
                "PG::UndefinedTable: ERROR:  relation \"users\" does not exist (ActiveRecord::StatementInvalid)\n",
            );
        }
        command(database, &seed)
    }
}

/// The version in the variable that the image carries.
pub(super) fn version(env: &Env) -> String {
    env.get("MASTODON_VERSION").cloned().unwrap_or_else(|| "4.6.3".to_owned())
}

fn no_command(name: &str) -> Executed {
    Executed::failed(1, format!("Could not find command \"{name}\".\n"))
}

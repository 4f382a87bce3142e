//! The commands a backup and a restore run in the pods, as `kubectl exec` on a control plane takes them. Nothing in them is
//! secret: passwords are in the containers' own environment.

use crate::mastodon::{NAMESPACE, RELEASE};

/// Mastodon's database in the chart's own PostgreSQL.
pub const DATABASE: &str = "mastodon_production";
/// The role it belongs to.
pub const ROLE: &str = "mastodon";
/// Where the users' files are mounted (mastodon/chart `templates/deployment-web.yaml`).
pub const FILES: &str = "/opt/mastodon/public/system";

/// Of the copies of other servers' files those that nothing fetches again where profiles show them
/// (<https://github.com/mastodon/mastodon/issues/17862>).
pub const CUSTOM_EMOJIS: &str = "cache/custom_emojis";

/// The tables whose rows are counted: what a person would miss first.
pub const TABLES: [&str; 8] =
    ["users", "accounts", "statuses", "media_attachments", "follows", "favourites", "notifications", "custom_emojis"];

/// The database's administrator, where the chart made one, else Mastodon's own role (bitnami/charts `postgresql`: the
/// container's environment, or files it names).
const LOGIN: &str = r#"if [ -n "$POSTGRES_PASSWORD_FILE" ]; then POSTGRES_PASSWORD=$(cat "$POSTGRES_PASSWORD_FILE"); fi
if [ -n "$POSTGRES_POSTGRES_PASSWORD_FILE" ]; then POSTGRES_POSTGRES_PASSWORD=$(cat "$POSTGRES_POSTGRES_PASSWORD_FILE"); fi
if [ -n "$POSTGRES_POSTGRES_PASSWORD" ]; then PGUSER=postgres; PGPASSWORD=$POSTGRES_POSTGRES_PASSWORD
else PGUSER=${POSTGRES_USER:-postgres}; PGPASSWORD=$POSTGRES_PASSWORD; fi
export PGUSER PGPASSWORD
"#;

/// Runs the arguments; what they print goes on, and its SHA-256 and their exit status are told on standard error. The pipe
/// behind descriptor 5 is this shell's own: standard output itself may not be opened again by whoever is not root.
const HASHED: &str =
    r#"{ { { "$@"; echo "homeprov-status $?" >&2; } | tee /dev/fd/5 >&3; } 5>&1 | sha256sum >&2; } 3>&1"#;

/// A container of a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    /// The pod's namespace.
    pub namespace: String,
    /// The pod.
    pub pod: String,
    /// The container.
    pub container: String,
}

impl Container {
    /// A container of a pod.
    pub fn new(namespace: &str, pod: &str, container: &str) -> Self {
        Self { namespace: namespace.to_owned(), pod: pod.to_owned(), container: container.to_owned() }
    }

    /// The chart's own PostgreSQL.
    pub fn database(namespace: &str) -> Self {
        Self::new(namespace, &format!("{RELEASE}-postgresql-0"), "postgresql")
    }

    /// The chart's own Redis.
    pub fn redis(namespace: &str) -> Self {
        Self::new(namespace, &format!("{RELEASE}-redis-master-0"), "redis")
    }

    /// Mastodon in a web pod of the site.
    pub fn web(pod: &str) -> Self {
        Self::new(NAMESPACE, pod, "mastodon-web")
    }

    /// A command in it.
    pub fn exec<S: AsRef<str>>(&self, words: impl IntoIterator<Item = S>) -> Vec<String> {
        let Self { namespace, pod, container } = self;
        let start = [
            "/snap/bin/microk8s",
            "kubectl",
            "exec",
            "-i",
            "--namespace",
            namespace,
            pod,
            "--container",
            container,
            "--",
        ];
        let words = words.into_iter().map(|word| word.as_ref().to_owned());
        start.into_iter().map(str::to_owned).chain(words).collect()
    }

    /// A shell script in it with its arguments.
    pub fn script(&self, script: &str, arguments: &[&str]) -> Vec<String> {
        self.exec(["sh", "-c", script, "sh"].iter().chain(arguments))
    }

    /// A command whose output is hashed where it is made.
    pub fn hashed(&self, words: &[&str]) -> Vec<String> {
        self.script(HASHED, words)
    }

    /// `psql` that reads its script from standard input and stops at the first error.
    pub fn psql(&self, database: &str) -> Vec<String> {
        let script = format!("{LOGIN}exec psql -XqAt -v ON_ERROR_STOP=1 -d \"$1\"");
        self.script(&script, &[database])
    }

    /// A dump whose script ([`dump_script`]) is on standard input; hashed.
    pub fn dump(&self, database: &str) -> Vec<String> {
        let script = format!("{LOGIN}{HASHED}");
        self.script(&script, &["psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-d", database])
    }

    /// The table of contents of a dump on standard input.
    pub fn list_dump(&self) -> Vec<String> {
        self.exec(["pg_restore", "--list"])
    }

    /// Reads a dump in a file of the container into an empty database, as its administrator.
    pub fn read_dump(&self, database: &str, file: &str, jobs: u32) -> Vec<String> {
        // As mastodon/documentation `content/en/admin/migrating.md` does it, with an end at the first error.
        let script = format!(
            "{LOGIN}exec pg_restore -Fc -j \"$1\" -n public --no-owner --role=\"$2\" --exit-on-error -d \"$3\" \"$4\" 2>&1"
        );
        self.script(&script, &[&jobs.to_string(), ROLE, database, file])
    }

    /// Writes standard input to a file that is there when all of it is; its hash is printed.
    pub fn write(&self, file: &str) -> Vec<String> {
        let script = "set -e; rm -f \"$1\" \"$1.part\"; cat >\"$1.part\"; sha256sum \"$1.part\"; mv \"$1.part\" \"$1\"";
        self.script(script, &[file])
    }
}

/// The script that dumps a database and counts its rows, all in one transaction: what is counted is what is dumped.
pub fn dump_script() -> String {
    let counts = TABLES.map(|table| format!("SELECT 'rows', '{table}', count(*) FROM {table};\n")).concat();
    format!(
        "BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY;\n\
         SELECT pg_export_snapshot() AS homeprov_snapshot \\gset\n\
         \\setenv HOMEPROV_SNAPSHOT :homeprov_snapshot\n\
         \\o |cat >&2\n\
         SELECT 'server', current_setting('server_version_num');\n\
         SELECT 'schema', max(version) FROM schema_migrations;\n\
         SELECT 'bytes', pg_database_size(current_database());\n\
         {counts}\\o\n\
         \\! pg_dump -Fc --no-password --snapshot=\"$HOMEPROV_SNAPSHOT\" {DATABASE} || echo \"homeprov-status $?\" >&2\n\
         COMMIT;\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_that_of_what_went_by() {
        // The script is one for the shell of any image.
        let run = |words: &[&str]| {
            let done = std::process::Command::new("sh").args(["-c", HASHED, "sh"]).args(words).output().unwrap();
            (done.stdout, String::from_utf8(done.stderr).unwrap())
        };
        let (out, err) = run(&["sh", "-c", "printf 'a\\000b'; exit 3"]);
        assert_eq!(out, b"a\0b");
        let lines: Vec<&str> = err.lines().collect();
        assert_eq!((lines[0], lines[1].split(' ').next().map(str::len)), ("homeprov-status 3", Some(64)));
        let digest = <sha2::Sha256 as sha2::Digest>::digest(b"a\0b");
        assert!(lines[1].starts_with(&crate::facts::identity::hex(&digest)), "{err}");
    }

    #[test]
    fn no_command_line_holds_a_password() {
        let container = Container::database(NAMESPACE);
        let commands =
            [container.psql("postgres"), container.dump(DATABASE), container.read_dump(DATABASE, "/tmp/x", 2)];
        for command in commands.map(|words| words.join(" ")) {
            assert!(
                command.starts_with("/snap/bin/microk8s kubectl exec -i --namespace mastodon mastodon-postgresql-0 ")
            );
            // It is taken from the container's own environment.
            assert!(command.contains("PGPASSWORD=$POSTGRES_PASSWORD") && !command.contains("--password"), "{command}");
        }
        let script = dump_script();
        assert_eq!(script.matches("SELECT 'rows'").count(), TABLES.len());
        assert!(script.contains("--no-password --snapshot=\"$HOMEPROV_SNAPSHOT\" mastodon_production"), "{script}");
    }
}

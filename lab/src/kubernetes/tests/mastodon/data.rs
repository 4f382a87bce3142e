//! What the pods hold: rows, files, keys; and the programs that copy them out and in.

use super::bench::values;
use crate::kubernetes::Fault;
use crate::kubernetes::mastodon::Executed;
use crate::kubernetes::tests::bench::Bench;

const LOGIN: &str = "export PGUSER=postgres PGPASSWORD=\"$POSTGRES_POSTGRES_PASSWORD\"";

impl Bench {
    /// A script in the pod of the database, logged in as its administrator.
    fn in_database(&mut self, script: &str, stdin: &[u8]) -> Executed {
        let words = ["sh", "-c", &format!("{LOGIN}; {script}")].map(str::to_owned);
        self.cluster.exec(self.now, "mastodon", "mastodon-postgresql-0", "", &words, stdin).expect("it runs")
    }

    fn sql(&mut self, statement: &str) -> String {
        let script = "psql -XqAt -v ON_ERROR_STOP=1 -d mastodon_production";
        let done = self.in_database(script, statement.as_bytes());
        String::from_utf8([done.stdout, done.stderr].concat()).expect("text")
    }

    fn in_web(&mut self, script: &str, stdin: &[u8]) -> Executed {
        let words = ["sh", "-c", script].map(str::to_owned);
        let pod = self.pod("mastodon-web");
        self.cluster.exec(self.now, "mastodon", super::bench::name(&pod), "", &words, stdin).expect("it runs")
    }
}

fn out(done: &Executed) -> String {
    format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr))
}

#[test]
fn a_dump_holds_what_one_transaction_saw_and_comes_back() {
    let mut bench = Bench::running();
    assert_eq!(bench.sql("INSERT INTO statuses SELECT generate_series(1, 12);"), "");
    let script = "BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY;\nSELECT pg_export_snapshot() AS snap \\gset\n\
                  \\setenv SNAP :snap\n\\o |cat >&2\nSELECT 'statuses', count(*) FROM statuses;\n\\o\n\
                  \\! pg_dump -Fc --snapshot=\"$SNAP\" mastodon_production || echo failed >&2\n";
    let done = bench.in_database("psql -XqAt -d mastodon_production", script.as_bytes());
    assert_eq!((String::from_utf8_lossy(&done.stderr).as_ref(), done.status), ("statuses|12\n", 0));
    assert!(done.stdout.starts_with(b"PGDMP"));
    let dump = done.stdout;
    let list = bench.in_database("pg_restore --list", &dump);
    assert!(out(&list).contains("TABLE DATA public statuses"), "{}", out(&list));
    let cut = bench.in_database("pg_restore --list", &dump[..dump.len() / 2]);
    assert_eq!(
        (cut.status, out(&cut).as_str()),
        (1, "pg_restore: error: could not read from input file: end of file\n")
    );

    assert_eq!(bench.sql("DELETE FROM statuses;"), "");
    let used = bench.in_database("psql -d postgres -c 'DROP DATABASE mastodon_production'", b"");
    assert!(out(&used).contains("is being accessed by other users"), "{}", out(&used));
    let again = bench.in_database("cat >/tmp/dump && pg_restore -j 2 -d mastodon_production /tmp/dump", &dump);
    assert!(out(&again).contains("already exists"), "{}", out(&again));
    for statement in ["CREATE DATABASE fresh TEMPLATE template0", "COMMENT ON DATABASE fresh IS 'mine'"] {
        assert_eq!(out(&bench.in_database(&format!("psql -d postgres -c \"{statement}\""), b"")), "");
    }
    assert_eq!(out(&bench.in_database("pg_restore -j 2 -d fresh --no-owner --exit-on-error /tmp/dump", b"")), "");
    let count = bench.in_database("psql -At -d fresh -c 'SELECT count(*) FROM statuses'", b"");
    assert_eq!((out(&count).as_str(), bench.sql("SELECT count(*) FROM statuses;").as_str()), ("12\n", "0\n"));
    let all = "SELECT datname, coalesce(shobj_description(oid, 'pg_database'), '') FROM pg_database;";
    assert_eq!(bench.sql(all), "mastodon_production|\nfresh|mine\npostgres|\n");
}

#[test]
fn a_site_without_its_database_does_not_work() {
    let mut bench = Bench::running();
    let dropped = bench.in_database("psql -d postgres -c 'DROP DATABASE mastodon_production WITH (FORCE)'", b"");
    assert_eq!(out(&dropped), "");
    let asked = bench.in_web("tootctl accounts modify alice", b"");
    assert!(out(&asked).contains("database \"mastodon_production\" does not exist"), "{}", out(&asked));
    assert!(bench.sql("SELECT 1;").contains("does not exist"));
}

#[test]
fn pipes_hash_what_goes_through_them() {
    let mut bench = Bench::running();
    let made = "mkdir -p public/system/accounts/1 && printf '%s\\n' face >public/system/accounts/1/a.png";
    assert_eq!(bench.in_web(made, b"").status, 0);
    let script = "{ { { tar -C /opt/mastodon/public/system -cf - accounts; echo \"status $?\" >&2; } | tee /dev/fd/5 >&3; } \
                  5>&1 | sha256sum >&2; } 3>&1";
    let done = bench.in_web(script, b"");
    let said = String::from_utf8(done.stderr).expect("text");
    let sum = crate::kubernetes::names::sha256_hex(&done.stdout);
    assert_eq!(said, format!("status 0\n{sum}  -\n"));
    let into = "mkdir -p /tmp/x && tar -C /tmp/x -xf - && cat /tmp/x/accounts/1/a.png && rm -rf /tmp/x && ls -A /tmp";
    assert_eq!(out(&bench.in_web(into, &done.stdout)), "face\n");
    let cut = bench.in_web("tar -C /tmp -xf - ; echo $?", &done.stdout[..600]);
    assert!(out(&cut).starts_with("2\ntar: Unexpected EOF"), "{}", out(&cut));
}

#[test]
fn redis_keeps_its_flushes_to_itself() {
    let mut bench = Bench::running();
    let mut ask = |script: &str| {
        let script = format!("export REDISCLI_AUTH=\"$(cat $REDIS_PASSWORD_FILE)\"; {script}");
        let words = ["sh", "-c", &script].map(str::to_owned);
        out(&bench.cluster.exec(bench.now, "mastodon", "mastodon-redis-master-0", "", &words, b"").expect("it runs"))
    };
    assert_eq!(ask("redis-cli SET 'a b' 1; redis-cli DBSIZE"), "OK\n3\n");
    assert!(ask("redis-cli FLUSHALL").starts_with("ERR unknown command 'FLUSHALL'"));
    assert_eq!(ask("redis-cli --scan | tr '\\n' '\\0' | xargs -0 -r redis-cli UNLINK; redis-cli DBSIZE"), "3\n0\n");
}

#[test]
fn the_fault_cuts_one_stream_and_says_nothing() {
    let mut bench = Bench::for_mastodon(1, &[Fault::TruncatedStream]);
    let rendered = bench.install(&values());
    bench.pass(60_000);
    bench.run_hooks(&rendered.hooks, "post-install", 90_000);
    let command = "exec -n mastodon mastodon-postgresql-0 -- sh -c";
    let script = format!("{LOGIN}; pg_dump -Fc mastodon_production");
    let words: Vec<String> = command.split(' ').map(str::to_owned).chain([script]).collect();
    let first = bench.cluster.kubectl(bench.now, &words, b"");
    let second = bench.cluster.kubectl(bench.now, &words, b"");
    assert_eq!((first.2, second.2, first.1.is_empty()), (0, 0, true));
    assert_eq!(first.0.len(), second.0.len() / 2);
}

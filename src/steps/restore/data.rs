//! Database, files and Redis.

use std::collections::BTreeMap;

use tokio::fs::File;

use super::{Scene, helper, room};
use crate::backup::pod::{Container, DATABASE, FILES, ROLE, TABLES};
use crate::backup::stream::push;
use crate::backup::{Kind, Part};
use crate::inventory::model::Redis;
use crate::mastodon::NAMESPACE;
use crate::ssh::Program;
use crate::steps::{Context, Failure};

/// The database the dump is read into.
pub(super) const FRESH: &str = "mastodon_production_homeprov";
/// The one that was there before, until the restore has ended.
const BEFORE: &str = "mastodon_production_before";
/// The dump's file on the database's volume: there is room where databases are.
pub(super) const DUMP: &str = "/bitnami/postgresql/homeprov-restore.dump";
/// Processes that read a dump: more than one, and not so many that small machines stall.
const JOBS: u32 = 2;

/// Runs SQL as the database's administrator; its rows, columns separated by `|`.
async fn sql(context: &Context, what: &str, database: &str, text: &str) -> Result<String, Failure> {
    let server = Container::database(Scene::at_hand(context)?.restore.namespace());
    ask(context, &server, what, database, text).await
}

/// The same in a server of one's own choice.
pub(super) async fn ask(
    context: &Context,
    server: &Container,
    what: &str,
    database: &str,
    text: &str,
) -> Result<String, Failure> {
    let node = context.node()?.name.clone();
    push(context, &node, what, &server.psql(database), &mut text.as_bytes()).await
}

/// Refuses a dump of a newer PostgreSQL than the site's: `pg_restore` takes older ones only (postgres/postgres
/// `doc/src/sgml/ref/pg_dump.sgml`, "Notes").
pub(super) async fn refuse_newer(context: &Context) -> Result<(), Failure> {
    let dumped = Scene::at_hand(context)?.restore.manifest.database.server / 10_000;
    let text = "SELECT 'server', current_setting('server_version_num');\n";
    let said = ask(context, &Container::database(NAMESPACE), "asking for its version", "postgres", text).await?;
    let number = said.lines().find_map(|row| row.strip_prefix("server|")?.trim().parse::<u32>().ok());
    let here = number.ok_or_else(|| Failure::failed("PostgreSQL does not tell its version"))? / 10_000;
    if dumped <= here {
        return Ok(());
    }
    Err(Failure::Refused {
        reason: format!(
            "the backup is of PostgreSQL {dumped}, and the site's is {here}: a dump of a newer one cannot be read. Bring the site's up first, \
             with the values of its chart"
        ),
    })
}

/// The databases with their comments: that is where a database says what it is, whatever it is called.
async fn databases(context: &Context) -> Result<BTreeMap<String, String>, Failure> {
    let text = "SELECT datname, coalesce(shobj_description(oid, 'pg_database'), '') FROM pg_database;\n";
    let rows = sql(context, "listing the databases", "postgres", text).await?;
    Ok(rows
        .lines()
        .filter_map(|row| row.split_once('|'))
        .map(|(name, note)| (name.to_owned(), note.to_owned()))
        .collect())
}

fn whole(id: &str) -> String {
    format!("homeprov restored {id}")
}

fn begun(id: &str) -> String {
    format!("homeprov restores {id}")
}

fn dump(scene: &Scene<'_>) -> Result<Part, Failure> {
    let part = scene.restore.manifest.part(&Kind::Dump).cloned();
    part.ok_or_else(|| Failure::Refused { reason: "the backup has no dump of the database".to_owned() })
}

/// Whether a file of the backup arrived as it was.
fn arrived(said: &str, part: &Part) -> Result<(), Failure> {
    let sum = said.split_whitespace().find(|word| word.len() == 64).unwrap_or_default();
    if sum == part.sha256 {
        return Ok(());
    }
    Err(Failure::failed(format!(
        "{} did not arrive as it is here: SHA-256 {sum:.12}… there, {:.12}… here",
        part.name, part.sha256
    )))
}

/// Copies the dump to a file beside the database.
pub(super) async fn copy_dump(context: &Context) -> Result<(), Failure> {
    let scene = Scene::at_hand(context)?;
    let part = dump(&scene)?;
    if scene.restore.rehearsal {
        // Before there is anything on them.
        room::let_go(context).await?;
    }
    let mut file = open(&scene, &part).await?;
    let node = context.node()?.name.clone();
    let server = Container::database(scene.restore.namespace());
    let said = push(context, &node, "copying the dump", &server.write(DUMP), &mut file).await?;
    arrived(&said, &part)
}

async fn open(scene: &Scene<'_>, part: &Part) -> Result<File, Failure> {
    let path = scene.restore.folder.join(&part.name);
    File::open(&path).await.map_err(|error| Failure::failed(format!("cannot read {}: {error}", path.display())))
}

/// Reads the dump into a database of its own, and counts.
pub(super) async fn read_dump(context: &Context) -> Result<(), Failure> {
    let scene = Scene::at_hand(context)?;
    let id = scene.restore.id.as_str();
    let there = databases(context).await?;
    let is = |name: &str, note: &str| there.get(name).is_some_and(|own| own == note);
    if is(FRESH, &whole(id)) || is(DATABASE, &whole(id)) {
        return Ok(());
    }
    // One that was begun in this restore has a job on it, which is attached to.
    if !is(FRESH, &begun(id)) {
        let text = format!(
            "DROP DATABASE IF EXISTS {FRESH} WITH (FORCE);\nCREATE DATABASE {FRESH} TEMPLATE template0 OWNER {ROLE};\n\
             COMMENT ON DATABASE {FRESH} IS '{}';\n",
            begun(id)
        );
        sql(context, "making a database", "postgres", &text).await?;
    }
    let node = context.node()?.name.clone();
    let argv = Container::database(scene.restore.namespace()).read_dump(FRESH, DUMP, JOBS);
    let ended = context.job(&node, &format!("{id} {}", argv.join(" ")), Program::command(argv)).await?;
    if ended.status != 0 {
        // The next attempt begins with an empty one.
        drop_fresh(context).await?;
        return Err(Failure::command("pg_restore", ended.status, &ended.output));
    }
    if let Err(failure) = compare(context, FRESH).await {
        let Failure::NotVerified { reason } = failure else { return Err(failure) };
        drop_fresh(context).await?;
        // Reading it again would not bring other rows.
        return Err(Failure::Refused { reason: format!("the dump is not what its manifest says: {reason}") });
    }
    let text = format!("ANALYZE;\nCOMMENT ON DATABASE {FRESH} IS '{}';\n", whole(id));
    sql(context, "marking the database", FRESH, &text).await.map(drop)
}

async fn drop_fresh(context: &Context) -> Result<(), Failure> {
    let text = format!("DROP DATABASE IF EXISTS {FRESH} WITH (FORCE);\n");
    sql(context, "removing the database", "postgres", &text).await.map(drop)
}

/// Compares the rows of the main tables with the manifest.
async fn compare(context: &Context, database: &str) -> Result<(), Failure> {
    let scene = Scene::at_hand(context)?;
    let text = TABLES.map(|table| format!("SELECT '{table}', count(*) FROM {table};\n")).concat();
    let rows = sql(context, "counting rows", database, &text).await?;
    let counted: BTreeMap<&str, &str> = rows.lines().filter_map(|row| row.split_once('|')).collect();
    let wanted = &scene.restore.manifest.database.rows;
    let other = |(table, rows): (&String, &u64)| {
        let is = counted.get(table.as_str()).copied().unwrap_or("no");
        (is != rows.to_string()).then(|| format!("{table} has {is} rows, and had {rows} in the backup"))
    };
    let others: Vec<String> = wanted.iter().filter_map(other).collect();
    if others.is_empty() { Ok(()) } else { Err(Failure::NotVerified { reason: others.join("; ") }) }
}

/// The same of the site's own database.
pub(super) async fn count(context: &Context) -> Result<(), Failure> {
    let scene = Scene::at_hand(context)?;
    let (was, is) = (&scene.restore.manifest.site.image, &scene.wanted.image);
    if was != is {
        // Migrations may make rows and remove some; before them they were compared.
        context.say(format!("the backup is of {was} and was migrated to {is}: its rows were compared before that"));
        return Ok(());
    }
    compare(context, DATABASE).await
}

/// Unpacks one archive beside the old files. What arrived is hashed before it is unpacked, and marked when all is there.
const UNPACK: &str = r#"set -e
T="$1/.homeprov-$2"
mkdir -p "$T/new" "$T/old" "$T/marks"
rm -rf "$T/new/$3"
{ { tee /dev/fd/5 | tar -C "$T/new" -xf - >&3; echo "unpacked $?" >&3; } 5>&1 | sha256sum >&3; } 3>&1
find "$T/new/$3" -type f | wc -l
"#;
/// Unpacks all files of the backup beside those that are there.
pub(super) async fn unpack(context: &Context) -> Result<(), Failure> {
    let scene = Scene::at_hand(context)?;
    let (id, pod, node) = (scene.restore.id.as_str(), helper::container(scene.restore), context.node()?.name.clone());
    let run = async |script: &str, words: &[&str]| {
        push(context, &node, "looking at the files", &pod.script(script, words), &mut tokio::io::empty()).await
    };
    let marks = run("if [ -d \"$1\" ]; then ls -A \"$1\"; fi", &[&format!("{FILES}/.homeprov-{id}/marks")]).await?;
    for (part, folder) in scene.restore.manifest.archives() {
        if marks.lines().any(|mark| mark == part.sha256) {
            continue;
        }
        let mut file = open(&scene, part).await?;
        let what = format!("unpacking {}", part.name);
        let said = push(context, &node, &what, &pod.script(UNPACK, &[FILES, id, folder]), &mut file).await?;
        arrived(&said, part)?;
        let output = || said.lines().map(str::to_owned).collect();
        if !said.lines().any(|line| line == "unpacked 0") {
            return Err(Failure::Failed { reason: format!("{what} failed"), output: output() });
        }
        let files = said.lines().last().and_then(|line| line.trim().parse::<u64>().ok());
        if files != part.entries {
            let reason = format!("{what}: {files:?} files are there, and {:?} are in it", part.entries);
            return Err(Failure::Failed { reason, output: output() });
        }
        run(": >\"$1\"", &[&format!("{FILES}/.homeprov-{id}/marks/{}", part.sha256)]).await?;
        context.say(format!("{folder}: {} files", files.unwrap_or_default()));
    }
    Ok(())
}

/// Lets a new folder and the old one change places. `$4` is the folder above it.
const CHANGE: &str = r#"set -e
T="$1/.homeprov-$2"
if [ -e "$T/new/$3" ]; then
  mkdir -p "$T/old/$4" "$1/$4"
  if [ -e "$1/$3" ]; then mv "$1/$3" "$T/old/$3"; fi
  mv "$T/new/$3" "$1/$3"
fi
"#;
/// Puts away a folder that is not in the backup.
const AWAY: &str = r#"set -e
mkdir -p "$1/.homeprov-$2/old"
if [ -e "$1/$3" ]; then mv "$1/$3" "$1/.homeprov-$2/old/$3"; fi
"#;

/// Database and files change places with the old ones, each in a moment.
pub(super) async fn swap(context: &Context) -> Result<(), Failure> {
    let scene = Scene::at_hand(context)?;
    let id = scene.restore.id.as_str();
    let there = databases(context).await?;
    if there.get(DATABASE).is_none_or(|note| *note != whole(id)) {
        if there.get(FRESH).is_none_or(|note| *note != whole(id)) {
            return Err(Failure::failed(format!("the database {FRESH} is not there any more")));
        }
        // An older one is left of a restore that did not end.
        let away =
            format!("DROP DATABASE IF EXISTS {BEFORE} WITH (FORCE);\nALTER DATABASE {DATABASE} RENAME TO {BEFORE};\n");
        let away = if there.contains_key(DATABASE) { away.as_str() } else { "" };
        let text = format!("{away}ALTER DATABASE {FRESH} RENAME TO {DATABASE};\n");
        sql(context, "renaming the databases", "postgres", &text).await?;
    }
    // Nothing is put away for what the backup does not have.
    if scene.wanted.s3.is_some() || scene.restore.manifest.media_elsewhere.is_some() {
        return Ok(());
    }
    let (pod, node) = (helper::container(scene.restore), context.node()?.name.clone());
    let run = async |script: &str, words: &[&str]| {
        push(context, &node, "moving the files", &pod.script(script, words), &mut tokio::io::empty()).await
    };
    let folders: Vec<&str> = scene.restore.manifest.archives().map(|(_, folder)| folder).collect();
    let here = run("ls -A \"$1\"", &[FILES]).await?;
    for name in here.lines().filter(|name| !name.starts_with('.') && !["lost+found", "cache"].contains(name)) {
        if !folders.contains(&name) {
            run(AWAY, &[FILES, id, name]).await?;
        }
    }
    for folder in folders {
        let above = folder.rsplit_once('/').map_or(".", |(above, _)| above);
        run(CHANGE, &[FILES, id, folder, above]).await?;
    }
    Ok(())
}

/// Removes every key. The chart takes FLUSHDB and FLUSHALL away (bitnami/charts `bitnami/redis`).
const EMPTY: &str = r#"if [ -n "$REDIS_PASSWORD_FILE" ]; then REDIS_PASSWORD=$(cat "$REDIS_PASSWORD_FILE"); fi
REDISCLI_AUTH=$REDIS_PASSWORD; export REDISCLI_AUTH
redis-cli --scan | tr '\n' '\0' | xargs -0 -r redis-cli UNLINK >/dev/null
redis-cli DBSIZE
"#;

/// Empties Redis.
pub(super) async fn empty_redis(context: &Context) -> Result<(), Failure> {
    let scene = Scene::at_hand(context)?;
    if let Redis::External { host, port, .. } = &scene.wanted.redis {
        context.say(format!(
            "Redis is outside of the cluster ({host}:{port}) and is not emptied: do it there, with FLUSHDB"
        ));
        return Ok(());
    }
    let node = context.node()?.name.clone();
    let argv = Container::redis(scene.restore.namespace()).script(EMPTY, &[]);
    let said = push(context, &node, "emptying Redis", &argv, &mut tokio::io::empty()).await?;
    match said.lines().last().map(str::trim) {
        Some("0") => Ok(()),
        other => Err(Failure::failed(format!("Redis is not empty: DBSIZE says {}", other.unwrap_or("nothing")))),
    }
}

/// Removes what was there before, and the dump.
pub(super) async fn clean(context: &Context, web: &Container) -> Result<(), Failure> {
    let scene = Scene::at_hand(context)?;
    let node = context.node()?.name.clone();
    let text = format!(
        "DROP DATABASE IF EXISTS {BEFORE} WITH (FORCE);\nDROP DATABASE IF EXISTS {FRESH} WITH (FORCE);\n\
         COMMENT ON DATABASE {DATABASE} IS NULL;\n"
    );
    sql(context, "removing the old database", "postgres", &text).await?;
    let remove = Container::database(scene.restore.namespace()).exec(["rm", "-f", DUMP]);
    push(context, &node, "removing the dump", &remove, &mut tokio::io::empty()).await?;
    if scene.wanted.s3.is_none() {
        const WHAT: &str = "removing the old files";
        let list = web.script("ls -A \"$1\"", &[FILES]);
        let names = push(context, &node, WHAT, &list, &mut tokio::io::empty()).await?;
        // Also what a restore left that never ended.
        for name in names.lines().filter(|name| name.starts_with(".homeprov-")) {
            let remove = web.exec(["rm", "-rf", &format!("{FILES}/{name}")]);
            push(context, &node, WHAT, &remove, &mut tokio::io::empty()).await?;
        }
    }
    Ok(())
}

//! The room a restore takes: it puts database and files beside those that are there, so that for a while there are two of each.
//! What the backup has is compared with what is free on the volumes, as the pods that have them mounted see it.

use serde_json::Value;
use tokio::io::empty;

use super::Scene;
use super::data::{DUMP, FRESH, ask};
use crate::backup::pod::{Container, FILES};
use crate::backup::stream::push;
use crate::backup::{Kind, Manifest};
use crate::engine::event::Event;
use crate::kube::request::get;
use crate::mastodon::NAMESPACE;
use crate::steps::storage::disk_room::shown;
use crate::steps::{Context, Failure};

/// Where the volume of the database is mounted (bitnami/charts `bitnami/postgresql`).
const DATA: &str = "/bitnami/postgresql";
/// Also the size of a dump that an earlier restore left: the next one begins with removing it.
const LOOK: &str = "df -Pk \"$1\"; if [ -e \"$2\" ]; then stat -c %s \"$2\"; fi";

/// A volume as a pod sees it, and what is to be put on it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Volume {
    /// Whose it is, and where: `the database's volume (/bitnami/postgresql of mastodon-postgresql-0)`.
    name: String,
    /// The node of the pod.
    node: String,
    seen: Seen,
    /// Bytes, and what they are.
    puts: Vec<(u64, &'static str)>,
    /// What to do where there is too little.
    remedy: &'static str,
}

/// A file system.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    /// What it is on: `/dev/sdb`, or an NFS share.
    device: String,
    /// All its bytes.
    size: u64,
    /// Those that are free, or will be before anything is put there.
    free: u64,
}

impl Seen {
    /// Reads `df -Pk`, and numbers of bytes that will be freed on lines of their own.
    fn read(text: &str) -> Option<Self> {
        let line = text.lines().find(|line| line.contains('%') && line.contains(" /"))?;
        // From the end: the name of a share may hold blanks.
        let words: Vec<&str> = line.split_whitespace().collect();
        let [device @ .., size, _, free, _, _] = words.as_slice() else { return None };
        let kib = |word: &str| word.parse::<u64>().ok().and_then(|number| number.checked_mul(1024));
        let freed: u64 = text.lines().filter_map(|line| line.trim().parse::<u64>().ok()).sum();
        Some(Self { device: device.join(" "), size: kib(size)?, free: kib(free)?.saturating_add(freed) })
    }
}

impl Volume {
    fn needed(&self) -> u64 {
        self.puts.iter().map(|(bytes, _)| *bytes).fold(0, u64::saturating_add)
    }

    /// Whether both are folders of one disk, as the hostpath engine's are.
    fn shares_with(&self, other: &Self) -> bool {
        self.seen.device.starts_with("/dev/")
            && (&self.node, &self.seen.device, self.seen.size) == (&other.node, &other.seen.device, other.seen.size)
    }
}

/// Refuses a backup that there is no room for. What cannot be found out keeps nobody from a restore, and is said.
pub(super) async fn refuse_without(context: &Context) -> Result<(), Failure> {
    let scene = Scene::at_hand(context)?;
    let mut volumes = Vec::new();
    for found in [database(context, &scene).await, files(context, &scene).await] {
        match found {
            Ok(volume) => volumes.extend(volume),
            Err(Failure::Failed { reason, .. }) => {
                let message = format!("whether there is room for the backup is not known: {reason}");
                let _ = context.events.send(Event::Warning { node: None, message });
            }
            Err(failure) => return Err(failure),
        }
    }
    if scene.restore.rehearsal {
        // Its volumes are new ones of the same size.
        for volume in &mut volumes {
            volume.seen.free = volume.seen.size;
        }
    }
    let short = short(&volumes);
    if short.is_empty() {
        return Ok(());
    }
    let why = "the old data stays until the new is known to be whole, and there is no room for both";
    Err(Failure::Refused { reason: format!("{why}; nothing was changed:\n{}", short.join("\n")) })
}

/// What is too small, a sentence each.
fn short(volumes: &[Volume]) -> Vec<String> {
    let one_disk = matches!(volumes, [one, other] if one.shares_with(other));
    let disks = volumes.chunks(if one_disk { volumes.len() } else { 1 });
    let short = disks.filter_map(|disk| {
        let needed = disk.iter().map(Volume::needed).fold(0, u64::saturating_add);
        let free = disk.iter().map(|volume| volume.seen.free).max()?;
        let size = disk.iter().map(|volume| volume.seen.size).max()?;
        (needed > free).then(|| {
            let names: Vec<&str> = disk.iter().map(|volume| volume.name.as_str()).collect();
            let puts = disk.iter().flat_map(|volume| &volume.puts);
            let puts: Vec<String> = puts.map(|(bytes, what)| format!("{} for {what}", shown(*bytes))).collect();
            let remedies: Vec<&str> = disk.iter().map(|volume| volume.remedy).collect();
            format!(
                "{}: {} of {} are free, and {} are needed: {}\n  what to do: {}",
                names.join(" and, on the same disk, "),
                shown(free),
                shown(size),
                shown(needed),
                puts.join(", "),
                remedies.join("; ")
            )
        })
    });
    short.collect()
}

/// The database is as large as it was when it was dumped. A backup that does not tell that has a dump at least, which is
/// compressed: what is read from it is no smaller.
fn of_database(manifest: &Manifest) -> Vec<(u64, &'static str)> {
    let dump = manifest.part(&Kind::Dump).map_or(0, |part| part.bytes);
    vec![(dump, "the dump"), (manifest.database.bytes.unwrap_or(dump), "the database that is read from it")]
}

async fn database(context: &Context, scene: &Scene<'_>) -> Result<Option<Volume>, Failure> {
    let pod = Container::database(NAMESPACE);
    let seen = look(context, &pod, DATA, DUMP).await?;
    // One that an earlier restore began is removed first, too.
    let text = format!("SELECT pg_database_size(datname) FROM pg_database WHERE datname = '{FRESH}';\n");
    let begun = ask(context, &pod, "asking for the size of a database", "postgres", &text).await?;
    let begun = begun.trim().parse::<u64>().unwrap_or_default();
    Ok(Some(Volume {
        name: format!("the database's volume ({DATA} of {})", pod.pod),
        node: node_of(context, &pod.pod).await?,
        seen: Seen { free: seen.free.saturating_add(begun), ..seen },
        puts: of_database(&scene.restore.manifest),
        remedy: "make room there, or put the backup into a site that was made with a larger `size` under [mastodon.postgresql]",
    }))
}

async fn files(context: &Context, scene: &Scene<'_>) -> Result<Option<Volume>, Failure> {
    let bytes: u64 = scene.restore.manifest.archives().map(|(part, _)| part.bytes).sum();
    if scene.wanted.s3.is_some() || bytes == 0 {
        return Ok(None);
    }
    let Some(web) = &scene.seen.web_pod else {
        return Err(Failure::failed("no web pod of the site is ready, and the files' volume is seen from there"));
    };
    Ok(Some(Volume {
        name: format!("the files' volume ({FILES} of {web})"),
        node: node_of(context, web).await?,
        seen: look(context, &Container::web(web), FILES, "").await?,
        puts: vec![(bytes, "the files")],
        remedy: "`tootctl media remove` in a web pod removes copies of other servers' media, which are fetched again; or put the backup \
                 into a site that was made with a larger `system_size` under [mastodon]",
    }))
}

/// The file system a path of a pod is on. `left` is a file that is removed first; none when it is empty.
async fn look(context: &Context, pod: &Container, path: &str, left: &str) -> Result<Seen, Failure> {
    const WHAT: &str = "looking for room";
    let argv = if left.is_empty() { pod.exec(["df", "-Pk", path]) } else { pod.script(LOOK, &[path, left]) };
    let node = context.node()?.name.clone();
    let said = push(context, &node, WHAT, &argv, &mut empty()).await?;
    Seen::read(&said).ok_or_else(|| Failure::Failed {
        reason: format!("`df` in the pod {} does not tell what is free on {path}", pod.pod),
        output: said.lines().map(crate::bounded::line).collect(),
    })
}

async fn node_of(context: &Context, pod: &str) -> Result<String, Failure> {
    let path = format!("/api/v1/namespaces/{NAMESPACE}/pods/{pod}");
    let found: Option<Value> = get(&context.api().await?, &path).await?;
    let node = found.and_then(|found| found["spec"]["nodeName"].as_str().map(str::to_owned));
    node.ok_or_else(|| Failure::failed(format!("the pod {pod} is on no node")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    fn volume(name: &str, node: &str, device: &str, free: u64, needed: u64) -> Volume {
        Volume {
            name: format!("the {name} volume"),
            node: node.into(),
            seen: Seen { device: device.into(), size: 8 * GIB, free },
            puts: vec![(needed, "it")],
            remedy: "make room",
        }
    }

    #[test]
    fn what_df_says() {
        let text = "Filesystem     1024-blocks    Used Available Capacity Mounted on\n/dev/sdb           8154588 1048576   7089628      13% /bitnami/postgresql\n1000\n24\n";
        let seen = Seen::read(text).unwrap();
        assert_eq!(
            (seen.device.as_str(), seen.size, seen.free),
            ("/dev/sdb", 8_154_588 << 10, (7_089_628 << 10) + 1024)
        );
        let share = "Filesystem 1024-blocks Used Available Capacity Mounted on\n10.152.183.9:/my share 100 10 90 10% /opt/mastodon/public/system\n";
        assert_eq!(Seen::read(share).unwrap().device, "10.152.183.9:/my share");
        assert_eq!(Seen::read("df: /x: No such file or directory\n"), None);
    }

    #[test]
    fn each_volume_has_to_have_room() {
        let enough = volume("one", "nuc1", "/dev/sdb", 2 * GIB, 2 * GIB);
        assert!(short(std::slice::from_ref(&enough)).is_empty());
        let small = volume("other", "nuc2", "/dev/sdb", GIB, 3 * GIB / 2);
        let told = short(&[enough, small]);
        assert_eq!(
            told,
            [
                "the other volume: 1 GiB of 8 GiB are free, and 1.5 GiB are needed: 1.5 GiB for it\n  what to do: make room"
            ]
        );
    }

    #[test]
    fn folders_of_one_disk_share_its_room() {
        let disk = |name: &str, node: &str| volume(name, node, "/dev/nvme0n1p2", 3 * GIB, 2 * GIB);
        let told = short(&[disk("one", "nuc1"), disk("other", "nuc1")]);
        assert!(
            told[0].starts_with(
                "the one volume and, on the same disk, the other volume: 3 GiB of 8 GiB are free, and 4 GiB"
            ),
            "{told:?}"
        );
        assert!(short(&[disk("one", "nuc1"), disk("other", "nuc2")]).is_empty());
        // Nobody knows what is behind a share.
        let share = |name: &str| volume(name, "nuc1", "10.152.183.9:/", 3 * GIB, 2 * GIB);
        assert!(short(&[share("one"), share("other")]).is_empty());
    }
}

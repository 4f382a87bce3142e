//! What comes after the data: the schema, feeds and caches, and the end.

use super::{Scene, data, helper, write};
use crate::backup::pod::{CUSTOM_EMOJIS, Container};
use crate::ssh::Program;
use crate::steps::{Context, Failure};

/// Runs a program in a pod as a job on a node, followed through lost connections and attached to by the next run.
async fn job(context: &Context, what: &str, argv: Vec<String>) -> Result<(), Failure> {
    let scene = Scene::at_hand(context)?;
    let node = context.node()?.name.clone();
    let ended = context.job(&node, &format!("{} {what}", scene.restore.id), Program::command(argv)).await?;
    if ended.status == 0 { Ok(()) } else { Err(Failure::command(what, ended.status, &ended.output)) }
}

/// Brings the database to the schema of the image; one that has it already is left as it is.
pub(super) async fn migrate(context: &Context) -> Result<(), Failure> {
    let scene = Scene::at_hand(context)?;
    job(context, "rake db:migrate", helper::container(scene.restore).exec(["bundle", "exec", "rake", "db:migrate"]))
        .await
}

/// Of all days: by itself it leaves what is younger than a week, of which the copies are missing as well.
const FORGET: &[&str] = &["media", "remove", "--days", "0"];
const PURGE: &[&str] = &["emoji", "purge", "--remote-only"];

/// What `tootctl` is to make anew, in this order (mastodon/documentation `content/en/admin/tootctl.md`). Without the copies
/// of other servers' media, what the database says of them is not so any more; their emoji are forgotten only where the backup
/// has not got them, since no command fetches them again (<https://github.com/mastodon/mastodon/issues/17862>).
fn commands(cache: bool, emoji: bool, search: bool) -> Vec<&'static [&'static str]> {
    const WITHOUT_CACHE: [&[&str]; 4] = [&["cache", "clear"], FORGET, PURGE, &["accounts", "refresh", "--all"]];
    let mut commands: Vec<&[&str]> = if cache { Vec::new() } else { WITHOUT_CACHE.to_vec() };
    commands.retain(|command| *command != PURGE || !emoji);
    commands.push(&["feeds", "build"]);
    if search {
        commands.push(&["search", "deploy", "--reset-chewy"]);
    }
    commands
}

/// A web pod that is ready.
fn web(scene: &Scene<'_>) -> Result<Container, Failure> {
    let pod = scene.seen.web_pod.as_deref();
    pod.map(Container::web).ok_or_else(|| Failure::Busy { reason: "no web pod is ready".to_owned() })
}

/// Runs what is left of them, each written down when it is done.
pub(super) async fn fetch(context: &Context) -> Result<(), Failure> {
    let scene = Scene::at_hand(context)?;
    let (mut journal, web) = (scene.journal()?, web(&scene)?);
    let manifest = &scene.restore.manifest;
    let emoji = manifest.archives().any(|(_, folder)| folder == CUSTOM_EMOJIS);
    for words in commands(manifest.cache, emoji, scene.wanted.elasticsearch) {
        let what = format!("tootctl {}", words.join(" "));
        if journal.done.contains(&what) {
            continue;
        }
        context.say(what.clone());
        job(context, &what, web.exec(std::iter::once(&"tootctl").chain(words))).await?;
        journal.done.insert(what);
        write(context, &journal).await?;
    }
    journal.done.insert(super::Stage::Fetched.word().to_owned());
    write(context, &journal).await
}

/// Removes what the restore made, and ends its journal.
pub(super) async fn end(context: &Context) -> Result<(), Failure> {
    let scene = Scene::at_hand(context)?;
    data::clean(context, &web(&scene)?).await?;
    helper::remove(context).await?;
    let mut journal = scene.journal()?;
    journal.ended = true;
    write(context, &journal).await
}

#[cfg(test)]
mod tests {
    use super::commands;

    #[test]
    fn what_is_left_out_is_made_anew_in_order() {
        let told = |cache, emoji, search| {
            commands(cache, emoji, search).iter().map(|words| words.join(" ")).collect::<Vec<_>>()
        };
        assert_eq!(told(true, false, false), ["feeds build"]);
        assert_eq!(
            told(false, false, true),
            [
                "cache clear",
                "media remove --days 0",
                "emoji purge --remote-only",
                "accounts refresh --all",
                "feeds build",
                "search deploy --reset-chewy"
            ]
        );
        assert_eq!(
            told(false, true, false),
            ["cache clear", "media remove --days 0", "accounts refresh --all", "feeds build"]
        );
    }
}

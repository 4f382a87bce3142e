//! The site, part by part, at any time and whatever the records say.

use super::asked::{Asked, context, ended, failed, fails};
use super::outcome::{self, Outcome};
use super::session::Session;
use crate::error::ExitCode;
use crate::facts::Facts;
use crate::mastodon::Finding;
use crate::mastodon::report::{Report, SCHEMA};
use crate::plan::{Place, Verdict};
use crate::playbook::model::Action;
use crate::status::Conclusion;
use crate::steps::mastodon::{outside_services, owner, site_answers};
use crate::steps::{self, Context, Failure};

/// The steps whose checks tell of the site what can be read off the cluster, in the order of the playbooks.
const PARTS: [&str; 9] = [
    "mastodon-secrets",
    "repository-pushed",
    "flux-installed",
    "flux-sync",
    "flux-reconciled",
    "ingress-enabled",
    "ingress-address",
    "mastodon-released",
    "mastodon-running",
];

/// Verifies the site. Nothing is changed but homeprov's own records: what was found is written down, what was refuted is
/// forgotten.
pub async fn app(session: &Session) -> Result<(Report, Outcome), Outcome> {
    let began = session.begin("verify app");
    let found = tokio::select! {
        found = verify(session) => found,
        () = session.stop.wait() => Err(outcome::interrupted()),
    };
    ended(session, began, 0, found)
}

async fn verify(session: &Session) -> Result<(Report, Outcome), Outcome> {
    let Some(wanted) = &session.inventory.mastodon else {
        return Err(Outcome::new(ExitCode::Refused, "the inventory has no [mastodon]: there is no site to verify"));
    };
    let facts = session.observe().await;
    let asked =
        Asked { id: "site-answers", title: "the site answers at its address", fault: "the site cannot be verified" };
    let mut findings = read_off(session, &facts);
    let context = context(session, facts, &asked)?;
    let active = ask(&context).await.map_err(|failure| failed(session, &context, &failure))?;
    findings.extend(active);
    let wrong: Vec<String> = findings.iter().filter(|finding| finding.wrong()).map(Finding::line).collect();
    let report = Report {
        schema: SCHEMA,
        site: format!("https://{}", wanted.web()),
        address: site_answers::address(&context.facts),
        version: wanted.image.clone(),
        at: jiff::Timestamp::now(),
        holds: wrong.is_empty(),
        findings,
    };
    let outcome = match wrong.as_slice() {
        [] => Outcome::new(ExitCode::Done, "the site is as it should be"),
        wrong => {
            let reason = wrong.join("\n");
            fails(session, &context, &reason);
            Outcome::new(ExitCode::VerificationFailed, reason)
        }
    };
    Ok((report, outcome))
}

/// What the checks of the steps say. A part that a playbook of the user's leaves out is left out here, too.
fn read_off(session: &Session, facts: &Facts) -> Vec<Finding> {
    let parts = session.recipe.steps.iter().filter_map(|step| match &step.action {
        Action::Builtin(name) if PARTS.contains(&name.as_str()) => Some((step, steps::builtin(name)?)),
        _ => None,
    });
    let look = |(step, builtin): (&crate::playbook::model::Step, &dyn steps::RustStep)| {
        let verdict = builtin.check(&session.inventory, facts, &Place::Cluster);
        finding(&step.id, &step.title, &verdict)
    };
    parts.map(look).collect()
}

fn finding(id: &str, title: &str, verdict: &Verdict) -> Finding {
    match verdict {
        Verdict::Holds => Finding::good(id, title),
        Verdict::Unknown { after } => Finding::open(id, format!("known only after {after}")),
        Verdict::Waits { .. } => Finding::open(id, verdict.text()),
        Verdict::Blocked { .. } => Finding::bad(id, verdict.text(), "that is for you to decide"),
        Verdict::Differs { .. } | Verdict::Settling { .. } => {
            Finding::bad(id, verdict.text(), "`homeprov up` goes on from there")
        }
    }
}

/// What has to be asked: the services outside, the site, the owner's account.
async fn ask(context: &Context) -> Result<Vec<Finding>, Failure> {
    let outside = outside_services::ask(context).await?;
    outside_services::record(context, &outside).await?;
    // The site works without them, all but the database.
    let mut findings: Vec<Finding> = outside
        .findings
        .into_iter()
        .map(|finding| match outside.fatal {
            None if finding.wrong() => Finding { verdict: Conclusion::Unknown, ..finding },
            _ => finding,
        })
        .collect();
    if site_answers::address(&context.facts).is_none() {
        findings.push(Finding::bad("web", "the site has no address to ask yet", "`homeprov up` gives it one"));
        return Ok(findings);
    }
    let site = site_answers::ask(context).await?;
    if site.iter().any(Finding::wrong) {
        site_answers::forget(context).await?;
    } else {
        site_answers::record(context, &site).await?;
    }
    findings.extend(site);
    findings.push(account(context).await?);
    Ok(findings)
}

async fn account(context: &Context) -> Result<Finding, Failure> {
    const PART: &str = "owner";
    let name = context.inventory.mastodon.as_ref().map_or("", |wanted| wanted.admin.username.as_str());
    Ok(match owner::look(context).await? {
        Ok(true) => Finding::good(PART, format!("tootctl knows the account {name}")),
        Ok(false) => Finding::bad(PART, format!("there is no account {name}"), "`homeprov up` makes it"),
        Err(why) => Finding::open(PART, format!("whether there is an account {name} could not be asked: {why}")),
    })
}

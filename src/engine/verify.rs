//! The proof of storage at any time, whatever the record says.

use std::time::Duration;

use tokio::time::timeout;

use super::alone::alone;
use super::asked::{Asked, begins, context, ended, failed, fails, holds};
use super::outcome::{self, Outcome};
use super::session::Session;
use crate::error::ExitCode;
use crate::facts::{Facts, gather};
use crate::inventory::storage::classes;
use crate::steps::storage_proven;
use crate::storage::{Proof, Wanted};

/// How long removing what was made may take when the user asks to stop.
const PARTING: Duration = Duration::from_secs(10);

/// What to prove, when not all the inventory's classes as they are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StorageQuestion {
    /// Whether a node is to lose its replica meanwhile.
    pub drill: bool,
    /// Only this class, be it in the inventory or not.
    pub class: Option<String>,
    /// So many bytes instead of the inventory's `proof_size`.
    pub size: Option<u64>,
}

/// Proves storage, and writes the record when all the inventory asks for is proven.
pub async fn storage(session: &Session, question: &StorageQuestion) -> Result<(Proof, Outcome), Outcome> {
    let began = session.begin("verify storage");
    let found = Box::pin(prove(session, question)).await;
    ended(session, began, usize::from(found.is_ok()), found)
}

/// Keeps other runs out meanwhile: each proof clears away what earlier ones left.
async fn prove(session: &Session, question: &StorageQuestion) -> Result<(Proof, Outcome), Outcome> {
    let facts = tokio::select! {
        facts = session.observe_cluster() => facts,
        () = session.stop.wait() => return Err(outcome::interrupted()),
    };
    let nodes = gather::reached(&facts);
    Box::pin(alone(session, &nodes, proven(session, question, facts))).await
}

async fn proven(session: &Session, question: &StorageQuestion, facts: Facts) -> Result<(Proof, Outcome), Outcome> {
    let wanted = wanted(session, question)?;
    let what = Asked {
        id: "storage-proven",
        title: "data written through a volume is where it should be",
        fault: "storage cannot be proven",
    };
    let context = context(session, facts, &what)?;
    let began = begins(session, &context, "asked for");
    let proving = tokio::select! {
        proof = storage_proven::prove(&context, &wanted) => proof,
        () = session.stop.wait() => {
            // What takes longer is removed at the beginning of the next proof.
            let _ = timeout(PARTING, storage_proven::abandon(&context)).await;
            let text = "interrupted; what the proof made is being removed, and what is left of it is at the next proof";
            return Err(Outcome::new(ExitCode::Interrupted, text));
        }
    };
    let proof = match proving {
        Ok(proof) => proof,
        Err(failure) => return Err(failed(session, &context, &failure)),
    };
    if let Some(reason) = storage_proven::refuted(&proof) {
        // What the record says is known to be wrong now; `up` is to prove it again.
        if asked_for(session, &proof) {
            storage_proven::forget(&context).await.map_err(|failure| failed(session, &context, &failure))?;
        }
        fails(session, &context, &reason);
        return Ok((proof, Outcome::new(ExitCode::VerificationFailed, reason)));
    }
    if question.class.is_none() && question.size.is_none() {
        storage_proven::record(&context, &proof).await.map_err(|failure| failed(session, &context, &failure))?;
    }
    holds(session, &context, began);
    Ok((proof, Outcome::new(ExitCode::Done, "proven")))
}

/// Whether a class that failed is one of the inventory's.
fn asked_for(session: &Session, proof: &Proof) -> bool {
    let storage = &session.inventory.storage;
    let own = [classes::rwo_class(storage), classes::rwx_class(storage)];
    proof.classes.iter().any(|class| class.cause.is_some() && own.contains(&Some(class.class.as_str())))
}

fn wanted(session: &Session, question: &StorageQuestion) -> Result<Wanted, Outcome> {
    let mut wanted = Wanted::of(&session.inventory.storage);
    if let Some(class) = &question.class {
        wanted = wanted.only(class);
    }
    wanted.drill = question.drill;
    wanted.size = question.size.unwrap_or(wanted.size);
    if wanted.classes.is_empty() {
        let text = "the inventory says `engine = \"none\"`: there is no class to prove; name one with --class";
        return Err(Outcome::new(ExitCode::Refused, text));
    }
    Ok(wanted)
}

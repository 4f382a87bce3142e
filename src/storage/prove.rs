//! A whole run: what an earlier one left is removed, every class is proven, everything is removed again.

use futures::future::join_all;

use super::clean;
use super::means::{Means, Trouble};
use super::objects;
use super::pod;
use super::proof::{NodeVersion, Proof, SCHEMA};
use super::prove_class;
use super::wanted::Wanted;

/// Proves all classes side by side. What was made is removed also when something goes wrong; what would not go is named
/// in the proof.
pub async fn prove(means: &Means, wanted: &Wanted) -> Result<Proof, Trouble> {
    let left = clean::clean(means).await?;
    if !left.is_empty() {
        return Err(Trouble::InTheWay(format!(
            "what an earlier proof left does not go: {}. `microk8s kubectl describe` says what holds it",
            left.join(", ")
        )));
    }
    let classes = classes(means, wanted).await;
    let left_behind = match clean::clean(means).await {
        Ok(left) => left,
        Err(trouble) => vec![format!("it could not be removed: {trouble}")],
    };
    let classes = classes?;
    let version =
        |node: &super::means::ProofNode| NodeVersion { name: node.name.clone(), version: node.version.clone() };
    Ok(Proof {
        schema: SCHEMA,
        at: jiff::Timestamp::now(),
        size: wanted.size,
        holds: !classes.is_empty() && classes.iter().all(super::ClassProof::holds),
        nodes: means.nodes.iter().map(version).collect(),
        classes,
        left_behind,
    })
}

async fn classes(means: &Means, wanted: &Wanted) -> Result<Vec<super::ClassProof>, Trouble> {
    pod::make(means, &format!("/api/v1/namespaces/{}", objects::NAMESPACE), &objects::namespace()).await?;
    let proofs = wanted.classes.iter().map(|class| prove_class::prove(means, wanted, class));
    join_all(proofs).await.into_iter().collect()
}

//! A drill's hands: how a node is taken away and brought back, and the step that ends one that was cut off.

mod allowed;

use std::time::Duration;

use async_trait::async_trait;

pub use allowed::{Prospect, moves, refusals, told, waits};

use crate::drill::How;
use crate::facts::Facts;
use crate::facts::drill::{Drill, RECORD};
use crate::inventory::model::Inventory;
use crate::kube::records;
use crate::plan::{Place, Verdict};
use crate::ssh::{Program, Purpose};
use crate::steps::{Context, Failure, RustStep};

const STOP: &str = include_str!("stop.sh");
const START: &str = include_str!("start.sh");
const CUT: &str = include_str!("cut.sh");
const POWER: &str = include_str!("power.sh");
const JOIN: &str = include_str!("join.sh");

/// A node that was stopped starts by itself after this, whoever forgot it.
pub const STOPPED: Duration = Duration::from_secs(45 * 60);
/// A node that was cut off is let in again by itself after this. Its pods tolerate 300 s (kube-apiserver
/// `--default-unreachable-toleration-seconds`): none of them may run elsewhere when it is back.
pub const CUT_OFF: Duration = Duration::from_secs(270);

/// No drill is under way that nobody watches.
pub struct DrillEnded;

#[async_trait]
impl RustStep for DrillEnded {
    fn check(&self, _: &Inventory, facts: &Facts, _: &Place) -> Verdict {
        match facts.unfinished_drill() {
            Some(drill) if facts.node(&drill.node).is_none() => Verdict::Waits {
                nodes: vec![drill.node.clone()],
                why: format!("a drill took {} away and did not end; {}", drill.node, by_hand(&drill.node, drill.how)),
            },
            Some(drill) => {
                Verdict::differs(format!("a drill took {} away at {} and did not end", drill.node, drill.at))
            }
            None => Verdict::Holds,
        }
    }

    async fn apply(&self, context: &Context) -> Result<(), Failure> {
        let Some(drill) = context.facts.unfinished_drill() else { return Ok(()) };
        bring_back(context, &drill.node, drill.how).await?;
        note(context, &Drill { result: Some("it was broken off".to_owned()), ..drill }).await
    }
}

/// Writes the record.
pub async fn note(context: &Context, drill: &Drill) -> Result<(), Failure> {
    Ok(records::write(&context.api().await?, RECORD, &drill.record()).await?)
}

/// Takes the node away.
pub async fn take_away(context: &Context, node: &str, how: How) -> Result<(), Failure> {
    match how {
        How::Stop => {
            let seconds = STOPPED.as_secs().to_string();
            let program = Program::command(["sh", "-c", STOP, "sh", &seconds]);
            // One of its own each time: the end of an earlier one is none of this.
            let ended = context.job(node, &format!("stop {}", ulid::Ulid::generate()), program).await?;
            if ended.status == 0 { Ok(()) } else { Err(Failure::command("stopping it", ended.status, &ended.output)) }
        }
        How::Power => {
            // The kernel switches off at once, and the connection breaks: no answer is the answer.
            let program = Program::Shell(POWER.to_owned());
            match context.run(node, Purpose::Apply, program).await {
                Err(Failure::Unreachable(error)) if error.passes() => Ok(()),
                Err(Failure::Lost { .. }) => Ok(()),
                Err(failure) => Err(failure),
                Ok(answer) => Err(Failure::command("switching it off", answer.status, &answer.stderr)),
            }
        }
        How::Network => {
            let port = context.inventory.node(node).and_then(|node| node.ssh.port).or(context.inventory.ssh.port);
            let (seconds, port) = (CUT_OFF.as_secs().to_string(), port.unwrap_or(22).to_string());
            let program = Program::command(["sh", "-c", CUT, "sh", &seconds, &port]);
            let answer = context.run(node, Purpose::Apply, program).await?;
            if answer.succeeded() {
                return Ok(());
            }
            Err(Failure::command("cutting it off", answer.status, &format!("{}{}", answer.stdout, answer.stderr)))
        }
    }
}

/// Gives the order to bring it back. A machine that is off cannot be given one: it is only waited for.
pub async fn bring_back(context: &Context, node: &str, how: How) -> Result<(), Failure> {
    match how {
        How::Stop => {
            let content = format!("start {}", ulid::Ulid::generate());
            let ended = context.job(node, &content, Program::command(["sh", "-c", START, "sh"])).await?;
            if ended.status == 0 { Ok(()) } else { Err(Failure::command("starting it", ended.status, &ended.output)) }
        }
        How::Power => Ok(()),
        How::Network => {
            let answer = context.run(node, Purpose::Apply, Program::command(["sh", "-c", JOIN, "sh"])).await?;
            if answer.succeeded() {
                return Ok(());
            }
            Err(Failure::command("letting it in again", answer.status, &answer.stdout))
        }
    }
}

/// How a node is brought back by hand.
pub fn by_hand(node: &str, how: How) -> String {
    match how {
        How::Stop => format!(
            "on {node}: `microk8s start` (on a worker `snap start --enable microk8s`); by itself it starts {} minutes after it was stopped",
            STOPPED.as_secs() / 60
        ),
        How::Power => format!("press the power button of {node}; MicroK8s starts with the machine"),
        How::Network => format!(
            "on {node}: `nft delete table inet homeprov_drill; pkill -CONT -x speaker`; by itself it is let in {} s after it was cut off",
            CUT_OFF.as_secs()
        ),
    }
}

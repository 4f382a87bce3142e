//! [`Transport`] over OpenSSH.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use secrecy::SecretString;

use super::host_key::HostKeyPolicy;
use super::link::Link;
use super::private_dir::PrivateDir;
use super::sudo::{Passwords, SudoPassword};
use super::target::Target;
use super::trust::{Judge, Trust};
use super::{Answer, Job, JobReport, Purpose, Script, Section, Transport, TransportError, forward, job};
use crate::engine::event::Sink;
use crate::inventory::model::Inventory;

/// What an [`OpenSsh`] does in the user's stead.
#[derive(Clone)]
pub struct Options {
    /// What is done about unknown host keys.
    pub host_keys: HostKeyPolicy,
    /// Where a sudo password comes from. It is called with the node's name, once for all nodes unless one refuses
    /// what was given.
    pub sudo_password: Option<SudoPassword>,
    /// How long a machine may take to answer.
    pub connect_timeout: Duration,
}

impl Default for Options {
    /// Unknown host keys are refused, there is no password, 10 s.
    fn default() -> Self {
        Self { host_keys: HostKeyPolicy::Strict, sudo_password: None, connect_timeout: Duration::from_secs(10) }
    }
}

/// Reaches the nodes with the `ssh` program of this machine, one connection per node, opened on first use.
pub struct OpenSsh {
    links: BTreeMap<String, Link>,
    directory: PrivateDir,
    swept: tokio::sync::OnceCell<()>,
}

impl OpenSsh {
    /// For the nodes of an inventory. Nothing is connected yet.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "they are handed over; what is kept of them is this type's own business"
    )]
    pub fn new(inventory: Arc<Inventory>, options: Options, events: Sink) -> Result<Self, TransportError> {
        let directory = PrivateDir::new()?;
        let judge = Arc::new(Judge::new(options.host_keys, events.clone()));
        let passwords = Arc::new(Passwords::new(options.sudo_password));
        let mut links = BTreeMap::new();
        for (number, node) in inventory.nodes.iter().enumerate() {
            let socket = directory.join(&format!("m{number}"));
            let target = Target::new(&inventory.ssh, node, options.connect_timeout);
            let trust = Trust::new(&node.name, node.host_key.as_deref(), &socket, judge.clone());
            let link = Link::new(
                &node.name,
                target,
                trust,
                socket,
                inventory.ssh.sudo,
                options.connect_timeout,
                passwords.clone(),
                events.clone(),
            );
            links.insert(node.name.clone(), link);
        }
        Ok(Self { links, directory, swept: tokio::sync::OnceCell::new() })
    }

    async fn link(&self, node: &str) -> Result<&Link, TransportError> {
        // What crashed runs left is cleared away before the first connection is made.
        self.swept.get_or_init(|| self.directory.sweep()).await;
        self.links.get(node).ok_or_else(|| TransportError::Local(format!("there is no node {node}")))
    }

    async fn job(&self, node: &str, section: Section, id: &str) -> Result<JobReport, TransportError> {
        let link = self.link(node).await?;
        let script = Script { purpose: Purpose::Job, sections: vec![section] };
        let (answers, _) = link.run(&script).await?;
        let answer = answers.into_iter().next().unwrap_or_default();
        job::report(&answer).map_err(|detail| TransportError::BadAnswer {
            host: node.to_owned(),
            detail: format!("job {id}: {detail}"),
        })
    }
}

#[async_trait]
impl Transport for OpenSsh {
    async fn run(&self, node: &str, script: &Script) -> Result<Answer, TransportError> {
        let ids: HashSet<&str> = script.sections.iter().map(|one| one.id.as_str()).collect();
        if ids.len() < script.sections.len() {
            return Err(TransportError::Local("two sections of a script have the same id".to_owned()));
        }
        let (answers, clock) = self.link(node).await?.run(script).await?;
        let ids = script.sections.iter().map(|section| section.id.clone());
        Ok(Answer {
            sections: ids.zip(answers.into_iter().map(super::frame::RawAnswer::into_text)).collect(),
            clock_offset: clock.and_then(|seconds| jiff::SignedDuration::try_from_secs_f64(seconds).ok()),
        })
    }

    async fn start_job(&self, node: &str, job: &Job) -> Result<JobReport, TransportError> {
        self.job(node, job::start(job)?, &job.id).await
    }

    async fn poll_job(&self, node: &str, id: &str, offset: u64) -> Result<JobReport, TransportError> {
        self.job(node, job::poll(id, offset)?, id).await
    }

    async fn end_job(&self, node: &str, id: &str) -> Result<(), TransportError> {
        self.job(node, job::end(id)?, id).await.map(|_| ())
    }

    async fn kubernetes(&self, node: &str, kubeconfig: &SecretString) -> Result<kube::Client, TransportError> {
        forward::client(self.link(node).await?, kubeconfig).await
    }

    async fn close(&self) {
        futures::future::join_all(self.links.values().map(Link::close)).await;
        self.directory.remove();
    }
}

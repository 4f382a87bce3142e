//! Detached jobs: what homeprov started on the machines, which goes on while nobody asks.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use homeprov::ssh::{JobReport, JobState};
use tokio::task::AbortHandle;

use super::shell::Shell;

/// The job folders of all machines, by machine and job.
#[derive(Clone, Default)]
pub struct Jobs {
    known: Arc<Mutex<BTreeMap<Key, Job>>>,
    begun: Arc<Mutex<Vec<Key>>>,
}

/// A machine, and the id of a job on it.
type Key = (String, String);

struct Job {
    shell: Shell,
    /// The disk it is on: a machine that was installed anew knows nothing of it.
    disk: String,
    /// Who began it.
    beginner: String,
    status: Option<i32>,
    task: Option<AbortHandle>,
}

fn disk(shell: &Shell) -> String {
    shell.machine(|machine| machine.machine_id.clone())
}

/// Whether a job's id is that of a step: `homeprov-home-STEP-1a2b3c4d`.
pub fn is_of(id: &str, step: &str) -> bool {
    step_of(id) == step
}

/// The step of a job's id.
pub fn step_of(id: &str) -> &str {
    let id = id.strip_prefix("homeprov-home-").unwrap_or(id);
    id.rsplit_once('-').map_or(id, |(step, _)| step)
}

impl Jobs {
    fn all(&self) -> MutexGuard<'_, BTreeMap<Key, Job>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts a job unless one of that id is there already, other than one that has failed for somebody else than `beginner`.
    /// `work` ends with its exit status.
    pub fn start(
        &self,
        machine: &str,
        (id, beginner): (&str, &str),
        shell: &Shell,
        work: impl Future<Output = i32> + Send + 'static,
    ) {
        let key = (machine.to_owned(), id.to_owned());
        let disk_now = disk(shell);
        let failed = |job: &Job| job.beginner != beginner && job.status.is_some_and(|status| status != 0);
        if self.all().get(&key).is_some_and(|job| job.disk == disk_now && !failed(job)) {
            return;
        }
        let beginner = beginner.to_owned();
        let job = Job { shell: shell.clone(), disk: disk_now, beginner, status: None, task: None };
        self.all().insert(key.clone(), job);
        self.begun.lock().unwrap_or_else(PoisonError::into_inner).push(key.clone());
        let (jobs, shell) = (self.clone(), shell.clone());
        let task = tokio::spawn({
            let key = key.clone();
            async move {
                let status = work.await;
                // A machine that lost power wrote no status.
                if let Some(job) = jobs.all().get_mut(&key).filter(|_| !shell.is_gone()) {
                    job.status = Some(status);
                }
            }
        });
        if let Some(job) = self.all().get_mut(&key) {
            job.task = Some(task.abort_handle());
        }
    }

    /// Every job that was begun, as machine and id, in that order: one that was begun again is there again.
    pub fn begun(&self) -> Vec<(String, String)> {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A machine where a step's job runs just now.
    pub fn running(&self, step: &str) -> Option<String> {
        let all = self.all();
        let mut running = all.iter().filter(|(_, job)| job.status.is_none() && !job.shell.is_gone());
        running.find(|((_, id), _)| is_of(id, step)).map(|((machine, _), _)| machine.clone())
    }

    /// What is known of a job, with its output from `offset` on.
    pub fn report(&self, machine: &str, id: &str, offset: u64) -> JobReport {
        let key = (machine.to_owned(), id.to_owned());
        let all = self.all();
        let Some(job) = all.get(&key).filter(|job| job.disk == disk(&job.shell)) else {
            return JobReport { state: JobState::Absent, output: String::new(), offset };
        };
        let state = match job.status {
            Some(status) => JobState::Finished(status),
            None if job.shell.is_gone() => JobState::Lost,
            None => JobState::Running,
        };
        let written = job.shell.said().both;
        let from = usize::try_from(offset).expect("outputs are short").min(written.len());
        JobReport { state, output: written[from..].to_owned(), offset: written.len() as u64 }
    }

    /// Ends a job and forgets it.
    pub fn end(&self, machine: &str, id: &str) {
        let ended = self.all().remove(&(machine.to_owned(), id.to_owned()));
        if let Some(task) = ended.and_then(|job| job.task) {
            task.abort();
        }
    }
}

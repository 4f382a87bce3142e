//! Detached jobs: what homeprov started on the machines, which goes on while nobody asks.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use homeprov::ssh::{JobReport, JobState};
use tokio::task::AbortHandle;

use super::shell::Shell;

/// The job folders of all machines, by machine and job.
#[derive(Clone, Default)]
pub struct Jobs(Arc<Mutex<BTreeMap<(String, String), Job>>>);

struct Job {
    shell: Shell,
    /// The disk it is on: a machine that was installed anew knows nothing of it.
    disk: String,
    status: Option<i32>,
    task: Option<AbortHandle>,
}

fn disk(shell: &Shell) -> String {
    shell.machine(|machine| machine.machine_id.clone())
}

impl Jobs {
    fn all(&self) -> MutexGuard<'_, BTreeMap<(String, String), Job>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts a job unless one of that id is there already. `work` ends with its exit status.
    pub fn start(&self, machine: &str, id: &str, shell: &Shell, work: impl Future<Output = i32> + Send + 'static) {
        let key = (machine.to_owned(), id.to_owned());
        let disk_now = disk(shell);
        if self.all().get(&key).is_some_and(|job| job.disk == disk_now) {
            return;
        }
        let job = Job { shell: shell.clone(), disk: disk_now, status: None, task: None };
        self.all().insert(key.clone(), job);
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

//! How a command may reach the machines: host keys, passwords.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueHint};
use secrecy::SecretString;

use super::prompt;
use crate::engine::event::Sink;
use crate::error::{ExitCode, Failure};
use crate::inventory::Inventory;
use crate::redact::Redactor;
use crate::report::terminal::Screen;
use crate::ssh::{HostKeyPolicy, OpenSsh, Options, SudoPassword, Transport};

/// After this a machine that does not answer is unreachable.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Debug, Clone, Args)]
pub(super) struct Reach {
    /// Accept unknown host keys; a changed one is refused still
    #[arg(long, help_heading = "Connections")]
    accept_new_host_keys: bool,
    /// Read the sudo password of every node from this file's first line
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Connections")]
    sudo_password_file: Option<PathBuf>,
}

impl Reach {
    /// The arguments that say the same to another process; paths as they are from the root on.
    pub(super) fn words(&self) -> Vec<String> {
        let mut words = Vec::new();
        if self.accept_new_host_keys {
            words.push("--accept-new-host-keys".to_owned());
        }
        if let Some(file) = &self.sudo_password_file {
            let path = std::path::absolute(file).unwrap_or_else(|_| file.clone());
            words.extend(["--sudo-password-file".to_owned(), path.display().to_string()]);
        }
        words
    }

    /// The way to the machines. `yes` answers the questions that can be answered so.
    pub(super) fn transport(
        &self,
        inventory: &Arc<Inventory>,
        yes: bool,
        screen: &Screen,
        redactor: &Redactor,
        events: Sink,
    ) -> Result<Arc<dyn Transport>, Failure> {
        let options = Options {
            host_keys: self.host_keys(yes, screen),
            sudo_password: self.sudo_password(screen, redactor)?,
            connect_timeout: CONNECT_TIMEOUT,
        };
        Ok(Arc::new(OpenSsh::new(Arc::clone(inventory), options, events)))
    }

    fn host_keys(&self, yes: bool, screen: &Screen) -> HostKeyPolicy {
        if self.accept_new_host_keys || yes {
            return HostKeyPolicy::AcceptNew;
        }
        if !prompt::possible() {
            return HostKeyPolicy::Strict;
        }
        let screen = screen.clone();
        HostKeyPolicy::Ask(Arc::new(move |key| {
            let question = format!(
                "The host key of {} ({}) is not known:\n  {}\nAccept it and add it to the known hosts?",
                key.node, key.host, key.fingerprint,
            );
            prompt::confirm(&screen, &question)
        }))
    }

    fn sudo_password(&self, screen: &Screen, redactor: &Redactor) -> Result<Option<SudoPassword>, Failure> {
        if let Some(path) = &self.sudo_password_file {
            let shown = path.display();
            let text = fs::read_to_string(path).map_err(|error| {
                Failure::new(ExitCode::Usage, format!("cannot read the sudo password from {shown}: {error}"))
            })?;
            let line = text.lines().next().unwrap_or_default();
            if line.is_empty() {
                let message = format!("the first line of {shown} is empty; it should be the sudo password");
                return Err(Failure::new(ExitCode::Usage, message));
            }
            let password = SecretString::from(line);
            redactor.learn(password.clone());
            return Ok(Some(Arc::new(move |_| Some(password.clone()))));
        }
        if !prompt::possible() {
            return Ok(None);
        }
        let (screen, redactor) = (screen.clone(), redactor.clone());
        Ok(Some(Arc::new(move |node| {
            let password = prompt::password(
                &screen,
                &format!("sudo password on {node}, tried on every other node that asks for one"),
            )?;
            redactor.learn(password.clone());
            Some(password)
        })))
    }
}

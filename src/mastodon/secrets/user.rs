//! Passwords of the user's, from the files the inventory names.

use std::fs;
use std::path::Path;

use secrecy::{ExposeSecret, SecretString};

use super::{ADMIN_PASSWORD, PASSWORD, POSTGRESQL, REDIS, REDIS_PASSWORD, S3, SMTP, SecretSet, SecretsError};
use crate::inventory::model::{Mastodon, Postgresql, Redis};

/// The user's own secrets, under the names and keys that the chart takes them by (mastodon/chart `values.yaml`).
pub fn from_files(mastodon: &Mastodon) -> Result<SecretSet, SecretsError> {
    let mut set = SecretSet::default();
    if let Some(smtp) = &mastodon.smtp
        && let (Some(login), Some(file)) = (&smtp.login, &smtp.password_file)
    {
        set.insert(SMTP, "login", login.clone().into());
        set.insert(SMTP, "password", read(file)?);
    }
    if let Some(s3) = &mastodon.s3 {
        set.insert(S3, "AWS_ACCESS_KEY_ID", read(&s3.access_key_file)?);
        set.insert(S3, "AWS_SECRET_ACCESS_KEY", read(&s3.secret_key_file)?);
    }
    if let Postgresql::External { password_file, admin_password_file, .. } = &mastodon.postgresql {
        set.insert(POSTGRESQL, PASSWORD, read(password_file)?);
        if let Some(file) = admin_password_file {
            set.insert(POSTGRESQL, ADMIN_PASSWORD, read(file)?);
        }
    }
    if let Redis::External { password_file, .. } = &mastodon.redis {
        // The chart insists on a Secret; Mastodon takes an empty password for none.
        let password = password_file.as_deref().map_or_else(|| Ok(SecretString::default()), read)?;
        set.insert(REDIS, REDIS_PASSWORD, password);
    }
    Ok(set)
}

/// The password in a file: its one line, without the end of the line.
fn read(path: &Path) -> Result<SecretString, SecretsError> {
    let problem = |reason: String| SecretsError::File { path: path.display().to_string(), reason };
    let text = SecretString::from(fs::read_to_string(path).map_err(|error| problem(error.to_string()))?);
    let line = text.expose_secret().trim_end_matches(['\n', '\r']);
    if line.is_empty() {
        return Err(problem("the file is empty; put the password into it, in one line".into()));
    }
    if line.contains(['\n', '\r', '\0']) {
        return Err(problem("a password is one line, and this file has several".into()));
    }
    Ok(line.into())
}

//! Files with passwords and keys. This looks at the disk, and only warns: the file may be on another machine.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::diagnostic::Problem;
use crate::document::{At, Report};
use crate::inventory::file::File;
use crate::inventory::paths::resolve;

/// Nobody but their owner reads them.
pub(in crate::inventory) fn private(file: &File, folder: &Path, report: &mut Report) {
    for text in named(file).into_iter().flatten() {
        let path = resolve(&text.value, folder);
        let Ok(found) = std::fs::metadata(&path) else { continue };
        let mode = found.permissions().mode();
        if found.is_file() && mode & 0o077 != 0 {
            report.push(
                Problem::warning("others than you can read or change this file")
                    .at(text.span.clone(), format!("its mode is {:o}", mode & 0o777))
                    .why("there is a password or a key in it")
                    .help(format!("chmod 600 {}", text.value)),
            );
        }
    }
}

fn named(file: &File) -> [Option<&At<String>>; 8] {
    let (flux, mastodon) = (file.flux.given(), file.mastodon.given());
    let (smtp, s3) = (mastodon.and_then(|table| table.smtp.given()), mastodon.and_then(|table| table.s3.given()));
    let postgresql = mastodon.and_then(|table| table.postgresql.given());
    let redis = mastodon.and_then(|table| table.redis.given());
    [
        flux.and_then(|table| table.deploy_key.given()),
        flux.and_then(|table| table.password_file.given()),
        smtp.and_then(|table| table.password_file.given()),
        s3.and_then(|table| table.access_key_file.given()),
        s3.and_then(|table| table.secret_key_file.given()),
        postgresql.and_then(|table| table.password_file.given()),
        postgresql.and_then(|table| table.admin_password_file.given()),
        redis.and_then(|table| table.password_file.given()),
    ]
}

//! `microk8s dbctl` (canonical/microk8s scripts/wrappers/dbctl.py): the data store's backup. Putting one back is not known here.

use std::io::Write as _;

use super::super::World;
use super::super::process::{Call, Next, after};

/// `microk8s dbctl backup [-o FILE]`
pub(super) fn dbctl(_world: &mut World, _call: &mut Call, args: &[String]) -> Next {
    let args = args.to_vec();
    after(900, move |world, call| {
        let words: Vec<&str> = args.iter().map(String::as_str).collect();
        let file = match words.as_slice() {
            ["backup"] => "backup-2026-01-01-00-00-00",
            ["backup", "-o", file] => file,
            _ => return call.quit(2, "usage: microk8s dbctl [-h] {restore,backup} ..."),
        };
        let file = file.trim_end_matches(".tar.gz").to_owned();
        let machine = call.machine.clone();
        if world.serving_cluster(&machine).is_none() {
            return call.fail(10, "Please ensure the kubernetes apiserver is running and HA is enabled.");
        }
        call.say("Backing up the datastore");
        after(2_500, move |world, call| {
            let name = file.rsplit('/').next().unwrap_or_default();
            let members = vec![
                (name.to_owned(), None),
                (format!("{name}/1.key"), Some(b"/registry/namespaces/default".to_vec())),
            ];
            let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            // Into memory it cannot fail.
            let _ = packer.write_all(&crate::tar::write(&members));
            let bytes = packer.finish().unwrap_or_default();
            // `tarfile.open` of Python's takes a relative name from the working directory.
            let own = call.exec.cwd.trim_end_matches('/');
            let path = if file.starts_with('/') { file.clone() } else { format!("{own}/{file}") };
            world.machine_mut(&call.machine).files_mut().write(&format!("{path}.tar.gz"), &bytes, 0o644);
            call.quit(0, format!("The backup is: {file}.tar.gz"))
        })
    })
}

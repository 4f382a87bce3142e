//! Running a command in a container of a pod.

use super::connect::Env;
use super::container::Container;
use super::program::main_container;
use super::shell::Host;
use super::state::Life;
use super::types::Executed;
use crate::kubernetes::Kubernetes;
use crate::kubernetes::store::Key;
use crate::kubernetes::types::Millis;
use crate::kubernetes::value::{list, text};

impl Kubernetes {
    /// What a command in a container of a pod does, as after `kubectl exec -i`: `tootctl`, tasks of Rails', the databases'
    /// clients. `container` may be empty for a pod's first one.
    ///
    /// # Errors
    /// What `kubectl` prints on standard error, without a line end, before it ends with 1: there is no such pod or container,
    /// it does not run, or the image has no such program.
    pub fn exec(
        &mut self,
        now: Millis,
        namespace: &str,
        pod: &str,
        container: &str,
        argv: &[String],
        stdin: &[u8],
    ) -> Result<Executed, String> {
        self.now = self.now.max(now);
        let object = self.store.get(&Key::core("pods", namespace, pod)).cloned();
        let object = object.ok_or_else(|| format!("Error from server (NotFound): pods \"{pod}\" not found"))?;
        let names: Vec<&str> = list(&object, "/spec/containers").iter().map(|one| text(one, "/name")).collect();
        let container = if container.is_empty() { names.first().copied().unwrap_or_default() } else { container };
        if !names.contains(&container) {
            return Err(format!("Error from server (BadRequest): container {container} is not valid for pod {pod}"));
        }
        let phase = text(&object, "/status/phase");
        if ["Succeeded", "Failed"].contains(&phase) {
            return Err(format!("error: cannot exec into a container in a completed pod; current phase is {phase}"));
        }
        let node = text(&object, "/spec/nodeName");
        if node.is_empty() {
            return Err(format!("Error from server (BadRequest): pod {pod} does not have a host assigned"));
        }
        if self.kubelets.reachable(node).is_none() {
            let address = text(&object, "/status/hostIP");
            return Err(format!(
                "Error from server: error dialing backend: dial tcp {address}:10250: connect: no route to host"
            ));
        }
        let process = self.programs.processes.get(text(&object, "/metadata/uid"));
        let running = process.filter(|process| process.life == Life::Running && process.container == container);
        let Some(process) = running else {
            return Err(format!(
                "error: Internal error occurred: unable to upgrade connection: container not found (\"{container}\")"
            ));
        };
        let (program, mut env) = (process.program.clone(), Env::clone(&process.env));
        if let Some((spec, _)) = main_container(&object) {
            let version = super::program::tag(text(spec, "/image")).trim_start_matches('v');
            env.insert("MASTODON_VERSION".to_owned(), version.to_owned());
        }
        let words: Vec<&str> = argv.iter().map(String::as_str).collect();
        let view = self.view_of(&object);
        if let Some(path) = env.get("REDIS_PASSWORD_FILE").cloned()
            && let Some(password) = env.remove("REDIS_PASSWORD")
        {
            // A file of a Secret's volume; the process itself has read it at its start.
            let folder = path.rsplit_once('/').map_or("/", |(folder, _)| folder);
            view.make_dir(&mut self.programs.files, folder);
            let _ = view.write(&mut self.programs.files, &path, password.as_bytes(), false);
        }
        let mut inside = Container { cluster: self, pod: object, program, view };
        let home = inside.home();
        let done = inside.run(&words, &env, home, stdin);
        done.ok_or_else(|| {
            let name = words.first().copied().unwrap_or_default();
            format!(
                "error: Internal error occurred: Internal error occurred: error executing command in container: failed to exec in container: failed to start exec: OCI runtime exec failed: exec failed: unable to start container process: exec: \"{name}\": executable file not found in $PATH: unknown"
            )
        })
    }
}

//! How the programs reach each other: by the Services their variables name.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::program::Program;
use super::state::{Life, Process};
use crate::kubernetes::Kubernetes;
use crate::kubernetes::controllers::is_ready;
use crate::kubernetes::selector::Labels;
use crate::kubernetes::store::Key;
use crate::kubernetes::value::{at, text};

/// The variables of a process.
pub(super) type Env = BTreeMap<String, String>;

fn get<'a>(env: &'a Env, name: &str) -> &'a str {
    env.get(name).map_or("", String::as_str)
}

impl Kubernetes {
    /// The database a process of Mastodon's talks to, by its key; or `PostgreSQL`'s client library's words.
    pub(super) fn database_of(&mut self, namespace: &str, env: &Env) -> Result<String, String> {
        let (host, port) = (get(env, "DB_HOST"), get(env, "DB_PORT"));
        if self.is_outside(namespace, host) {
            let id = format!("{host}:{port}/{}", get(env, "DB_NAME"));
            let database = self.programs.databases.entry(id.clone()).or_default();
            database.initialised = true;
            return Ok(id);
        }
        let refused = |address: &str| {
            format!(
                "connection to server at \"{address}\", port {port} failed: Connection refused\n\tIs the server running on that host and accepting TCP/IP connections?\n"
            )
        };
        let Some(address) = self.address_of(namespace, host) else {
            return Err(format!("could not translate host name \"{host}\" to address: Name or service not known\n"));
        };
        let Some(pod) = self.server_behind(namespace, host, &Program::Database) else { return Err(refused(&address)) };
        let id = self.data_of(&pod);
        let right = self.programs.databases.get(&id).and_then(|database| database.password.as_deref());
        if right.is_some_and(|right| right != get(env, "DB_PASS")) {
            let user = get(env, "DB_USER");
            return Err(format!(
                "connection to server at \"{address}\", port {port} failed: FATAL:  password authentication failed for user \"{user}\"\n"
            ));
        }
        if self.programs.databases.get(&id).is_some_and(|database| database.dropped) {
            let name = get(env, "DB_NAME");
            return Err(format!(
                "connection to server at \"{address}\", port {port} failed: FATAL:  database \"{name}\" does not exist\n"
            ));
        }
        Ok(id)
    }

    /// The key of the volume of the Redis that a process talks to; none for one outside.
    pub(super) fn redis_data(&self, namespace: &str, env: &Env) -> Option<String> {
        let pod = self.server_behind(namespace, get(env, "REDIS_HOST"), &Program::Redis)?;
        Some(self.data_of(&pod))
    }

    /// Whether Redis answers a process.
    ///
    /// # Errors
    /// Its client library's words.
    pub(super) fn redis_of(&self, namespace: &str, env: &Env) -> Result<(), String> {
        let host = get(env, "REDIS_HOST");
        if self.is_outside(namespace, host) {
            return Ok(());
        }
        let Some(address) = self.address_of(namespace, host) else {
            return Err(format!("getaddrinfo: Name or service not known (redis://{host}:{})", get(env, "REDIS_PORT")));
        };
        let Some(pod) = self.server_behind(namespace, host, &Program::Redis) else {
            return Err(format!(
                "Connection refused - connect(2) for {address}:{0} (redis://{host}:{0})",
                get(env, "REDIS_PORT")
            ));
        };
        let server = self.programs.processes.get(text(&pod, "/metadata/uid"));
        let right = server.and_then(|server| server.env.get("REDIS_PASSWORD"));
        if right.is_some_and(|right| right != get(env, "REDIS_PASSWORD")) {
            return Err("WRONGPASS invalid username-password pair or user is disabled.".to_owned());
        }
        Ok(())
    }

    /// The key of the database on a pod's volume: the volume's name, or the pod's uid where it has no claim.
    pub(super) fn data_of(&self, pod: &Value) -> String {
        let namespace = text(pod, "/metadata/namespace");
        let claim = crate::kubernetes::controllers::claims_of(pod).next();
        let claim = claim.and_then(|(_, name)| self.store.get(&Key::core("persistentvolumeclaims", namespace, name)));
        match claim.map(|claim| text(claim, "/spec/volumeName")) {
            Some(volume) if !volume.is_empty() => volume.to_owned(),
            _ => text(pod, "/metadata/uid").to_owned(),
        }
    }

    /// Whether a name is none of the cluster's.
    fn is_outside(&self, namespace: &str, host: &str) -> bool {
        host.contains('.') && self.service(namespace, host).is_none() && !host.contains(".svc")
    }

    /// The Service behind `name`, `name.namespace` or a longer form.
    fn service(&self, namespace: &str, host: &str) -> Option<&Value> {
        let mut words = host.split('.');
        let name = words.next()?;
        let namespace = words.next().unwrap_or(namespace);
        self.store.get(&Key::core("services", namespace, name)).map(|service| &**service)
    }

    fn address_of(&self, namespace: &str, host: &str) -> Option<String> {
        let service = self.service(namespace, host)?;
        Some(text(service, "/spec/clusterIP").to_owned())
    }

    /// A ready pod behind a Service that runs a program.
    fn server_behind(&self, namespace: &str, host: &str, program: &Program) -> Option<Arc<Value>> {
        let service = self.service(namespace, host)?;
        let selector = Labels::of(at(service, "/spec/selector"));
        let runs = |pod: &Value| {
            let process = self.programs.processes.get(text(pod, "/metadata/uid"));
            process.is_some_and(|Process { program: own, life, .. }| own == program && *life == Life::Running)
        };
        let mut pods = self.store.list("", "pods", Some(text(service, "/metadata/namespace")));
        let found = pods.find(|(_, pod)| !selector.is_empty() && selector.accept(pod) && is_ready(pod) && runs(pod));
        found.map(|(_, pod)| Arc::clone(pod))
    }
}

//! Rows of deployments, sets and jobs.

use serde_json::Value;

use super::{labels, name, or_none};
use crate::kubernetes::Kubernetes;
use crate::kubernetes::clock::human;
use crate::kubernetes::value::{at, condition, list, number, text};

/// Containers, images and selector, as `-o wide` adds them.
fn wide(object: &Value, template: &str) -> Vec<Value> {
    let containers = list(object, &format!("{template}/spec/containers"));
    let joined = |field: &str| {
        let values: Vec<&str> = containers.iter().map(|container| text(container, field)).collect();
        Value::from(values.join(","))
    };
    vec![joined("/name"), joined("/image"), labels(at(object, "/spec/selector/matchLabels"))]
}

impl Kubernetes {
    pub(super) fn deployment_cells(&self, object: &Value) -> Vec<Value> {
        let status = |field: &str| number(object, &format!("/status/{field}"));
        let ready = format!("{}/{}", status("readyReplicas"), number(object, "/spec/replicas"));
        let mut cells = vec![
            name(object),
            ready.into(),
            status("updatedReplicas").into(),
            status("availableReplicas").into(),
            self.age(object),
        ];
        cells.extend(wide(object, "/spec/template"));
        cells
    }

    pub(super) fn replica_set_cells(&self, object: &Value) -> Vec<Value> {
        let fields = ["/spec/replicas", "/status/replicas", "/status/readyReplicas"];
        let mut cells = vec![name(object)];
        cells.extend(fields.map(|field| Value::from(number(object, field))));
        cells.push(self.age(object));
        cells.extend(wide(object, "/spec/template"));
        cells
    }

    pub(super) fn daemon_set_cells(&self, object: &Value) -> Vec<Value> {
        let fields = [
            "desiredNumberScheduled",
            "currentNumberScheduled",
            "numberReady",
            "updatedNumberScheduled",
            "numberAvailable",
        ];
        let mut cells = vec![name(object)];
        cells.extend(fields.map(|field| Value::from(number(object, &format!("/status/{field}")))));
        cells.push(labels(at(object, "/spec/template/spec/nodeSelector")));
        cells.push(self.age(object));
        cells.extend(wide(object, "/spec/template"));
        cells
    }

    pub(super) fn stateful_set_cells(&self, object: &Value) -> Vec<Value> {
        let ready = format!("{}/{}", number(object, "/status/readyReplicas"), number(object, "/spec/replicas"));
        let mut cells = vec![name(object), ready.into(), self.age(object)];
        cells.extend(wide(object, "/spec/template").into_iter().take(2));
        cells
    }

    pub(super) fn job_cells(&self, object: &Value) -> Vec<Value> {
        let status = if condition(object, "Complete") == "True" {
            "Complete"
        } else if condition(object, "Failed") == "True" {
            "Failed"
        } else if at(object, "/spec/suspend") == true {
            "Suspended"
        } else {
            "Running"
        };
        let completions = format!("{}/{}", number(object, "/status/succeeded"), number(object, "/spec/completions"));
        let mut cells =
            vec![name(object), status.into(), completions.into(), self.duration(object).into(), self.age(object)];
        cells.extend(wide(object, "/spec/template"));
        cells
    }

    fn duration(&self, job: &Value) -> String {
        let since = |field: &str| self.clock.seconds_since(self.now, text(job, field));
        match (since("/status/startTime"), since("/status/completionTime")) {
            (None, _) => String::new(),
            (Some(start), end) => human(start - end.unwrap_or_default()),
        }
    }

    pub(super) fn cron_job_cells(&self, object: &Value) -> Vec<Value> {
        let last = match text(object, "/status/lastScheduleTime") {
            "" => "<none>".to_owned(),
            time => self.clock.age(self.now, time),
        };
        let suspend = if at(object, "/spec/suspend") == true { "True" } else { "False" };
        let mut cells = vec![
            name(object),
            at(object, "/spec/schedule").clone(),
            or_none(text(object, "/spec/timeZone")),
            suspend.into(),
            list(object, "/status/active").len().into(),
            last.into(),
            self.age(object),
        ];
        cells.extend(wide(object, "/spec/jobTemplate/spec/template"));
        cells
    }
}

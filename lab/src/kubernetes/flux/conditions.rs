//! The conditions of Flux's objects (fluxcd/pkg `apis/meta/conditions.go`, `runtime/conditions`).

use serde_json::Value;

use crate::kubernetes::value::{Condition, at, condition, list, number, object, set, set_condition, text};

/// Sets a condition, with the generation it was observed at.
pub(super) fn mark(of: &mut Value, kind: &str, status: &str, reason: &str, message: &str, stamp: &str) {
    set_condition(of, &Condition { kind, status, reason, message }, stamp);
    let generation = number(of, "/metadata/generation");
    let conditions = of.pointer_mut("/status/conditions").and_then(Value::as_array_mut);
    for found in conditions.into_iter().flatten().filter(|found| found["type"] == kind) {
        set(found, "/observedGeneration", generation);
    }
}

/// Removes a condition.
pub(super) fn unmark(of: &mut Value, kind: &str) {
    let mut left = list(of, "/status/conditions").to_vec();
    left.retain(|found| found["type"] != kind);
    object(of, "/status").insert("conditions".to_owned(), left.into());
}

/// Whether a condition is there and true.
pub(super) fn is(of: &Value, kind: &str) -> bool {
    condition(of, kind) == "True"
}

/// One field of a condition; empty when it is not there.
pub(super) fn part<'a>(of: &'a Value, kind: &str, field: &str) -> &'a str {
    list(of, "/status/conditions")
        .iter()
        .find(|found| found["type"] == kind)
        .map_or("", |found| text(found, &format!("/{field}")))
}

/// What every reconciliation leaves at its end: the request it handled; and where the object is ready or stalled, that its
/// generation was observed, and no more progress. One that failed says that it will be tried again.
pub(super) fn conclude(of: &mut Value) {
    let requested = at(of, super::REQUESTED).clone();
    if !requested.is_null() {
        set(of, "/status/lastHandledReconcileAt", requested);
    }
    if is(of, "Ready") || is(of, "Stalled") {
        unmark(of, "Reconciling");
        let generation = number(of, "/metadata/generation");
        set(of, "/status/observedGeneration", generation);
        return;
    }
    let conditions = of.pointer_mut("/status/conditions").and_then(Value::as_array_mut);
    for found in conditions.into_iter().flatten().filter(|found| found["type"] == "Reconciling") {
        set(found, "/reason", "ProgressingWithRetry");
    }
}

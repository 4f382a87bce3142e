//! What the API said when it did not say what was asked.

/// Whether the object, or its kind, is simply not there.
pub fn is_absent(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 404)
}

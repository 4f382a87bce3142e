//! What MicroK8s and snap print, parsed.

//! What was observed.

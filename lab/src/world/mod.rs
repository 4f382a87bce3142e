//! The simulated homelab: a pure state machine with a virtual clock.

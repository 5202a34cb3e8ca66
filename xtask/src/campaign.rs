//! Campaigns: the real hub under load while something is taken away from it, again and again.
//!
//! - `load`: the publishers, subscribers and the checker, a program beside this one;
//! - `hub`: the hub, another program, and what it says of itself;
//! - `record`: what a run leaves in `docs/results`;
//! - `crash`, `corrupt`, `disk_full`, `power_cut`: what is taken away.

pub(crate) mod corrupt;
pub(crate) mod crash;
pub(crate) mod disk_full;
mod hub;
mod load;
pub(crate) mod power_cut;
mod record;

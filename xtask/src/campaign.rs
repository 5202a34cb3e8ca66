//! Campaigns: the real hub under load while something is taken away from it, again and again.

pub(crate) mod power_cut;

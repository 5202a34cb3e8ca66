//! The tools are tried as well: a checker that finds nothing proves nothing.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by panicking"
)]

mod broken;
mod checker;

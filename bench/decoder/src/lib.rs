//! What both binaries share: the inputs and the decoders under test.
//! Timing and counting are two binaries, because a counting allocator slows what is timed.

pub mod decoders;
pub mod inputs;

//! The hub's log on disk: what is acknowledged survives a killed process, a power cut and a full
//! disk, and what is lost to damage is told.
//!
//! Two threads write in turns: while one syncs a group of batches the other one stages the next
//! (group commit). Nobody sees an event before it is durable to the stated level. The format is
//! drawn in `docs/design/log-format.md`.
//!
//! In reading order:
//!
//! - [`options`]: what the operator chooses, and every bound;
//! - [`storage`]: a folder of files, as the log needs it;
//! - `record`, `header`: what one publish and the first page of a segment look like on disk;
//! - `index`, `segment`, `cache`: where the events of a segment lie, and reading them;
//! - `mark`, `memo`: how far the log was durable, and what outlives its segments;
//! - `topics`, `view`: what readers may see;
//! - `shelf`, `fetch`, `locate`, `readers`: reading what is not in memory;
//! - `answer`, `queue`, `writer`: group commit, going on to the next segment, retention;
//! - `keeper`: slow chores;
//! - `recover`: opening a folder, whatever happened to it;
//! - [`disk_log`]: the log as the hub sees it.

mod answer;
mod bytes;
mod cache;
pub mod disk_log;
mod fetch;
mod header;
mod index;
mod keeper;
mod locate;
mod mark;
mod memo;
pub mod open;
pub mod options;
mod queue;
mod readers;
mod record;
mod recover;
mod segment;
mod shared;
mod shelf;
pub mod storage;
mod topics;
mod view;
mod writer;

pub use disk_log::DiskLog;
pub use open::OpenError;
pub use options::Options;

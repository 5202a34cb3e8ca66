//! Open files: each connection is one, and the log needs some too.

use fanfare::Limits;

/// Files that are kept free for the log, the listeners and epoll: a hub that cannot open its next
/// segment stops publishing for all.
const RESERVED: u64 = 256;

/// How many files the hub may have open, once as many were asked for as the system lets it have;
/// nothing where the system does not say.
fn open_max() -> Option<u64> {
    rlimit::increase_nofile_limit(u64::MAX).ok()
}

/// Takes no more connections than there are files for, and says so if those are fewer than wanted.
pub(crate) fn fit(limits: &mut Limits) -> Option<String> {
    let files = open_max()?;
    let room = usize::try_from(room(files)).unwrap_or(usize::MAX);
    let wanted = limits.connections_max;
    if wanted <= room {
        return None;
    }
    limits.connections_max = room;
    Some(format!(
        "the system lets a process open {files} files, so that {room} connections are taken and not {wanted}: raise it (`ulimit -n`, LimitNOFILE=) or lower --connections-max"
    ))
}

/// How many of the files may be connections. Where there are very few, the log needs fewer too.
fn room(files: u64) -> u64 {
    files - RESERVED.min(files / 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_files_for_the_log() {
        assert_eq!(room(20_000), 19_744);
        assert_eq!(room(256), 192);
        assert_eq!(room(0), 0);
    }
}

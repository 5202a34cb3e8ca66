//! The house as a table: every crate with what it may know, and how large it may grow.
//!
//! A crate that is not in the table is refused, so that nothing is added without a decision.

/// One crate of the workspace.
pub(crate) struct Room {
    /// Name of the package and of its folder.
    pub(crate) name: &'static str,
    /// Lines of code outside tests that it may have; raising a number needs an ADR.
    pub(crate) budget: usize,
    /// Crates of ours that it may depend on.
    pub(crate) ours: &'static [&'static str],
    /// Crates of others that it may depend on; `None` is any that deny.toml lets through.
    pub(crate) foreign: Option<&'static [&'static str]>,
    /// What its code may not mention.
    pub(crate) unmentionable: &'static [&'static str],
}

/// What a pure crate has no business with: files, sockets, threads, clocks, tasks, protocols.
const WORLD: &[&str] = &[
    "std::env",
    "std::fs",
    "std::io",
    "std::net",
    "std::os",
    "std::process",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
    "tokio::fs",
    "tokio::net",
    "tokio::runtime",
    "tokio::select",
    "tokio::spawn",
    "tokio::task",
    "tokio::time",
    "http",
    "hyper",
    "async_nats",
];

/// What those may not touch who take requests: files and brokers, and rights that were not asked
/// for.
const FILES_CLUSTER_AND_TRUST: &[&str] = &[
    "std::fs",
    "std::process",
    "tokio::fs",
    "tokio::process",
    "fanfare_log",
    "async_nats",
    "fanfare_hub::Trusted",
    "fanfare_hub::grant::Trusted",
];

pub(crate) const HOUSE: &[Room] = &[
    Room {
        name: "fanfare-sse",
        budget: 550,
        ours: &[],
        foreign: Some(&["bytes", "memchr", "simdutf8", "thiserror"]),
        unmentionable: WORLD,
    },
    Room {
        name: "fanfare-hub",
        budget: 3_300,
        ours: &["fanfare-sse"],
        foreign: Some(&[
            "arc-swap",
            "bytes",
            "futures-core",
            "futures-util",
            "sha2",
            "thiserror",
            "tokio",
        ]),
        unmentionable: WORLD,
    },
    Room {
        name: "fanfare-log",
        budget: 6_900,
        ours: &["fanfare-hub"],
        foreign: Some(&[
            "bytes",
            "crc32c",
            "futures-channel",
            "getrandom",
            "quick_cache",
            "rustix",
            "thiserror",
            "tracing",
        ]),
        unmentionable: &["http", "hyper", "tokio", "async_nats", "std::net"],
    },
    Room {
        name: "fanfare-auth",
        budget: 700,
        ours: &["fanfare-hub"],
        foreign: Some(&["jsonwebtoken", "serde", "serde_json", "thiserror"]),
        unmentionable: WORLD,
    },
    Room {
        name: "fanfare-delivery",
        budget: 2_850,
        ours: &["fanfare-hub"],
        foreign: Some(&["bytes", "fastrand", "rustix", "socket2", "tracing"]),
        unmentionable: &[
            "http",
            "hyper",
            "tokio",
            "async_nats",
            "std::fs",
            "fanfare_log",
        ],
    },
    Room {
        name: "fanfare-http",
        budget: 4_800,
        ours: &[
            "fanfare-auth",
            "fanfare-delivery",
            "fanfare-hub",
            "fanfare-sse",
        ],
        foreign: None,
        unmentionable: FILES_CLUSTER_AND_TRUST,
    },
    Room {
        name: "fanfare",
        budget: 650,
        ours: &[
            "fanfare-auth",
            "fanfare-http",
            "fanfare-hub",
            "fanfare-log",
            "fanfare-sse",
        ],
        foreign: None,
        // The one crate that knows both the sockets and the log on disk, and puts them together.
        unmentionable: &[
            "std::fs",
            "std::process",
            "tokio::fs",
            "tokio::process",
            "async_nats",
        ],
    },
    Room {
        name: "fanfare-client",
        budget: 2_250,
        ours: &["fanfare-sse"],
        foreign: None,
        unmentionable: &["std::fs", "tokio::fs", "fanfare_hub", "fanfare_http"],
    },
    Room {
        name: "fanfare-playground",
        budget: 900,
        ours: &["fanfare"],
        foreign: None,
        unmentionable: &["fanfare_hub", "fanfare_http", "fanfare_sse"],
    },
    Room {
        name: "fanfare-bench",
        budget: 2_300,
        ours: &[],
        foreign: Some(&["anyhow", "hdrhistogram", "memchr", "rustix", "serde"]),
        unmentionable: &["http", "hyper", "tokio"],
    },
    Room {
        name: "fanfare-cli",
        budget: 4_200,
        ours: &[
            "fanfare",
            "fanfare-bench",
            "fanfare-client",
            "fanfare-playground",
        ],
        foreign: None,
        unmentionable: &["fanfare_hub", "fanfare_http"],
    },
    Room {
        name: "fanfare-testkit",
        budget: 6_100,
        ours: &[
            "fanfare",
            "fanfare-auth",
            "fanfare-client",
            "fanfare-hub",
            "fanfare-log",
            "fanfare-http",
            "fanfare-sse",
        ],
        foreign: None,
        unmentionable: &[],
    },
    Room {
        name: "xtask",
        budget: 5_400,
        ours: &[],
        foreign: None,
        unmentionable: &[],
    },
];

/// Features of tokio that a pure crate may use: primitives to wait with, nothing that runs.
pub(crate) const PURE_TOKIO_FEATURES: &[&str] = &["sync"];

pub(crate) fn room(name: &str) -> Option<&'static Room> {
    HOUSE.iter().find(|room| room.name == name)
}

/// The crate that a path belongs to.
pub(crate) fn room_of(path: &str) -> Option<&'static Room> {
    let folder = path.strip_prefix("crates/").unwrap_or(path);
    room(folder.split('/').next()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_knows_its_crate() {
        assert_eq!(
            room_of("crates/fanfare-hub/src/lib.rs").map(|room| room.name),
            Some("fanfare-hub")
        );
        assert_eq!(
            room_of("xtask/src/main.rs").map(|room| room.name),
            Some("xtask")
        );
        assert!(room_of("bench/decoder/src/main.rs").is_none());
    }

    #[test]
    fn no_arrow_leads_back() {
        fn reaches(from: &Room, to: &str) -> bool {
            from.ours
                .iter()
                .any(|name| *name == to || room(name).is_some_and(|room| reaches(room, to)))
        }
        for room in HOUSE {
            assert!(!reaches(room, room.name), "{} depends on itself", room.name);
        }
    }
}

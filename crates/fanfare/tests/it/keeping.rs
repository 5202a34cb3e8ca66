//! A hub whose events are kept in a folder.

use std::path::PathBuf;

use fanfare::{Durability, History, Hub, HubBuilder, OpenError};

use crate::streaming::read;

/// A folder of a test's own, removed when this is dropped.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        let name = format!("fanfare-{name}-{}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }

    pub(crate) fn hub(&self) -> HubBuilder {
        // The default takes 64 MiB of whatever disk the test runs on.
        Hub::builder().data(&self.0).segment_bytes(1 << 20)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// Does some work in a runtime of its own, with whose end everything is over, as in a process.
fn life<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Runtime::new().unwrap().block_on(work)
}

#[test]
fn a_hub_in_a_folder_goes_on_where_it_stopped() {
    let folder = Folder::new("goes-on");
    let first = life(async {
        let hub = folder.hub().open().unwrap();
        let receipt = hub.publish("a", "1").await.unwrap();
        assert_eq!(receipt.durability, Durability::Disk);
        receipt.id
    });
    life(async {
        let hub = folder.hub().durability(Durability::Written).open().unwrap();
        let second = hub.publish("a", "2").await.unwrap();
        assert_eq!(second.durability, Durability::Written);
        assert_eq!(
            (second.id.epoch, second.id.seq),
            (first.epoch, first.seq.next())
        );
        assert_eq!(
            read(hub.subscribe("a").history(History::All), 2).await,
            ["1", "2"]
        );
    });
}

#[test]
fn a_folder_has_one_hub_at_a_time() {
    let folder = Folder::new("one-hub");
    life(async {
        let _hub = folder.hub().open().unwrap();
        let refused = folder.hub().open().err();
        assert!(matches!(refused, Some(OpenError::Folder(_))), "{refused:?}");
    });
    life(async { folder.hub().open().unwrap() });
}

#[tokio::test]
async fn a_hub_without_a_folder_is_in_memory() {
    let hub = Hub::builder().open().unwrap();
    let receipt = hub.publish("a", "1").await.unwrap();
    assert_eq!(receipt.durability, Durability::Memory);
}

//! A hub that publishes to itself, to see whether it can.

use fanfare::{Health, History, Hub, HubBuilder, RetentionRules, StreamItem};
use futures_util::StreamExt;
use http::HeaderMap;

use crate::keeping::Folder;

/// Events that the hub of these tests keeps.
const KEPT: u64 = 10;

fn bounded(builder: HubBuilder) -> HubBuilder {
    let mut retention = RetentionRules::default();
    retention.hub.events_max = KEPT;
    builder.retention(retention)
}

/// Checks a hub so often, and looks whether anybody notices.
async fn check(hub: &Hub, times: usize) {
    let mut ids = Vec::new();
    // One place is left, which is the hub's own.
    for number in 1..KEPT {
        let receipt = hub.publish("a", number.to_string()).await.unwrap();
        ids.push(receipt.id.to_string());
    }
    let mut live = hub.subscribe("**").stream().await.unwrap();
    for _ in 0..times {
        assert_eq!(hub.check().await, Health::Works);
    }
    let read = async |headers: &HeaderMap| {
        let subscribe = hub.subscribe("**").history(History::All).resume(headers);
        let mut stream = subscribe.stream().await.unwrap();
        let mut numbers: Vec<u64> = Vec::new();
        while numbers.last() != Some(&(KEPT - 1)) {
            match stream.next().await.unwrap() {
                StreamItem::Event(event) => numbers.push(event.data.parse().unwrap()),
                StreamItem::Gap(gap) => panic!("{gap:?}"),
            }
        }
        numbers
    };
    assert_eq!(read(&HeaderMap::new()).await, (1..KEPT).collect::<Vec<_>>());
    // Nor is somebody who was away for all of that told of a gap.
    let mut headers = HeaderMap::new();
    headers.insert("last-event-id", ids[3].parse().unwrap());
    assert_eq!(read(&headers).await, (5..KEPT).collect::<Vec<_>>());
    hub.publish("b", "0").await.unwrap();
    let StreamItem::Event(first) = live.next().await.unwrap() else {
        panic!("a gap");
    };
    assert_eq!((first.topic.as_str(), first.data.as_str()), ("b", "0"));
}

#[tokio::test]
async fn a_check_takes_no_room_and_nobody_sees_it() {
    // More than a hub remembers of what it dropped.
    check(&bounded(Hub::builder()).build(), 5_000).await;
}

#[tokio::test]
async fn a_check_on_disk_takes_no_room_either() {
    let folder = Folder::new("checked");
    check(&bounded(folder.hub()).open().unwrap(), 50).await;
}

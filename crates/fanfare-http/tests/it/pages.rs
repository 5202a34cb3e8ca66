//! Pages of history: following the links gives what the stream of all history gives.

use fanfare_testkit::{Answer, Form, TestHub};

async fn page(hub: &TestHub, path: &str) -> Answer {
    let page = hub
        .fetch(path)
        .header("accept", "application/json")
        .send()
        .await;
    assert_eq!(
        (page.status, page.header("content-type")),
        (200, "application/json")
    );
    assert_eq!(page.header("content-length"), page.body.len().to_string());
    page
}

/// The target of `Link: <target>; rel="next"`.
fn next(page: &Answer) -> Option<String> {
    let link = page.header("link");
    let target = link.strip_prefix('<')?.strip_suffix(">; rel=\"next\"")?;
    Some(target.to_owned())
}

#[tokio::test]
async fn the_pages_together_are_the_whole_history() {
    let hub = TestHub::start().await;
    for number in 0..30 {
        let topic = ["/a", "/b%20%3F/x", "/b%20%3F/caf%C3%A9+&", "/elsewhere"][number % 4];
        hub.publish(topic, &format!("{number}\n\"")).await;
    }
    for (path, count) in [
        ("/a", 8_usize),
        ("/b%20%3F/*", 15),
        ("/a?topic=b%20%3F/*", 23),
        ("/b%20%3F/caf%C3%A9+&?topic=a", 15),
        ("/**", 30),
    ] {
        let separator = if path.contains('?') { '&' } else { '?' };
        let all = format!("{path}{separator}history=all");
        let (mut events, mut pages) = (Vec::new(), 0);
        let mut target = Some(format!("{all}&limit=4"));
        while let Some(path) = target {
            let page = page(&hub, &path).await;
            let json = page.json();
            let array = json.as_array().unwrap();
            target = next(&page);
            assert!(array.len() == 4 || target.is_none(), "{path}");
            events.extend(array.iter().cloned());
            pages += 1;
        }
        assert_eq!((events.len(), pages), (count, count.div_ceil(4)), "{path}");
        let stream = hub.subscribe(Form::Sse, &all).await.take(count).await;
        for (paged, streamed) in events.iter().zip(&stream) {
            let paged = [&paged["id"], &paged["event"], &paged["data"]];
            assert_eq!(paged, [&streamed.id, &streamed.event_type, &streamed.data]);
        }
    }
}

#[tokio::test]
async fn a_page_without_a_start_begins_at_the_oldest_event() {
    let hub = TestHub::start().await;
    assert_eq!(page(&hub, "/a").await.json(), serde_json::json!([]));
    hub.publish_many("/a", 150).await;
    let first = page(&hub, "/a").await;
    assert_eq!(first.json().as_array().unwrap().len(), 100);
    assert_eq!(first.json()[0]["data"], "0");
    let last = page(&hub, "/a?history=2").await;
    assert_eq!(last.json().as_array().unwrap().len(), 2);
    assert_eq!(last.json()[1]["data"], "149");
    assert_eq!(next(&last), None);
}

#[tokio::test]
async fn an_end_is_on_the_page_too() {
    let hub = TestHub::start().await;
    hub.publish("/a?end", "1").await;
    let page = page(&hub, "/a").await.json();
    assert_eq!(
        (page[0]["data"].as_str(), page[1]["event"].as_str()),
        (Some("1"), Some("fanfare.end"))
    );
    assert_eq!(page[1]["topic"], "a");
}

//! Pages of history: following the links gives what the stream of all history gives.

use fanfare_testkit::{Answer, Form, TestHub};
use http_body_util::BodyExt;

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

/// Six of them fill a turn.
fn long(number: usize) -> String {
    format!("{number} {}", "x".repeat(10_000))
}

#[tokio::test]
async fn a_page_of_many_turns_has_every_event_and_ends_where_its_link_begins() {
    let hub = TestHub::start().await;
    for number in 0..60 {
        let topic = ["/a", "/elsewhere"][number % 2];
        hub.publish(topic, &long(number)).await;
    }
    let (mut numbers, mut lens) = (Vec::new(), Vec::new());
    let mut target = Some("/a?limit=13".to_owned());
    while let Some(path) = target {
        let ask = hub.fetch(&path).header("accept", "application/json");
        let page = ask.send().await;
        assert_eq!(page.status, 200);
        target = next(&page);
        let events = page.json();
        let events = events.as_array().unwrap();
        lens.push(events.len());
        numbers.extend(events.iter().map(|event| event["data"].clone()));
    }
    assert_eq!(lens, [13, 13, 4]);
    let wanted: Vec<_> = (0..60).step_by(2).map(long).collect();
    assert_eq!(numbers, wanted);
}

#[tokio::test]
async fn a_page_does_not_grow_while_it_is_read_and_tells_what_is_trimmed_meanwhile() {
    let hub = TestHub::start().await;
    for number in 0..30 {
        hub.publish("/a", &long(number)).await;
    }
    let request = || {
        let request = http::Request::get("/a?limit=1000").header("accept", "application/json");
        let empty = fanfare_http::body::boxed(http_body_util::Empty::<bytes::Bytes>::new());
        request.body(empty).unwrap()
    };
    // The body is taken piece by piece by hand: the first one, then all others.
    let mut begun = hub.app().answer(request()).await;
    let first = begun.body_mut().frame().await.unwrap().unwrap();
    let first = first.into_data().unwrap();
    hub.publish("/a", "later").await;
    let mut growing = hub.app().answer(request()).await;
    let mut whole = growing.body_mut().frame().await.unwrap().unwrap();
    let mut whole = whole.data_mut().unwrap().to_vec();
    hub.publish("/a", "latest").await;
    whole.extend_from_slice(&growing.collect().await.unwrap().to_bytes());
    let whole: serde_json::Value = serde_json::from_slice(&whole).unwrap();
    assert_eq!(whole.as_array().unwrap().len(), 31);
    assert_eq!(whole[30]["data"], "later");

    assert_eq!(hub.ask(http::Method::DELETE, "/a").send().await.status, 200);
    let rest = begun.collect().await.unwrap().to_bytes();
    let array = [&first[..], &rest].concat();
    let array: serde_json::Value = serde_json::from_slice(&array).unwrap();
    let events = array.as_array().unwrap();
    let (gap, read) = events.split_last().unwrap();
    assert_eq!(gap["event"], "fanfare.gap");
    assert!((1..30).contains(&read.len()), "{}", read.len());
    for (number, event) in read.iter().enumerate() {
        assert_eq!(event["data"], long(number));
    }
}

//! What a subscriber makes of streams, refusals and losses.

use std::time::Duration;

use fanfare_client::{
    Client, History, Loss, RetryPolicy, State, SubscribeError, Subscriber, Update,
};
use tokio::time::timeout;

use crate::script::{AwaitClose, Beat, DEADLINE, Flood, HEAD, Scripted, Write, answer, stream};

/// Waits that are too short to notice.
pub(crate) fn brisk() -> RetryPolicy {
    RetryPolicy {
        first: Duration::from_millis(1),
        cap: Duration::from_millis(5),
        ..RetryPolicy::default()
    }
}

fn follow(server: &Scripted) -> Subscriber {
    Client::new(&server.url)
        .unwrap()
        .subscribe("chat")
        .retry(brisk())
        .open()
        .unwrap()
}

/// The next update, in one word and what matters of it.
pub(crate) async fn next(subscriber: &mut Subscriber) -> String {
    let update = timeout(DEADLINE, subscriber.next())
        .await
        .expect("an update in time");
    match update {
        None => "over".into(),
        Some(Err(error)) => format!("error: {error}"),
        Some(Ok(Update::Opened)) => "opened".into(),
        Some(Ok(Update::Event(event))) => {
            format!("{} {} {}", event.id, event.event_type, event.data)
        }
        Some(Ok(Update::Gap(gap, _))) => format!("gap {} {} {}", gap.reason, gap.asked, gap.oldest),
        Some(Ok(Update::End(_))) => "end".into(),
        Some(Ok(Update::TooLarge(bytes))) => format!("too large {bytes}"),
        Some(Ok(Update::Waiting { why, .. })) => match why {
            Loss::Unreachable { .. } => "unreachable".into(),
            Loss::Broken(_) => "broken".into(),
            Loss::Silent(_) => "silent".into(),
            Loss::Ended => "ended".into(),
            Loss::Refused(problem) => format!("refused {}", problem.status.as_u16()),
            other => other.to_string(),
        },
        Some(Ok(other)) => panic!("unknown update {other:?}"),
    }
}

pub(crate) async fn expect<const N: usize>(subscriber: &mut Subscriber, updates: [&str; N]) {
    for want in updates {
        assert_eq!(next(subscriber).await, want);
    }
}

/// The value of a header field in a reported request.
pub(crate) fn field<'a>(request: &'a str, name: &str) -> Option<&'a str> {
    request
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

#[tokio::test]
async fn a_stream_that_is_cut_within_an_event_resumes_after_the_last_whole_one() {
    let cut = stream("id: e-1\ndata: a\n\nid: e-2\ndata: hal");
    let mut server = Scripted::play([
        vec![HEAD, cut],
        vec![HEAD, stream("id: e-2\ndata: half\n\n"), AwaitClose],
    ])
    .await;
    let mut subscriber = follow(&server);
    expect(
        &mut subscriber,
        [
            "opened",
            "e-1 message a",
            "ended",
            "opened",
            "e-2 message half",
        ],
    )
    .await;
    assert_eq!(subscriber.last_event_id(), "e-2");
    let (first, second) = (server.report().await, server.report().await);
    assert!(first.starts_with("GET /chat HTTP/1.1\r\n"), "{first}");
    assert_eq!(field(&first, "accept"), Some("text/event-stream"));
    assert_eq!(field(&first, "last-event-id"), None);
    assert_eq!(field(&second, "last-event-id"), Some("e-1"));
}

#[tokio::test]
async fn a_chunked_stream_that_is_cut_is_a_broken_connection() {
    let head =
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    let cut = Write(format!("{head}10\r\nid: 1\ndata: a\n\n\r\n20\r\nid: 2"));
    let server = Scripted::play([vec![HEAD, cut], vec![HEAD, stream(""), AwaitClose]]).await;
    expect(
        &mut follow(&server),
        ["opened", "1 message a", "broken", "opened"],
    )
    .await;
}

#[tokio::test]
async fn an_id_without_an_event_counts_and_a_non_ascii_id_travels_as_it_is() {
    let mut server = Scripted::play([
        vec![HEAD, stream("\u{feff}retry: 1\nid: \u{2026}ü\n\n")],
        vec![HEAD, stream("data: a\n\nid\ndata: b\n\n")],
        vec![HEAD, stream(""), AwaitClose],
    ])
    .await;
    let mut subscriber = follow(&server);
    expect(
        &mut subscriber,
        [
            "opened",
            "ended",
            "opened",
            "\u{2026}ü message a",
            " message b",
        ],
    )
    .await;
    expect(&mut subscriber, ["ended", "opened"]).await;
    let requests = [
        server.report().await,
        server.report().await,
        server.report().await,
    ];
    let ids = requests.each_ref().map(|it| field(it, "last-event-id"));
    assert_eq!(ids, [None, Some("\u{2026}ü"), None]);
}

#[tokio::test]
async fn what_may_pass_is_tried_again() {
    let mut turns: Vec<_> = Vec::new();
    for status in [408, 425, 429, 500, 502, 503, 504] {
        turns.push(vec![HEAD, answer(status, "", "")]);
    }
    turns.push(vec![HEAD, stream("data: back\n\n"), AwaitClose]);
    let server = Scripted::play(<[_; 8]>::try_from(turns).unwrap()).await;
    let mut subscriber = follow(&server);
    for status in [408, 425, 429, 500, 502, 503, 504] {
        assert_eq!(next(&mut subscriber).await, format!("refused {status}"));
    }
    expect(&mut subscriber, ["opened", " message back"]).await;
}

#[tokio::test]
async fn what_will_not_pass_stops_with_the_problems_text() {
    let json = "content-type: application/problem+json\r\n";
    for (reply, want) in [
        (
            answer(
                403,
                json,
                r#"{"detail":"ask for a grant","code":"not_granted"}"#,
            ),
            "error: the hub answered 403 Forbidden: ask for a grant (not_granted)",
        ),
        (answer(404, "", ""), "error: the hub answered 404 Not Found"),
        (
            answer(205, "", ""),
            "error: the hub answered 205 Reset Content",
        ),
    ] {
        let server = Scripted::play([vec![HEAD, reply]]).await;
        let mut subscriber = follow(&server);
        expect(&mut subscriber, [want, "over", "over"]).await;
        assert!(matches!(subscriber.state(), State::Closed));
    }
}

#[tokio::test]
async fn a_page_instead_of_a_stream_stops() {
    let html = "content-type: text/event-streamX\r\n";
    let server = Scripted::play([vec![HEAD, answer(200, html, "<html>")]]).await;
    let mut subscriber = follow(&server);
    let update = timeout(DEADLINE, subscriber.next()).await.unwrap().unwrap();
    assert!(
        matches!(update, Err(SubscribeError::NoStream { .. })),
        "{update:?}"
    );
    expect(&mut subscriber, ["over"]).await;
}

#[tokio::test]
async fn no_content_is_the_end() {
    let server =
        Scripted::play([vec![HEAD, Write("HTTP/1.1 204 No Content\r\n\r\n".into())]]).await;
    expect(&mut follow(&server), ["over", "over"]).await;
}

#[tokio::test]
async fn a_stream_is_over_when_each_of_its_topics_ended() {
    let end = |topic| format!("event: fanfare.end\ndata: {{\"topic\":\"{topic}\"}}\n\n");
    let server = Scripted::play([vec![HEAD, stream(&format!("{}{}", end("b"), end("a")))]]).await;
    let client = Client::new(&server.url).unwrap();
    let mut subscriber = client.subscribe("a").and("b").open().unwrap();
    expect(&mut subscriber, ["opened", "end", "end", "over"]).await;

    let server = Scripted::play([vec![HEAD, stream(&end("a"))]]).await;
    let client = Client::new(&server.url).unwrap();
    let mut subscriber = client.subscribe("a").and("b/*").open().unwrap();
    expect(&mut subscriber, ["opened", "end", "ended"]).await;
}

#[tokio::test]
async fn a_gap_is_told_apart_from_events() {
    let gap = r#"{"reason":"trimmed","asked":"e-1","oldest":"e-5"}"#;
    let wire =
        format!("retry: 5\n\nid: e-4\nevent: fanfare.gap\ndata: {gap}\n\nid: e-5\ndata: a\n\n");
    let mut server = Scripted::play([vec![HEAD, stream(&wire), AwaitClose]]).await;
    let client = Client::new(&server.url).unwrap();
    let mut subscriber = client
        .subscribe("a/b c")
        .and("x/**")
        .history(History::All)
        .resume_after("e-1")
        .open()
        .unwrap();
    expect(
        &mut subscriber,
        ["opened", "gap trimmed e-1 e-5", "e-5 message a"],
    )
    .await;
    let request = server.report().await;
    assert!(
        request.starts_with("GET /a/b%20c?topic=x%2F%2A%2A&history=all HTTP/1.1"),
        "{request}"
    );
    assert_eq!(field(&request, "last-event-id"), Some("e-1"));
}

#[tokio::test]
async fn redirects_are_followed_anew_from_the_original_address() {
    let far = Scripted::play([
        vec![HEAD, stream("id: 1\ndata: a\n\n")],
        vec![HEAD, stream("id: 2\ndata: b\n\n"), AwaitClose],
    ])
    .await;
    let leads =
        |status, place: &str| vec![HEAD, answer(status, &format!("location: {place}\r\n"), "")];
    let there = format!("{}/there?x=1", far.url);
    let mut near =
        Scripted::play([leads(302, "/moved"), leads(307, &there), leads(308, &there)]).await;
    let mut subscriber = follow(&near);
    expect(
        &mut subscriber,
        ["opened", "1 message a", "ended", "opened", "2 message b"],
    )
    .await;
    let paths = [
        near.report().await,
        near.report().await,
        near.report().await,
    ];
    assert_eq!(
        paths.each_ref().map(|it| it.split(' ').nth(1).unwrap()),
        ["/chat", "/moved", "/chat"]
    );
}

#[tokio::test]
async fn redirects_that_lead_nowhere_or_in_a_circle_stop() {
    let nowhere = vec![HEAD, answer(302, "location: ftp://h/x\r\n", "")];
    let server = Scripted::play([nowhere]).await;
    let want = "error: the redirect to `ftp://h/x` cannot be followed";
    expect(&mut follow(&server), [want, "over"]).await;

    let circle = [(); 6].map(|()| vec![HEAD, answer(302, "location: /chat\r\n", "")]);
    let server = Scripted::play(circle).await;
    let want = format!(
        "error: the redirect to `{}/chat` cannot be followed",
        server.url
    );
    expect(&mut follow(&server), [&want, "over"]).await;
}

#[tokio::test]
async fn the_servers_advice_is_the_floor_of_the_wait() {
    let server = Scripted::play([vec![HEAD, answer(503, "retry-after: 7\r\n", "")]]).await;
    assert!((7..8).contains(&wait_of(&mut follow(&server)).await.as_secs()));

    let server = Scripted::play([vec![HEAD, stream("retry: 3000\n\n")]]).await;
    let mut subscriber = follow(&server);
    expect(&mut subscriber, ["opened"]).await;
    assert!((3..4).contains(&wait_of(&mut subscriber).await.as_secs()));
    assert!(matches!(
        subscriber.state(),
        State::Waiting {
            why: Loss::Ended,
            ..
        }
    ));
}

async fn wait_of(subscriber: &mut Subscriber) -> Duration {
    match timeout(DEADLINE, subscriber.next()).await.unwrap() {
        Some(Ok(Update::Waiting { wait, .. })) => wait,
        other => panic!("no wait: {other:?}"),
    }
}

#[tokio::test]
async fn an_unreachable_hub_is_awaited_or_given_up_as_the_policy_says() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let client = Client::new(&url).unwrap();
    let mut subscriber = client.subscribe("chat").retry(brisk()).open().unwrap();
    expect(
        &mut subscriber,
        ["unreachable", "unreachable", "unreachable"],
    )
    .await;
    let policy = RetryPolicy {
        retries_max: Some(1),
        ..brisk()
    };
    let mut subscriber = client.subscribe("chat").retry(policy).open().unwrap();
    expect(&mut subscriber, ["unreachable"]).await;
    let update = timeout(DEADLINE, subscriber.next()).await.unwrap().unwrap();
    assert!(
        matches!(
            update,
            Err(SubscribeError::GaveUp(Loss::Unreachable { .. }))
        ),
        "{update:?}"
    );
    expect(&mut subscriber, ["over"]).await;
}

#[tokio::test]
async fn silence_is_a_loss() {
    let silent = vec![HEAD, stream("data: a\n\n"), AwaitClose];
    let mute = vec![HEAD, stream(""), AwaitClose];
    let mut server = Scripted::play([silent, mute]).await;
    let client = Client::new(&server.url)
        .unwrap()
        .subscribe("chat")
        .retry(brisk());
    let mut subscriber = client
        .idle_timeout(Duration::from_millis(100))
        .open()
        .unwrap();
    expect(
        &mut subscriber,
        ["opened", " message a", "silent", "opened", "silent"],
    )
    .await;
    server.report().await;
    assert_eq!(
        server.report().await,
        "closed after 0 bytes",
        "the dead connection is closed"
    );
}

#[tokio::test]
async fn heartbeats_keep_a_stream_alive() {
    let beats = Beat(":\n\n", 15, Duration::from_millis(100));
    let server = Scripted::play([vec![
        HEAD,
        stream(""),
        beats,
        Write("data: a\n\n".into()),
        AwaitClose,
    ]])
    .await;
    let client = Client::new(&server.url).unwrap();
    let mut subscriber = client
        .subscribe("chat")
        .idle_timeout(Duration::from_secs(1))
        .open()
        .unwrap();
    expect(&mut subscriber, ["opened", " message a"]).await;
}

#[tokio::test]
async fn dropping_a_subscriber_hangs_up() {
    let mut server = Scripted::play([vec![HEAD, stream("data: a\n\n"), AwaitClose]]).await;
    let mut subscriber = follow(&server);
    expect(&mut subscriber, ["opened", " message a"]).await;
    drop(subscriber);
    server.report().await;
    assert_eq!(server.report().await, "closed after 0 bytes");
}

#[tokio::test]
async fn a_cancelled_wait_loses_nothing() {
    let events: String = (0..200).map(|n| format!("id: {n}\ndata: x\n\n")).collect();
    let beats = Beat("id: late\ndata: x\n\n", 1, Duration::from_millis(50));
    let server = Scripted::play([vec![HEAD, stream(&events), beats, AwaitClose]]).await;
    let mut subscriber = follow(&server);
    let mut ids = Vec::new();
    while ids.last().is_none_or(|id| id != "late") {
        // Far shorter than a connection takes, so that every await point is cut somewhere.
        if let Ok(update) = timeout(Duration::from_micros(50), subscriber.next()).await
            && let Update::Event(event) = update.unwrap().unwrap()
        {
            ids.push(event.id);
        }
    }
    let want: Vec<_> = (0..200)
        .map(|n| n.to_string())
        .chain(["late".to_owned()])
        .collect();
    assert_eq!(ids, want);
}

#[tokio::test]
async fn a_subscriber_that_does_not_read_stops_the_server_not_its_memory() {
    let mut server =
        Scripted::play([vec![HEAD, stream("data: first\n\n"), Flood("data: x\n\n")]]).await;
    let mut subscriber = follow(&server);
    expect(&mut subscriber, ["opened", " message first"]).await;
    server.report().await;
    let taken: usize = server.report().await.parse().unwrap();
    // Both socket buffers and one read of the client: the kernel lets the former grow to some MiB.
    assert!(taken < 16 << 20, "{taken} bytes were taken");
}

#[tokio::test]
async fn a_very_large_event_comes_whole_and_a_larger_one_is_dropped_alone() {
    let large = "x".repeat(14_000_000);
    let wire = format!("data: {large}\n\nid: 2\ndata: after\n\n");
    let server = Scripted::play([vec![HEAD, stream(&wire), AwaitClose]]).await;
    let mut subscriber = follow(&server);
    expect(&mut subscriber, ["opened"]).await;
    assert_eq!(
        next(&mut subscriber).await.len(),
        " message ".len() + large.len()
    );

    let server = Scripted::play([vec![HEAD, stream(&wire), AwaitClose]]).await;
    let client = Client::new(&server.url).unwrap();
    let mut subscriber = client
        .subscribe("chat")
        .event_bytes_max(1000)
        .open()
        .unwrap();
    expect(
        &mut subscriber,
        ["opened", "too large 1000", "2 message after"],
    )
    .await;
}

#[tokio::test]
async fn envelopes_carry_topic_and_time_and_resume_too() {
    let line = |n: u64, event: &str| {
        format!(
            r#"{{"id":"e-{n}","topic":"a/b","event":"{event}","data":"d","time":1763680000123}}"#
        ) + "\n"
    };
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/x-ndjson\r\n\r\n";
    let mut server = Scripted::play([
        vec![
            HEAD,
            Write(format!(
                "{head}{}\n{}",
                line(1, "fanfare.open"),
                line(2, "message")
            )),
        ],
        vec![
            HEAD,
            Write(format!("{head}{}", line(2, "fanfare.open"))),
            AwaitClose,
        ],
    ])
    .await;
    let client = Client::new(&server.url).unwrap();
    let mut subscriber = client
        .subscribe("a/*")
        .with_envelopes()
        .retry(brisk())
        .open()
        .unwrap();
    expect(&mut subscriber, ["opened"]).await;
    let Some(Ok(Update::Event(event))) = subscriber.next().await else {
        panic!("no event")
    };
    assert_eq!(event.topic.as_deref(), Some("a/b"));
    let time = event
        .time
        .unwrap()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    assert_eq!(time, Duration::from_millis(1_763_680_000_123));
    expect(&mut subscriber, ["ended", "opened"]).await;
    let (first, second) = (server.report().await, server.report().await);
    assert_eq!(
        field(&first, "accept"),
        Some("application/x-ndjson, text/event-stream;q=0.5")
    );
    assert_eq!(field(&second, "last-event-id"), Some("e-2"));
}

#[tokio::test]
async fn an_empty_topic_is_refused_before_anything_is_sent() {
    let client = Client::new("http://127.0.0.1:1").unwrap();
    assert!(client.subscribe("").open().is_err());
    assert!(client.subscribe("a").and("").open().is_err());
}

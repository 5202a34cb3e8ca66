//! Header fields that are made for each attempt, and a subscriber that is as strict as a browser.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use fanfare_client::{Client, Update};
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use tokio::time::timeout;

use crate::script::{AwaitClose, DEADLINE, HEAD, Scripted, answer, stream};
use crate::subscribe::{brisk, expect, field, next};

/// A client whose token counts how often it was made.
fn counting(server: &Scripted) -> Client {
    let client = Client::new(&server.url).unwrap();
    client.with_credentials(async |about| {
        let refused = if about.was_refused { "-refused" } else { "" };
        let token = HeaderValue::try_from(format!("Bearer t{}{refused}", about.attempt))?;
        Ok(HeaderMap::from_iter([(AUTHORIZATION, token)]))
    })
}

#[tokio::test]
async fn credentials_are_made_for_each_attempt_and_once_more_when_they_are_refused() {
    let mut server = Scripted::play([
        vec![HEAD, answer(401, "", "")],
        vec![HEAD, stream("data: a\n\n")],
        vec![HEAD, answer(502, "", "")],
        vec![HEAD, answer(403, "", "")],
        vec![HEAD, answer(403, "", "")],
    ])
    .await;
    let subscriber = counting(&server).subscribe("chat").retry(brisk());
    let mut subscriber = subscriber.open().unwrap();
    let updates = ["opened", " message a", "ended", "refused 502"];
    expect(&mut subscriber, updates).await;
    assert!(next(&mut subscriber).await.starts_with("error: "));
    expect(&mut subscriber, ["over"]).await;
    for want in ["t1", "t2-refused", "t1", "t2", "t3-refused"] {
        let request = server.report().await;
        let token = field(&request, "authorization");
        assert_eq!(token, Some(format!("Bearer {want}").as_str()));
    }
}

#[tokio::test]
async fn credentials_stay_with_the_origin_that_they_were_made_for() {
    let mut elsewhere = Scripted::play([vec![HEAD, stream("data: a\n\n"), AwaitClose]]).await;
    let location = format!("location: {}/chat\r\n", elsewhere.url);
    let mut server = Scripted::play([
        vec![HEAD, answer(307, "location: /moved\r\n", "")],
        vec![HEAD, answer(307, &location, "")],
    ])
    .await;
    let mut subscriber = counting(&server).subscribe("chat").open().unwrap();
    expect(&mut subscriber, ["opened", " message a"]).await;
    for _ in 0..2 {
        let request = server.report().await;
        assert_eq!(field(&request, "authorization"), Some("Bearer t1"));
    }
    let request = elsewhere.report().await;
    assert_eq!(field(&request, "authorization"), None, "{request}");
}

#[tokio::test]
async fn credentials_that_cannot_be_had_are_asked_for_again() {
    let server = Scripted::play([vec![HEAD, stream("data: a\n\n"), AwaitClose]]).await;
    let tries = Arc::new(AtomicU32::new(0));
    let client = Client::new(&server.url)
        .unwrap()
        .with_credentials(move |_| {
            let is_first = tries.fetch_add(1, Ordering::Relaxed) == 0;
            async move {
                match is_first {
                    true => Err("the identity server is down".into()),
                    false => Ok(HeaderMap::new()),
                }
            }
        });
    let mut subscriber = client.subscribe("chat").retry(brisk()).open().unwrap();
    let why = "no credentials can be had: the identity server is down";
    expect(&mut subscriber, [why, "opened", " message a"]).await;
}

#[tokio::test]
async fn as_strict_as_a_browser_every_refusal_is_final_and_a_wait_is_what_retry_says() {
    for status in [204, 205, 404, 429, 500, 503] {
        let server = Scripted::play([vec![HEAD, answer(status, "", "")]]).await;
        let subscribe = Client::new(&server.url).unwrap().subscribe("chat");
        let mut subscriber = subscribe.strict_browser().open().unwrap();
        let first = next(&mut subscriber).await;
        assert_eq!(first == "over", status == 204, "{status}: {first}");
        assert_eq!(first.starts_with("error: "), status != 204, "{first}");
    }
    let server = Scripted::play([
        vec![
            HEAD,
            stream("retry: 5\n\nevent: fanfare.end\ndata: {\"topic\":\"chat\"}\n\n"),
        ],
        vec![HEAD, stream("data: a\n\n"), AwaitClose],
    ])
    .await;
    let subscribe = Client::new(&server.url).unwrap().subscribe("chat");
    let mut subscriber = subscribe.strict_browser().open().unwrap();
    expect(&mut subscriber, ["opened", "end"]).await;
    let waiting = timeout(DEADLINE, subscriber.next()).await.unwrap();
    let Some(Ok(Update::Waiting { wait, .. })) = waiting else {
        panic!("{waiting:?}");
    };
    assert_eq!(wait, Duration::from_millis(5));
    expect(&mut subscriber, ["opened", " message a"]).await;
}

//! What each method answers.

use fanfare_testkit::{Form, Protocol, TestHub};
use http::Method;

#[tokio::test]
async fn head_tells_the_oldest_the_newest_and_the_count() {
    let hub = TestHub::builder().keep_events(3).start().await;
    let nothing = hub.ask(Method::HEAD, "/a").send().await;
    assert_eq!(
        (nothing.status, nothing.header("fanfare-count")),
        (200, "0")
    );
    assert_eq!(nothing.header("fanfare-oldest"), "");
    let mut ids = Vec::new();
    for number in 0..5 {
        ids.push(hub.publish("/a", &number.to_string()).await.id);
    }
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let head = hub.ask(Method::HEAD, "/a").over(protocol).send().await;
        assert_eq!(head.header("fanfare-count"), "3");
        assert_eq!(head.header("fanfare-oldest"), ids[2]);
        assert_eq!(head.header("fanfare-newest"), ids[4]);
        assert!(head.body.is_empty());
    }
}

#[tokio::test]
async fn delete_drops_the_history_of_one_topic() {
    let hub = TestHub::start().await;
    hub.publish_many("/a", 3).await;
    hub.publish("/b", "stays").await;
    let mut live = hub.subscribe(Form::Sse, "/a").await;
    let deleted = hub.ask(Method::DELETE, "/a").send().await;
    assert_eq!(
        deleted.json(),
        serde_json::json!({"topic": "a", "dropped": 3})
    );
    let again = hub.ask(Method::DELETE, "/a").send().await;
    assert_eq!(
        (again.status, again.json()["dropped"].as_u64()),
        (200, Some(0))
    );
    assert_eq!(
        hub.ask(Method::HEAD, "/a")
            .send()
            .await
            .header("fanfare-count"),
        "0"
    );
    assert_eq!(
        hub.ask(Method::HEAD, "/b")
            .send()
            .await
            .header("fanfare-count"),
        "1"
    );
    hub.publish("/a", "new").await;
    assert_eq!(live.next_data().await, "new");
}

#[tokio::test]
async fn a_method_that_is_not_answered_names_those_that_are() {
    let hub = TestHub::start().await;
    for (method, path, allow) in [
        (Method::PUT, "/a", "GET, HEAD, POST, DELETE, OPTIONS"),
        (Method::PATCH, "/a", "GET, HEAD, POST, DELETE, OPTIONS"),
        (Method::POST, "/-/info", "GET, HEAD, OPTIONS"),
        (Method::DELETE, "/-/topics", "GET, HEAD, OPTIONS"),
        (Method::GET, "/-/revoke", "POST, OPTIONS"),
    ] {
        let answer = hub.ask(method, path).send().await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (405, "method_not_allowed")
        );
        assert_eq!(answer.header("allow"), allow);
        let options = hub.ask(Method::OPTIONS, path).send().await;
        assert_eq!((options.status, options.header("allow")), (204, allow));
    }
}

#[tokio::test]
async fn any_other_body_is_one_event_verbatim() {
    let hub = TestHub::start().await;
    let mut stream = hub.subscribe(Form::Sse, "/a").await;
    for content_type in [
        "application/json",
        "application/x-www-form-urlencoded",
        "text/plain; charset=x",
        "nonsense",
    ] {
        let body = "data: a=1&b={}\n\n\u{e9}";
        let post = hub.post("/a", body).header("content-type", content_type);
        post.send().await.stored();
        assert_eq!(stream.next_data().await, body);
    }
}

#[tokio::test]
async fn a_body_of_blocks_or_lines_is_one_batch() {
    let hub = TestHub::start().await;
    let mut stream = hub.subscribe(Form::Sse, "/a").await;
    let blocks = "event: x\ndata: 1\n\ndata: 2\nid: 9\n\n: comment\n\ndata: 3";
    let post = hub
        .post("/a?event=y", blocks)
        .header("content-type", "Text/Event-Stream; charset=utf-8");
    assert_eq!(post.send().await.stored().count, 3);
    for (event_type, data) in [("x", "1"), ("y", "2"), ("y", "3")] {
        let event = stream.next().await;
        assert_eq!(
            (event.event_type.as_str(), event.data.as_str()),
            (event_type, data)
        );
    }
    // Whole or not at all: the second is no event.
    let post = hub.post("/a", "data: 1\n\nevent: fanfare.end\ndata: 2\n\n");
    let refused = post
        .header("content-type", "text/event-stream")
        .send()
        .await;
    assert_eq!(refused.code(), "bad_event_type");
    hub.publish("/a", "next").await;
    assert_eq!(stream.next_data().await, "next");
}

#[tokio::test]
async fn a_publish_answer_tells_where_it_is_and_how_safe() {
    let hub = TestHub::start().await;
    let answer = hub.post("/a/caf%C3%A9", "x").send().await;
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (201, "application/json")
    );
    let epoch = hub.app().hub().log().epoch();
    let expected = serde_json::json!({
        "topic": "a/caf\u{e9}", "id": format!("{epoch}-1"), "count": 1, "durability": "memory",
    });
    assert_eq!(answer.json(), expected);
}

#[tokio::test]
async fn the_front_door_leads_a_person_home_and_a_program_to_an_index() {
    let hub = TestHub::start().await;
    let person = hub
        .fetch("/")
        .header("accept", "text/html,*/*;q=0.8")
        .send()
        .await;
    assert_eq!(person.json()["name"], "fanfare", "there is no home");
    let route = |_request| async { fanfare_http::Response::new("home".into()) };
    let hub = TestHub::builder()
        .mount("/-/home/", route)
        .home("/-/home/")
        .start()
        .await;
    let person = hub
        .fetch("/")
        .header("accept", "text/html,*/*;q=0.8")
        .send()
        .await;
    assert_eq!(
        (person.status, person.header("location")),
        (302, "/-/home/")
    );
    assert_eq!(hub.fetch("/-/home/x").send().await.text(), "home");
    let program = hub.fetch("/").header("accept", "*/*").send().await;
    assert_eq!(program.json()["home"], "/-/home/");
}

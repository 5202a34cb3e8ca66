//! Subscriptions that ask for too much, for nothing, or for what cannot be read.

use super::report::Trial;
use super::wire::{read_answer, read_more, send};
use super::{Case, check, request};

/// What a trial may cost in memory: a few streams and their buffers.
const GROWN_KIB_MAX: u64 = 16 << 10;

fn topics(count: usize, topic: impl Fn(usize) -> String) -> String {
    let parameters: Vec<_> = (0..count)
        .map(|index| format!("topic={}", topic(index)))
        .collect();
    format!("/first?{}", parameters.join("&"))
}

#[test]
fn topics_beyond_the_bound_are_refused() {
    let mut trial = Trial::at("subscribe: topics");
    let numbered = |count| topics(count, |index| format!("t{index}"));
    let same = |count| topics(count, |_| "t".to_owned());
    check(
        &mut trial,
        &[
            Case::get("255 topics and that of the path", &numbered(255), "200"),
            Case::get("300 topics", &numbered(300), "400 too_many_topics"),
            Case::get(
                "300 times the same topic",
                &same(300),
                "400 too_many_topics",
            ),
            Case::get(
                "3,900 topics, just below the bound of heads",
                &same(3_900),
                "400 too_many_topics",
            ),
            Case::get("30,000 topics", &numbered(30_000), "431, closed"),
            Case::get(
                "300 patterns",
                &topics(300, |index| format!("*/t{index}/**")),
                "400 too_many_topics",
            ),
            Case::get(
                "twice the same topic",
                "/first?topic=first&topic=first",
                "200",
            ),
            Case::get(
                "a pattern of 512 bytes",
                &format!("/{}**", "*/".repeat(255)),
                "200",
            ),
            Case::get("an empty topic", "/first?topic=", "400 bad_topic"),
        ],
    );
    trial.end(GROWN_KIB_MAX, &[]);
}

#[test]
fn numbers_beyond_reason_are_read_or_refused() {
    let mut trial = Trial::at("subscribe: query");
    let page = |target: &str, answer| {
        let sent = request("GET", target, "Accept: application/json\r\n", b"");
        Case::new(format!("page {target}"), sent, answer)
    };
    let get = |target: &str, answer| Case::get(target, target, answer);
    check(
        &mut trial,
        &[
            get("/a?history=9999999999999999999", "200"),
            get("/a?history=99999999999999999999", "400 bad_query"),
            get("/a?history=99999999999999d", "200"),
            get("/a?history=999999999999999999d", "400 bad_query"),
            get("/a?history=18446744073709551615s", "200"),
            get("/a?history=-1", "400 bad_query"),
            get("/a?history=1e9", "400 bad_query"),
            get("/a?history=%EF%BC%91", "400 bad_query"),
            get("/a?history=", "400 bad_query"),
            get("/a?history=%00", "400 bad_query"),
            get("/a?history=%ff", "400 bad_query"),
            get("/a?history=1&history=2", "200"),
            get("/a?%ff=1", "400 bad_query"),
            get("/a?&&&=&=&a", "200"),
            page("/a?limit=1", "200"),
            page("/a?limit=0", "400 bad_query"),
            page("/a?limit=18446744073709551615", "200"),
            page("/a?limit=18446744073709551616", "400 bad_query"),
            page("/a?limit=-1", "400 bad_query"),
        ],
    );
    trial.end(GROWN_KIB_MAX, &[]);
}

#[test]
fn an_accept_that_cannot_be_read_is_no_trouble() {
    let mut trial = Trial::at("subscribe: Accept");
    let accept = |value: &str, answer| {
        let sent = request("GET", "/a", &format!("Accept: {value}\r\n"), b"");
        Case::new(value.chars().take(40).collect::<String>(), sent, answer)
    };
    check(
        &mut trial,
        &[
            accept("text/html", "406 not_acceptable"),
            accept("text/event-stream;q=nan", "406 not_acceptable"),
            accept("text/event-stream;q=1e400", "200"),
            accept("text/event-stream;q=-1", "406 not_acceptable"),
            accept(&",".repeat(30_000), "200"),
            accept(&"*/*,".repeat(7_000), "200"),
        ],
    );
    trial.end(GROWN_KIB_MAX, &[]);
}

/// A bad id is no error: an `EventSource` would stop for good. It is a gap, told in the stream.
#[test]
fn an_id_that_is_none_is_told_as_a_gap() {
    let trial = Trial::at("subscribe: Last-Event-ID");
    let cases: &[(&str, &[u8], &str)] = &[
        ("64 KiB", &[b'a'; 64 << 10], "431, closed"),
        ("30 KiB", &[b'a'; 30 << 10], "200 malformed"),
        ("a NUL", b"a\0", "400, closed"),
        ("a control character", b"a\x01", "400, closed"),
        ("a DEL", b"a\x7f", "400, closed"),
        ("a lone continuation byte", b"a\x80", "200 malformed"),
        ("an overlong slash", b"\xc0\xaf", "200 malformed"),
        ("a surrogate", b"\xed\xa0\x80", "200 malformed"),
        ("a field of its own", b"k3v9q2-1: x", "200 malformed"),
        ("another epoch", b"aaaaaa-1", "200 epoch"),
        (
            "a seq of 20 digits",
            b"aaaaaa-99999999999999999999",
            "200 unknown",
        ),
        ("a negative seq", b"aaaaaa--1", "200 unknown"),
        (
            "a UUID",
            b"urn:uuid:6f2a1c1e-0000-4000-8000-000000000000",
            "200 unknown",
        ),
    ];
    for (name, id, wanted) in cases {
        let answer = trial.case(name, |hub| {
            let mut sent = b"GET /a HTTP/1.1\r\nHost: hub.example\r\nLast-Event-ID: ".to_vec();
            sent.extend_from_slice(id);
            sent.extend_from_slice(b"\r\n\r\n");
            gap(&mut hub.connect(), &sent)
        });
        assert_eq!(answer, *wanted, "{name}");
    }
    let answer = trial.case("ninety of them", |hub| {
        let lines = "Last-Event-ID: aaaaaa-1\r\n".repeat(90);
        gap(&mut hub.connect(), &request("GET", "/a", &lines, b""))
    });
    assert_eq!(answer, "200 epoch");
    trial.end(GROWN_KIB_MAX, &[]);
}

/// The answer, and the reason of the gap that opens the stream.
fn gap(socket: &mut std::net::TcpStream, sent: &[u8]) -> String {
    const REASON: &str = "\"reason\":\"";
    send(socket, sent);
    let answer = read_answer(socket);
    if answer.status != 200 {
        return answer.as_text();
    }
    let mut stream = answer.body;
    loop {
        let text = String::from_utf8_lossy(&stream);
        if let Some((_, rest)) = text.split_once(REASON)
            && let Some((reason, _)) = rest.split_once('"')
            && rest.contains("\n\n")
        {
            // What was asked is told back, but not at any length.
            assert!(stream.len() < 1_000, "{text}");
            return format!("200 {reason}");
        }
        assert!(read_more(socket, &mut stream), "no gap in {stream:?}");
    }
}

//! Request targets that name no topic, and methods that mean nothing to one.

use super::report::Trial;
use super::{Case, check, request};

const GROWN_KIB_MAX: u64 = 16 << 10;

/// Targets that no spelling may turn into a topic.
const NOT_CANONICAL: &[&str] = &[
    "/",
    "//",
    "//a",
    "/a/",
    "/a//b",
    "/a/./b",
    "/.",
    "/..",
    "/../a",
    "/a/..",
    "/%2e",
    "/%2e%2e",
    "/a/%2e%2e/b",
    "/a/.%2E",
    "/a%2f",
    "/%2fa",
    "/a%2f%2fb",
    "/a%2f..%2fb",
    "/-",
    "/-/x",
    "/%2d/x",
    "/-%2fx",
    "/.well-known",
    "/.well-known/x",
    "/%2ewell-known/x",
    "/%00",
    "/a%00b",
    "/a%0Ab",
    "/a%0d",
    "/a%1b",
    "/a%7f",
    "/a%c2%85",
    "/a%",
    "/a%4",
    "/a%zz",
    "/a%u0041",
    "/%ff",
    "/%c0%80",
    "/%c0%ae%c0%ae",
    "/%ed%a0%80",
    "/%e2%82",
    "/%f5%80%80%80",
];

#[test]
fn a_path_that_is_not_canonical_is_refused_and_never_put_right() {
    let mut trial = Trial::at("path");
    let mut cases = Vec::new();
    for target in NOT_CANONICAL {
        let is_own =
            target.starts_with("/-/") || *target == "/-" || target.starts_with("/.well-known/");
        let answer = if is_own {
            "404 not_found"
        } else {
            "400 bad_topic"
        };
        cases.push(Case::post(&format!("POST {target}"), target, answer));
        if *target != "/" {
            cases.push(Case::get(&format!("GET {target}"), target, answer));
            cases.push(Case::get(
                &format!("GET /ok?topic={}", &target[1..]),
                &format!("/ok?topic={}", &target[1..]),
                "400 bad_topic",
            ));
        }
        cases.push(Case::new(
            format!("DELETE {target}"),
            request("DELETE", target, "", b""),
            answer,
        ));
    }
    check(&mut trial, &cases);
    trial.end(GROWN_KIB_MAX, &[]);
}

#[test]
fn a_target_is_a_topic_a_pattern_or_refused() {
    let mut trial = Trial::at("path");
    let bytes = |count: usize| format!("/{}", "a".repeat(count));
    let segments = format!("/{}", vec!["s"; 256].join("/"));
    check(
        &mut trial,
        &[
            Case::post("POST of 512 bytes", &bytes(512), "201"),
            Case::post("POST of 513 bytes", &bytes(513), "400 bad_topic"),
            Case::get("GET of 513 bytes", &bytes(513), "400 bad_topic"),
            Case::post("POST of 256 segments", &segments, "201"),
            Case::post("POST to *", "/*", "400 bad_topic"),
            Case::post("POST to a/**", "/a/**", "400 bad_topic"),
            Case::post("POST to %2a", "/%2a", "400 bad_topic"),
            Case::get("GET of **/a", "/**/a", "400 bad_topic"),
            Case::get("GET of a/**", "/a/**", "200"),
            Case::post("POST, double-encoded", "/a%252e%252e", "201"),
            Case::post("POST, a space", "/a b", "400, closed"),
            Case::post("POST, a fragment", "/fragment#b", "201"),
            Case::post(
                "POST, absolute form",
                "http://other.example/absolute",
                "201",
            ),
            Case::post(
                "POST, absolute form without a path",
                "http://other.example",
                "400 bad_topic",
            ),
            Case::post(
                "POST, absolute form with ..",
                "http://other.example/a/../b",
                "400 bad_topic",
            ),
            Case::post("POST, no slash", "a", "400 bad_topic"),
            Case::post("POST, asterisk form", "*", "400 bad_topic"),
            Case::get("GET, asterisk form", "*", "400 bad_topic"),
            Case::get("GET, no target", "", "400, closed"),
        ],
    );
    let stored = [
        (&bytes(512)[1..], 1),
        (&segments[1..], 1),
        ("a%2e%2e", 1),
        ("absolute", 1),
        ("fragment", 1),
    ];
    trial.end(GROWN_KIB_MAX, &stored);
}

#[test]
fn a_path_is_utf_8() {
    let mut trial = Trial::at("path");
    let post = |name: &str, target: &[u8], answer| {
        Case::new(name, request("POST", target, "", b"x"), answer)
    };
    check(
        &mut trial,
        &[
            post("raw UTF-8", "/caf\u{e9}".as_bytes(), "201"),
            post("the same, escaped", b"/caf%c3%a9", "201"),
            post("raw C1 control", "/a\u{85}b".as_bytes(), "400 bad_topic"),
            post("raw lone continuation", b"/a\x80", "400, closed"),
            post("raw overlong", b"/a\xc0\xaf", "400, closed"),
            post("raw surrogate", b"/a\xed\xa0\x80", "400, closed"),
            post("raw truncated", b"/a\xe2\x82", "400, closed"),
            post("raw NUL", b"/a\0", "400, closed"),
            post("raw ESC", b"/a\x1b", "400, closed"),
            post("raw DEL", b"/a\x7f", "400, closed"),
            post("raw CR", b"/a\rb", "400, closed"),
            post("raw LF", b"/a\nb", "400, closed"),
        ],
    );
    trial.end(GROWN_KIB_MAX, &[("caf\u{e9}", 2)]);
}

#[test]
fn a_method_that_a_topic_does_not_have_is_refused() {
    let mut trial = Trial::at("method");
    let mut cases = vec![
        Case::new("OPTIONS *", request("OPTIONS", "*", "", b""), "204"),
        Case::new(
            "CONNECT a.example:443",
            request("CONNECT", "a.example:443", "", b""),
            "405 method_not_allowed",
        ),
    ];
    for method in [
        "PUT", "PATCH", "TRACE", "CONNECT", "BREW", "get", "post", "Post", "PRO", "M-SEARCH",
    ] {
        let sent = request(method, "/a", "", b"x");
        cases.push(Case::new(
            format!("{method} /a"),
            sent,
            "405 method_not_allowed",
        ));
    }
    for method in ["G\u{cb}T", "GET\0", "", "GET\t", "(GET)"] {
        let sent = request(method, "/a", "", b"");
        cases.push(Case::new(
            format!("{} /a", method.escape_debug()),
            sent,
            "400, closed",
        ));
    }
    check(&mut trial, &cases);
    trial.end(GROWN_KIB_MAX, &[]);
}

//! The playground's files, embedded: nothing is read from disk while it runs.

use fanfare::{Body, Response};
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};

const CSS: &str = "text/css; charset=utf-8";
const SVG: &str = "image/svg+xml";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";

macro_rules! files {
    ($($name:literal: $media_type:expr),+ $(,)?) => {
        &[$(($name, $media_type, include_str!(concat!("../assets/", $name)))),+]
    };
}

/// Name, media type and text of each file.
const FILES: &[(&str, &str, &str)] = files! {
    "playground.css": CSS,
    "icons.svg": SVG,
    "favicon.svg": SVG,
    "theme.js": SCRIPT,
    "frame.js": SCRIPT,
    "stream.js": SCRIPT,
    // Written by `npm run playground` in clients/js, so that building the hub needs no Node.
    "client.js": SCRIPT,
    "index.js": SCRIPT,
    "board.js": SCRIPT,
    "chat.js": SCRIPT,
    "chat-stream.js": SCRIPT,
    "ticker.js": SCRIPT,
    "send-data.js": SCRIPT,
    "echo.js": SCRIPT,
    "counter.js": SCRIPT,
};

/// The file of that name, if there is one. The name is looked up, never opened.
pub(crate) fn file(name: &str) -> Option<Response> {
    let (_, media_type, text) = FILES.iter().find(|(known, ..)| *known == name)?;
    Some(respond(Body::from(*text), media_type))
}

/// A page, which may load and connect to nothing but its own origin and `stream_origin`.
pub(crate) fn page(text: &str, stream_origin: &str) -> Response {
    let mut response = respond(Body::from(text.to_owned()), HTML);
    let headers = response.headers_mut();
    // An origin that is no header value is left out, and the browser refuses to connect to it.
    let policy = HeaderValue::from_str(&policy(stream_origin))
        .unwrap_or(HeaderValue::from_static("default-src 'none'"));
    headers.insert(CONTENT_SECURITY_POLICY, policy);
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

fn policy(stream_origin: &str) -> String {
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
         connect-src 'self' {stream_origin}; base-uri 'none'; form-action 'self'; \
         frame-ancestors 'none'"
    )
}

fn respond(body: Body, media_type: &'static str) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    // A newer build must show its newer pages at once.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_names_are_answered() {
        assert!(file("playground.css").is_some());
        for name in [
            "",
            "shell.html",
            "../Cargo.toml",
            "%2e%2e/Cargo.toml",
            "playground.css/",
            "/etc/passwd",
        ] {
            assert!(file(name).is_none(), "{name:?}");
        }
    }

    #[test]
    fn pages_forbid_inline_code_and_foreign_connections() {
        let response = page("<h1>x</h1>", "https://127.0.0.1:4443");
        let policy = response.headers()[CONTENT_SECURITY_POLICY]
            .to_str()
            .unwrap();
        assert!(policy.contains("connect-src 'self' https://127.0.0.1:4443;"));
        assert!(!policy.contains("unsafe"));
        let broken = page("<h1>x</h1>", "https://a\nb");
        assert_eq!(
            broken.headers()[CONTENT_SECURITY_POLICY],
            "default-src 'none'"
        );
    }
}

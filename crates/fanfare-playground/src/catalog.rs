//! What the playground shows: the six apps with their words, pages, routes and sources.

/// One small app.
pub(crate) struct App {
    /// Its folder below the playground.
    pub(crate) slug: &'static str,
    /// Its name.
    pub(crate) title: &'static str,
    /// What it shows, in a sentence or two.
    pub(crate) summary: &'static str,
    /// Its pages; the first one is the folder's.
    pub(crate) pages: &'static [Page],
    /// Its own routes: method and path below the folder.
    pub(crate) routes: &'static [(&'static str, &'static str)],
    /// The server's side, as it is compiled: file name and text.
    pub(crate) sources: &'static [(&'static str, &'static str)],
}

/// One page of an app.
pub(crate) struct Page {
    /// Its path below the app's folder; empty for the folder itself.
    pub(crate) path: &'static str,
    /// What stands between the introduction and the source.
    pub(crate) body: &'static str,
    /// The name of its script, which is also shown as source.
    pub(crate) script: &'static str,
    /// The text of its script.
    pub(crate) script_text: &'static str,
}

macro_rules! page {
    ($path:literal, $name:literal) => {
        Page {
            path: $path,
            body: include_str!(concat!("../assets/", $name, ".html")),
            script: concat!($name, ".js"),
            script_text: include_str!(concat!("../assets/", $name, ".js")),
        }
    };
}

macro_rules! sources {
    ($($name:literal),+) => { &[$(($name, include_str!($name))),+] };
}

/// The six apps, in the order in which a newcomer meets them.
pub(crate) const APPS: &[App] = &[
    App {
        slug: "board",
        title: "Message board",
        summary: "Press the button in one window, and the message appears in all of them. \
                  Whoever comes later sees all messages so far.",
        pages: &[page!("", "board")],
        routes: &[("GET", "addClient"), ("POST", "message")],
        sources: sources!("board.rs"),
    },
    App {
        slug: "chat",
        title: "Chat",
        summary: "One page sends, another shows the stream: first every stored message, then each \
                  new one, with no seam between them.",
        pages: &[page!("", "chat"), page!("stream", "chat-stream")],
        routes: &[("GET", "messages"), ("POST", "messages")],
        sources: sources!("chat.rs"),
    },
    App {
        slug: "ticker",
        title: "Ticker",
        summary: "A message each second and an event of its own type each fifth: watch what the \
                  browser tells about a stream until the page closes it after ten seconds.",
        pages: &[page!("", "ticker")],
        routes: &[("GET", "events")],
        sources: sources!("ticker.rs", "while_watched.rs"),
    },
    App {
        slug: "send-data",
        title: "Send data",
        summary: "Both directions at once: events come down the stream, and data goes up with a \
                  plain POST that has an answer of its own.",
        pages: &[page!("", "send-data")],
        routes: &[("GET", "events"), ("POST", "send-data")],
        sources: sources!("send_data.rs", "ticker.rs"),
    },
    App {
        slug: "echo",
        title: "Echo",
        summary: "A WebSocket that greets, answers each text, and shows what you must write \
                  yourself once you leave EventSource.",
        pages: &[page!("", "echo")],
        routes: &[("WS", "socket")],
        sources: sources!("echo.rs"),
    },
    App {
        slug: "counter",
        title: "Counter",
        summary: "A count each second over HTTP/2, from another origin than the page's. The server \
                  ends the stream now and then; the browser asks again by itself.",
        pages: &[page!("", "counter")],
        routes: &[("GET", "event")],
        sources: sources!("counter.rs", "while_watched.rs"),
    },
];

/// The part of a source that is shown: all but its tests.
pub(crate) fn shown(text: &str) -> &str {
    text.split("\n#[cfg(test)]").next().unwrap_or(text)
}

/// The methods that an app's own route answers, for the `Allow` of a refusal.
pub(crate) fn methods_of(path: &str) -> Option<&'static str> {
    let (slug, path) = path.split_once('/')?;
    let app = APPS.iter().find(|app| app.slug == slug)?;
    let answers = |method| app.routes.contains(&(method, path));
    match (answers("GET") || answers("WS"), answers("POST")) {
        (true, true) => Some("GET, POST"),
        (true, false) => Some("GET"),
        (false, true) => Some("POST"),
        (false, false) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_knows_its_methods() {
        for (path, methods) in [
            ("chat/messages", Some("GET, POST")),
            ("board/addClient", Some("GET")),
            ("board/message", Some("POST")),
            ("echo/socket", Some("GET")),
            ("board/nothing", None),
            ("nothing/messages", None),
            ("", None),
        ] {
            assert_eq!(methods_of(path), methods, "{path:?}");
        }
    }

    #[test]
    fn each_source_is_short_enough_to_read_at_one_go() {
        for app in APPS {
            let scripts = app.pages.iter().map(|page| (page.script, page.script_text));
            for (name, text) in app.sources.iter().copied().chain(scripts) {
                let lines = shown(text).lines().count();
                assert!((10..=100).contains(&lines), "{name} has {lines} lines");
            }
        }
    }
}

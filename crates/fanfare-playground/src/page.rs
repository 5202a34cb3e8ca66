//! Pages put together from the shell, the catalog and each app's own part. Pure: text in, text out.

use std::collections::BTreeMap;

use crate::catalog::{APPS, App, Page, shown};

const SHELL: &str = include_str!("../assets/shell.html");
const APP: &str = include_str!("../assets/app.html");
const INDEX: &str = include_str!("../assets/index.html");

const INDEX_TITLE: &str = "Fanfare: a push server for the web";
const INDEX_SUMMARY: &str =
    "Fanfare is a push server for the web: one HTTP POST in, every open EventSource out.";

/// All pages by their path below the playground. They are made once: nothing in them depends on
/// the request.
pub(crate) fn all(stream_origin: &str) -> BTreeMap<String, String> {
    let mut pages = BTreeMap::from([(String::new(), index())]);
    for app in APPS {
        for page in app.pages {
            pages.insert(
                format!("{}/{}", app.slug, page.path),
                of_app(app, page, stream_origin),
            );
        }
    }
    pages
}

/// The first page, with a card for each app.
fn index() -> String {
    let card = |app: &App| {
        let App {
            slug,
            title,
            summary,
            ..
        } = app;
        format!(
            "<li><a class=\"card\" href=\"{slug}/\"><svg aria-hidden=\"true\">\
             <use href=\"assets/icons.svg#{slug}\"/></svg><h3>{title}</h3><p>{summary}</p>\
             <span class=\"routes\">{}</span></a></li>\n",
            routes(app, "span")
        )
    };
    let cards: String = APPS.iter().map(card).collect();
    let main = fill(INDEX, &[("root", ""), ("cards", &cards)]);
    shell(INDEX_TITLE, INDEX_SUMMARY, "", "index.js", &main)
}

fn of_app(app: &App, page: &Page, stream_origin: &str) -> String {
    let sources = app
        .sources
        .iter()
        .map(|(name, text)| (*name, shown(text), "rust"));
    let sources = sources.chain([(page.script, page.script_text, "javascript")]);
    let (tabs, panels): (Vec<_>, Vec<_>) = sources
        .enumerate()
        .map(|(at, source)| (tab(at, source.0), panel(at, source)))
        .unzip();
    let (tabs, panels) = (tabs.concat(), panels.concat());
    let body = fill(page.body, &[("stream-origin", &escape(stream_origin))]);
    let tabs = format!("<div role=\"tablist\" aria-labelledby=\"source-title\">{tabs}</div>");
    let main = fill(
        APP,
        &[
            ("title", app.title),
            ("summary", app.summary),
            ("routes", &routes(app, "li")),
            ("body", &body),
            ("tabs", &tabs),
            ("sources", &panels),
        ],
    );
    shell(
        &format!("{} - Fanfare", app.title),
        app.summary,
        app.slug,
        page.script,
        &main,
    )
}

/// The button that shows a source.
fn tab(at: usize, name: &str) -> String {
    format!(
        "<button type=\"button\" role=\"tab\" id=\"tab-{at}\" \
         aria-controls=\"source-{at}\">{name}</button>"
    )
}

/// A source as text; the page's own script gives it colours.
fn panel(at: usize, (_, text, language): (&str, &str, &str)) -> String {
    format!(
        "<pre id=\"source-{at}\" role=\"tabpanel\" aria-labelledby=\"tab-{at}\" \
         tabindex=\"0\" data-language=\"{language}\">{}</pre>\n",
        escape(text)
    )
}

/// The app's own routes, each in an element of the given name.
fn routes(app: &App, element: &str) -> String {
    let route = |(method, path): &(&str, &str)| {
        format!("<{element}><b data-method=\"{method}\">{method}</b>{path}</{element}>")
    };
    app.routes.iter().map(route).collect()
}

/// The frame around every page; `slug` is the app's, or empty for the first page.
fn shell(title: &str, summary: &str, slug: &str, script: &str, main: &str) -> String {
    let root = if slug.is_empty() { "" } else { "../" };
    let link = |app: &App| {
        let current = if app.slug == slug {
            " aria-current=\"page\""
        } else {
            ""
        };
        format!("<a href=\"{root}{}/\"{current}>{}</a>", app.slug, app.title)
    };
    let nav: String = APPS.iter().map(link).collect();
    let script = format!("<script type=\"module\" src=\"{root}assets/{script}\"></script>");
    fill(
        SHELL,
        &[
            ("title", title),
            ("summary", summary),
            ("root", root),
            ("script", &script),
            ("nav", &nav),
            ("main", main),
        ],
    )
}

/// Puts each value in place of its `{{name}}`, in one pass: values are never searched for names, so
/// a source that mentions one stays as it is.
fn fill(template: &str, values: &[(&str, &str)]) -> String {
    let mut filled = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((name, after)) = after.split_once("}}") else {
            break;
        };
        let value = values.iter().find(|(known, _)| *known == name);
        debug_assert!(value.is_some(), "nothing to put in place of {name}");
        filled.push_str(before);
        filled.push_str(value.map_or("", |(_, value)| value));
        rest = after;
    }
    filled.push_str(rest);
    filled
}

/// Text as HTML text or attribute value.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_filled_in_once_and_never_searched() {
        assert_eq!(
            fill("a {{x}} b {{y}}{{x}}", &[("x", "{{y}}"), ("y", "2")]),
            "a {{y}} b 2{{y}}"
        );
        assert_eq!(fill("no end {{x", &[("x", "1")]), "no end {{x");
    }

    #[test]
    fn markup_in_a_value_stays_text() {
        assert_eq!(escape("<a b=\"c\">&"), "&lt;a b=&quot;c&quot;&gt;&amp;");
        let pages = all("\"><script>alert(1)</script>");
        assert!(pages["counter/"].contains("data-origin=\"&quot;&gt;&lt;script&gt;"));
    }

    #[test]
    fn every_page_is_there_and_free_of_inline_code() {
        let pages = all("https://127.0.0.1:4443");
        let paths: Vec<_> = pages.keys().map(String::as_str).collect();
        let expected = [
            "",
            "board/",
            "chat/",
            "chat/stream",
            "counter/",
            "echo/",
            "send-data/",
            "ticker/",
        ];
        assert_eq!(paths, expected);
        for (path, page) in &pages {
            let markup = page.split("<pre id=").next().unwrap_or_default();
            for banned in [
                "<script>",
                " style=\"",
                " onclick=",
                "javascript:",
                "http://",
            ] {
                assert!(!markup.contains(banned), "{banned} in {path:?}");
            }
            assert!(page.contains("<h1>"), "{path:?} has no heading");
        }
    }
}

//! What the query of a request says (WHATWG URL, application/x-www-form-urlencoded).

use std::borrow::Cow;
use std::time::Duration;

use fanfare_hub::{EventType, Resume, Selector, Start};
use http::HeaderMap;
use http::header::HeaderName;
use percent_encoding::percent_decode_str;

use crate::problem::Problem;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// The parameters of a GET.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct SubscribeQuery {
    /// Topics and patterns besides the one in the path.
    pub(crate) selectors: Vec<Selector>,
    /// `history=`, unless a position is given.
    pub(crate) history: Option<Start>,
    /// `last_event_id=`.
    pub(crate) last_event_id: Option<String>,
    /// `limit=` of a page.
    pub(crate) limit: Option<u64>,
}

/// The parameters of a POST.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PublishQuery {
    /// The type of events that bring none of their own.
    pub(crate) event_type: Option<EventType>,
    /// The reconnection time, in milliseconds, of events that bring none of their own.
    pub(crate) retry: Option<u64>,
    /// Whether the topic ends after the last event.
    pub(crate) ends_topic: bool,
}

impl SubscribeQuery {
    /// # Errors
    /// A topic that is none, a history that cannot be read, more topics than the limit.
    pub(crate) fn parse(query: &str, selectors_max: usize) -> Result<Self, Problem> {
        let mut parsed = Self::default();
        for (name, value) in pairs(query) {
            match decode(name)?.as_ref() {
                "topic" if parsed.selectors.len() >= selectors_max => {
                    return Err(fanfare_hub::SelectionError::TooMany(selectors_max).into());
                }
                // A plus is a space in a query and itself in a path; the topic function knows
                // paths.
                "topic" => {
                    let selector = Selector::from_path(&value.replace('+', "%20"))?;
                    parsed.selectors.push(selector);
                }
                "history" => parsed.history = Some(history(&decode(value)?)?),
                "limit" => parsed.limit = Some(limit(&decode(value)?)?),
                "last_event_id" | "lastEventId" | "lastEventID" => {
                    let value = percent_decode_str(value).decode_utf8_lossy();
                    parsed.last_event_id = Some(value.into_owned());
                }
                // Clients add parameters of their own against caches; they mean nothing here.
                _ => {}
            }
        }
        Ok(parsed)
    }

    /// Where to start: the header wins over the query, and both win over the history.
    pub(crate) fn start(self, headers: &HeaderMap, default: Start) -> Start {
        if let Some(id) = last_event_id(headers) {
            return Start::Resume(Resume::parse(&id));
        }
        match self.last_event_id {
            Some(id) => Start::Resume(Resume::parse(&id)),
            None => self.history.unwrap_or(default),
        }
    }
}

/// The `Last-Event-ID` header, if there is one. Its bytes are UTF-8 (HTML 9.2.3), not Latin-1.
pub(crate) fn last_event_id(headers: &HeaderMap) -> Option<Cow<'_, str>> {
    headers
        .get(LAST_EVENT_ID)
        .map(|id| String::from_utf8_lossy(id.as_bytes()))
}

impl PublishQuery {
    /// # Errors
    /// An event type that is none, a retry that is no number.
    pub(crate) fn parse(query: &str) -> Result<Self, Problem> {
        let mut parsed = Self::default();
        for (name, value) in pairs(query) {
            match decode(name)?.as_ref() {
                "event" => parsed.event_type = Some(EventType::parse(&decode(value)?)?),
                "retry" => parsed.retry = Some(number("retry", &decode(value)?)?),
                "end" => parsed.ends_topic = flag("end", &decode(value)?)?,
                _ => {}
            }
        }
        Ok(parsed)
    }
}

fn pairs(query: &str) -> impl Iterator<Item = (&str, &str)> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

fn decode(text: &str) -> Result<String, Problem> {
    let spaced = text.replace('+', " ");
    match percent_decode_str(&spaced).decode_utf8() {
        Ok(decoded) => Ok(decoded.into_owned()),
        Err(_not_utf8) => Err(Problem::bad(
            "bad_query",
            "a parameter of the query is not UTF-8",
        )),
    }
}

/// `all`, a number of events, or a span such as `10m`.
fn history(text: &str) -> Result<Start, Problem> {
    if text == "all" {
        return Ok(Start::All);
    }
    if let Ok(count) = number("history", text) {
        return Ok(Start::Last(count));
    }
    let span = || {
        let unit = text.chars().last()?;
        let count: u64 = number("history", &text[..text.len() - unit.len_utf8()]).ok()?;
        let seconds = match unit {
            's' => 1,
            'm' => 60,
            'h' => 60 * 60,
            'd' => 24 * 60 * 60,
            _ => return None,
        };
        Some(Duration::from_secs(count.checked_mul(seconds)?))
    };
    span().map(Start::Since).ok_or_else(|| {
        let detail =
            "history is `all`, a number of events such as 50, or a span such as 30s, 10m, 2h or 1d";
        Problem::bad("bad_query", detail)
    })
}

fn number(name: &str, text: &str) -> Result<u64, Problem> {
    // `u64::from_str` takes a plus sign.
    let is_digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = is_digits.then(|| text.parse().ok()).flatten();
    number.ok_or_else(|| Problem::bad("bad_query", format!("{name} is not a number")))
}

fn limit(text: &str) -> Result<u64, Problem> {
    match number("limit", text)? {
        // A page without events would link to itself for ever.
        0 => Err(Problem::bad(
            "bad_query",
            "limit is a number of events, 1 or more",
        )),
        limit => Ok(limit),
    }
}

fn flag(name: &str, text: &str) -> Result<bool, Problem> {
    match text {
        "" | "1" | "true" => Ok(true),
        "0" | "false" => Ok(false),
        _ => Err(Problem::bad(
            "bad_query",
            format!("{name} is a flag: write ?{name} or ?{name}=true"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(query: &str) -> Start {
        let query = SubscribeQuery::parse(query, 9).unwrap();
        query.start(&HeaderMap::new(), Start::Tail)
    }

    #[test]
    fn a_history_is_a_word_a_number_or_a_span() {
        assert_eq!(start(""), Start::Tail);
        assert_eq!(start("history=all"), Start::All);
        assert_eq!(start("history=50"), Start::Last(50));
        assert_eq!(
            start("history=10m&_=123"),
            Start::Since(Duration::from_secs(600))
        );
        for text in [
            "",
            "10",
            "x",
            "-1",
            "%2B1",
            "1w",
            "1.5h",
            "99999999999999999999",
            "m",
            "\u{e9}",
        ] {
            let query = format!("history={text}");
            assert_eq!(
                SubscribeQuery::parse(&query, 9).is_ok(),
                text == "10",
                "{text}"
            );
        }
    }

    #[test]
    fn a_position_wins_over_history_and_the_header_over_the_query() {
        let resume = |text: &str| Start::Resume(Resume::parse(text));
        for name in ["last_event_id", "lastEventId", "lastEventID"] {
            assert_eq!(
                start(&format!("history=5&{name}=k3v9q2-7")),
                resume("k3v9q2-7")
            );
        }
        assert_eq!(start("last_event_id="), resume(""));
        let headers = HeaderMap::from_iter([(LAST_EVENT_ID, "k3v9q2-9".parse().unwrap())]);
        let query = SubscribeQuery::parse("last_event_id=k3v9q2-7", 9).unwrap();
        assert_eq!(query.start(&headers, Start::Tail), resume("k3v9q2-9"));
    }

    #[test]
    fn a_query_that_cannot_be_read_is_refused() {
        for query in [
            "topic=",
            "topic=a%ff",
            "topic=a//b",
            "limit=x",
            "limit=0",
            "%ff=1",
        ] {
            assert!(SubscribeQuery::parse(query, 9).is_err(), "{query}");
        }
        for query in [
            "event=",
            "event=a%0Ab",
            "event=fanfare.x",
            "retry=",
            "retry=-1",
            "end=x",
        ] {
            assert!(PublishQuery::parse(query).is_err(), "{query}");
        }
        assert!(SubscribeQuery::parse("topic=a&topic=b", 1).is_err());
        let spaced = SubscribeQuery::parse("topic=a+b%2Fc", 1).unwrap();
        assert_eq!(spaced.selectors[0].to_string(), "a b/c");
    }
}

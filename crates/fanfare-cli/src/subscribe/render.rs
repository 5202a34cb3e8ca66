//! How `fanfare sub` writes an event: for a person, for a pipe, or as JSON.

use std::borrow::Cow;
use std::io::{self, Write};
use std::time::{SystemTime, UNIX_EPOCH};

use fanfare_client::Event;
use jiff::Zoned;
use serde::Serialize;

/// The form of an event on standard output.
#[derive(Debug, Clone, Copy)]
pub(super) enum Render {
    /// The data alone.
    Plain,
    /// An object a line.
    Json,
    /// A readable line: time, id, topic, event type, data.
    Pretty {
        /// Whether escape sequences may colour it.
        has_colours: bool,
        /// Whether events of several topics may come.
        has_topic: bool,
    },
}

/// An event as a line of JSON; what the server did not say is left out.
#[derive(Serialize)]
struct Line<'a> {
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    topic: Option<&'a str>,
    event: &'a str,
    data: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<u64>,
}

// Select Graphic Rendition (ECMA-48 8.3.117): the colours of the user's own palette.
const DIM: &str = "2";
const TOPIC: &str = "36";
const EVENT_TYPE: &str = "33";

impl Render {
    /// Writes an event of a publisher.
    pub(super) fn event(self, event: &Event, out: &mut impl Write) -> io::Result<()> {
        match self {
            Self::Plain => writeln!(out, "{}", event.data),
            Self::Json => json(event, out),
            Self::Pretty {
                has_colours,
                has_topic,
            } => {
                let now = Zoned::now();
                let mut line = Pretty {
                    text: String::new(),
                    has_colours,
                };
                line.word(DIM, &time_text(event.time, &now));
                line.word(DIM, &event.id);
                if has_topic && let Some(topic) = &event.topic {
                    line.word(TOPIC, topic);
                }
                if event.event_type != "message" {
                    line.word(EVENT_TYPE, &event.event_type);
                }
                line.lines(&event.data);
                out.write_all(line.text.as_bytes())
            }
        }
    }

    /// Writes an event of the hub itself, which only programs want to see among the others.
    pub(super) fn own_event(self, event: &Event, out: &mut impl Write) -> io::Result<()> {
        match self {
            Self::Json => json(event, out),
            Self::Plain | Self::Pretty { .. } => Ok(()),
        }
    }
}

fn json(event: &Event, out: &mut impl Write) -> io::Result<()> {
    let ms =
        |time: SystemTime| u64::try_from(time.duration_since(UNIX_EPOCH).ok()?.as_millis()).ok();
    let line = Line {
        id: &event.id,
        topic: event.topic.as_deref(),
        event: &event.event_type,
        data: &event.data,
        time: event.time.and_then(ms),
    };
    serde_json::to_writer(&mut *out, &line)?;
    out.write_all(b"\n")
}

/// A line under construction.
struct Pretty {
    text: String,
    has_colours: bool,
}

impl Pretty {
    /// Adds a coloured word and the space after it; an empty word adds nothing.
    fn word(&mut self, colour: &str, word: &str) {
        if word.is_empty() {
            return;
        }
        let word = harmless(word);
        if self.has_colours {
            self.text
                .push_str(&format!("\x1b[{colour}m{word}\x1b[0m  "));
        } else {
            self.text.push_str(&format!("{word}  "));
        }
    }

    /// Adds data: further lines are indented, so that each event is seen as one.
    fn lines(&mut self, data: &str) {
        for (number, line) in data.split('\n').enumerate() {
            if number > 0 {
                self.text.push_str("    ");
            }
            self.text.push_str(&harmless(line));
            self.text.push('\n');
        }
    }
}

/// Text that cannot move the cursor, change the colours or worse: control characters but the tab
/// become their visible pictures. Publishers are not trusted with the terminal of a subscriber.
fn harmless(text: &str) -> Cow<'_, str> {
    let is_harmless = |c: char| !c.is_control() || c == '\t';
    if text.chars().all(is_harmless) {
        return Cow::Borrowed(text);
    }
    let picture = |c: char| match c {
        c if is_harmless(c) => c,
        '\x7f' => '\u{2421}',
        c => char::from_u32(u32::from(c) + 0x2400)
            .filter(|_| c < ' ')
            .unwrap_or('\u{fffd}'),
    };
    Cow::Owned(text.chars().map(picture).collect())
}

/// The local time of an event, with the date unless it is today's.
fn time_text(time: Option<SystemTime>, now: &Zoned) -> String {
    let time = time.and_then(|it| jiff::Timestamp::try_from(it).ok());
    let Some(time) = time else {
        return now.strftime("%H:%M:%S").to_string();
    };
    let time = time.to_zoned(now.time_zone().clone());
    let format = if time.date() == now.date() {
        "%H:%M:%S"
    } else {
        "%Y-%m-%d %H:%M:%S"
    };
    time.strftime(format).to_string()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::civil::date;
    use jiff::tz::TimeZone;

    use super::*;

    fn rendered(render: Render, event: &Event) -> String {
        let mut out = Vec::new();
        render.event(event, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    /// The line without its time, which depends on the clock and the zone.
    fn pretty(has_colours: bool, has_topic: bool, event: &Event) -> String {
        let text = rendered(
            Render::Pretty {
                has_colours,
                has_topic,
            },
            event,
        );
        text.split_once("  ").unwrap().1.to_owned()
    }

    #[test]
    fn a_pipe_gets_the_data_alone() {
        assert_eq!(
            rendered(Render::Plain, &Event::new("e-1", "x", "a\n\x1b[31mb")),
            "a\n\x1b[31mb\n"
        );
    }

    #[test]
    fn json_leaves_out_what_the_server_did_not_say() {
        let mut event = Event::new("e-1", "message", "a\n\"b\"");
        let want = r#"{"id":"e-1","event":"message","data":"a\n\"b\""}"#;
        assert_eq!(rendered(Render::Json, &event), format!("{want}\n"));
        event.topic = Some("t".into());
        event.time = UNIX_EPOCH.checked_add(Duration::from_millis(1_763_680_000_123));
        let want =
            r#"{"id":"e-1","topic":"t","event":"message","data":"a\n\"b\"","time":1763680000123}"#;
        assert_eq!(rendered(Render::Json, &event), format!("{want}\n"));
    }

    #[test]
    fn a_person_gets_a_readable_line() {
        let mut event = Event::new("e-1", "message", "hello");
        assert_eq!(pretty(false, true, &event), "e-1  hello\n");
        event.topic = Some("a/b".into());
        event.event_type = "joined".into();
        event.data = "one\ntwo".into();
        assert_eq!(
            pretty(false, true, &event),
            "e-1  a/b  joined  one\n    two\n"
        );
        assert_eq!(pretty(false, false, &event), "e-1  joined  one\n    two\n");
        let colours =
            "\x1b[2me-1\x1b[0m  \x1b[36ma/b\x1b[0m  \x1b[33mjoined\x1b[0m  one\n    two\n";
        assert_eq!(pretty(true, true, &event), colours);
    }

    #[test]
    fn no_publisher_rules_the_terminal() {
        let event = Event::new("e\x1b", "x\x07", "\x1b[2J\u{9b}31m\ta\rb\x7f");
        let want = "e\u{241b}  x\u{2407}  \u{241b}[2J\u{fffd}31m\ta\u{240d}b\u{2421}\n";
        assert_eq!(pretty(false, false, &event), want);
    }

    #[test]
    fn the_date_is_shown_unless_it_is_today() {
        let now = date(2026, 11, 20)
            .at(23, 0, 0, 0)
            .to_zoned(TimeZone::fixed(jiff::tz::offset(1)))
            .unwrap();
        let ago = |seconds| {
            let time = SystemTime::from(now.timestamp()).checked_sub(Duration::from_secs(seconds));
            time_text(time, &now)
        };
        assert_eq!(ago(60), "22:59:00");
        assert_eq!(ago(23 * 3600 + 60), "2026-11-19 23:59:00");
        assert_eq!(time_text(None, &now), "23:00:00");
    }
}

//! Which form of a topic a GET asks for (RFC 9110 12.5.1).

use http::header::{ACCEPT, CONTENT_TYPE, HeaderMap};

/// The forms in which a subscription is answered over plain HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Form {
    /// `text/event-stream`.
    Sse,
    /// `application/x-ndjson`, live.
    Ndjson,
    /// `application/json`, one page.
    Page,
}

impl Form {
    /// In the order in which they are preferred when the client does not care.
    const ALL: [Self; 3] = [Self::Sse, Self::Ndjson, Self::Page];

    /// The media type of the form.
    pub(crate) fn media_type(self) -> &'static str {
        match self {
            Self::Sse => "text/event-stream",
            Self::Ndjson => "application/x-ndjson",
            Self::Page => "application/json",
        }
    }

    /// The form that `Accept` likes best; `None` when it takes none of them.
    pub(crate) fn negotiate(headers: &HeaderMap) -> Option<Self> {
        let ranges = ranges(headers);
        if ranges.is_empty() {
            return Some(Self::Sse);
        }
        let mut best = None;
        for form in Self::ALL {
            let weight = weight(&ranges, form.media_type());
            if weight > best.map_or(0, |(weight, _)| weight) {
                best = Some((weight, form));
            }
        }
        best.map(|(_, form)| form)
    }
}

/// Whether the client would rather see a page for people than an event stream.
pub(crate) fn wants_html(headers: &HeaderMap) -> bool {
    let ranges = ranges(headers);
    ranges
        .iter()
        .any(|range| range.name == "text/html" && range.weight > 0)
}

/// The media type of a body without parameters, in any case.
pub(crate) fn content_type(headers: &HeaderMap) -> &str {
    let value = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let essence = value
        .and_then(|value| value.split(';').next())
        .unwrap_or_default();
    essence.trim()
}

struct Range {
    name: String,
    /// The quality in thousandths.
    weight: u32,
}

fn ranges(headers: &HeaderMap) -> Vec<Range> {
    let values = headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok());
    let ranges = values.flat_map(|value| value.split(','));
    ranges.filter_map(range).collect()
}

fn range(text: &str) -> Option<Range> {
    let mut parts = text.split(';').map(str::trim);
    let name = parts
        .next()
        .filter(|name| !name.is_empty())?
        .to_ascii_lowercase();
    let quality =
        parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
    let quality: f32 = quality.map_or(Some(1.0), |text| text.parse().ok())?;
    // Thousandths of a number between 0 and 1 always fit.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "0..=1000"
    )]
    let weight = (quality.clamp(0.0, 1.0) * 1000.0) as u32;
    Some(Range { name, weight })
}

/// The weight of a media type: that of the most specific range that names it.
fn weight(ranges: &[Range], media_type: &str) -> u32 {
    let family = media_type.split_once('/').map_or("", |(family, _)| family);
    let family = format!("{family}/*");
    for name in [media_type, family.as_str(), "*/*"] {
        if let Some(range) = ranges.iter().find(|range| range.name == name) {
            return range.weight;
        }
    }
    0
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn accept_decides_the_form() {
        for (accept, form) in [
            ("text/event-stream", Some(Form::Sse)),
            ("*/*", Some(Form::Sse)),
            ("", Some(Form::Sse)),
            ("text/*", Some(Form::Sse)),
            ("application/x-ndjson", Some(Form::Ndjson)),
            ("application/json", Some(Form::Page)),
            ("APPLICATION/JSON; charset=utf-8", Some(Form::Page)),
            (
                "application/json;q=0.5, text/event-stream;q=0.1",
                Some(Form::Page),
            ),
            ("application/json, */*;q=0.1", Some(Form::Page)),
            ("text/html,application/xhtml+xml,*/*;q=0.8", Some(Form::Sse)),
            ("text/event-stream;q=0, */*", Some(Form::Ndjson)),
            ("text/html", None),
            ("text/event-streamX", None),
            ("text/event-stream;q=0", None),
        ] {
            let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(accept))]);
            assert_eq!(Form::negotiate(&headers), form, "{accept}");
        }
        assert_eq!(Form::negotiate(&HeaderMap::new()), Some(Form::Sse));
    }
}

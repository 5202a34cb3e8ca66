//! Who may do what: rights by topic and pattern, and the proofs that only rights can make.
//!
//! Publishing takes a [`MayPublish`] and reading a [`MaySubscribe`]. A [`Grant`] makes them, and
//! the embedder's own code, which needs none, says so with [`Trusted`]: forgetting to ask does not
//! compile.

use std::fmt;
use std::sync::Arc;

use crate::event::Timestamp;
use crate::pattern::Selector;
use crate::subscription::Selection;
use crate::topic::TopicName;

/// What somebody may do, and until when.
#[derive(Clone, Debug, Default)]
pub struct Grant {
    /// Where events may be published.
    pub publish: Vec<Selector>,
    /// What may be read.
    pub subscribe: Vec<Selector>,
    /// Whether the hub's own doors are open: metrics, lists of topics, dropping history, revoking.
    pub is_admin: bool,
    /// The credential that it came from, which ends and can be taken back; `None` for rights that
    /// everybody has.
    pub lease: Option<Lease>,
}

/// A credential as far as it matters after it was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// From here on it is worth nothing.
    pub expires: Timestamp,
    /// Whose it is.
    pub credential: Arc<Credential>,
}

/// By what a credential can be taken back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Credential {
    /// The key that signed it, by what tells it from every other.
    pub key: u64,
    /// Its own id (RFC 7519 4.1.7).
    pub id: Option<String>,
    /// Who holds it (RFC 7519 4.1.2).
    pub subject: Option<String>,
    /// When it was issued (RFC 7519 4.1.6).
    pub issued: Option<Timestamp>,
}

/// What was asked for and is not granted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Denied {
    /// Publishing to a topic.
    #[error("publishing to {0:?} is not granted: ask for `publish` rights that cover it")]
    Publish(String),
    /// Reading a topic or pattern.
    #[error("subscribing to {0:?} is not granted: ask for `subscribe` rights that cover all of it")]
    Subscribe(String),
    /// What is the hub's own.
    #[error("this is the operator's: ask for `admin` rights")]
    Admin,
}

/// Proof that events may be published to a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MayPublish(TopicName);

/// Proof that what a selection names may be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MaySubscribe {
    selection: Selection,
    lease: Option<Lease>,
}

/// Proof that the hub's own doors are open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MayAdminister(());

/// The process itself: code of whoever runs the hub, which needs no grant. Nothing that a request
/// decides goes through it.
#[derive(Clone, Copy, Debug)]
pub struct Trusted;

impl Grant {
    /// Everything, for everybody.
    #[must_use]
    pub fn everything() -> Self {
        let all = Selector::parse("**").map(|all| vec![all]);
        let all = all.unwrap_or_default();
        Self {
            publish: all.clone(),
            subscribe: all,
            is_admin: true,
            lease: None,
        }
    }

    /// Asks for the right to publish to a topic.
    ///
    /// # Errors
    /// It is not granted.
    pub fn may_publish(&self, topic: TopicName) -> Result<MayPublish, Denied> {
        match self.publish.iter().any(|granted| granted.matches(&topic)) {
            true => Ok(MayPublish(topic)),
            false => Err(Denied::Publish(topic.to_string())),
        }
    }

    /// Asks for the right to read all that a selection names, now and later: a pattern is granted
    /// when one granted pattern covers every topic that it could ever match.
    ///
    /// # Errors
    /// One of its topics or patterns is not granted.
    pub fn may_subscribe(&self, selection: Selection) -> Result<MaySubscribe, Denied> {
        let is_granted = |asked: &Selector| self.subscribe.iter().any(|right| right.covers(asked));
        let topics = selection.topics.iter().cloned().map(Selector::Topic);
        let patterns = selection.patterns.iter().cloned().map(Selector::Pattern);
        let denied = topics.chain(patterns).find(|asked| !is_granted(asked));
        match denied {
            Some(denied) => Err(Denied::Subscribe(denied.to_string())),
            None => Ok(MaySubscribe {
                selection,
                lease: self.lease.clone(),
            }),
        }
    }

    /// Asks for the hub's own doors.
    ///
    /// # Errors
    /// They are not open.
    pub fn may_administer(&self) -> Result<MayAdminister, Denied> {
        match self.is_admin {
            true => Ok(MayAdminister(())),
            false => Err(Denied::Admin),
        }
    }
}

impl Trusted {
    /// May publish anywhere.
    #[must_use]
    pub fn publish(self, topic: TopicName) -> MayPublish {
        MayPublish(topic)
    }

    /// May read everything, without end.
    #[must_use]
    pub fn subscribe(self, selection: Selection) -> MaySubscribe {
        MaySubscribe {
            selection,
            lease: None,
        }
    }
}

impl MayPublish {
    /// Where.
    #[must_use]
    pub fn topic(&self) -> &TopicName {
        &self.0
    }

    pub(crate) fn into_topic(self) -> TopicName {
        self.0
    }
}

impl fmt::Display for MayPublish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl MaySubscribe {
    /// What.
    #[must_use]
    pub fn selection(&self) -> &Selection {
        &self.selection
    }

    /// What the right hangs on; `None` when it has no end.
    #[must_use]
    pub fn lease(&self) -> Option<&Lease> {
        self.lease.as_ref()
    }

    pub(crate) fn into_selection(self) -> Selection {
        self.selection
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;

    fn selectors(texts: &[&str]) -> Vec<Selector> {
        let texts = texts.iter();
        texts.map(|text| Selector::parse(text).unwrap()).collect()
    }

    fn select(texts: &[&str]) -> Selection {
        Selection::new(selectors(texts), &Limits::default()).unwrap()
    }

    #[test]
    fn what_is_not_granted_is_denied_and_named() {
        let grant = Grant {
            publish: selectors(&["a", "b/*"]),
            subscribe: selectors(&["a", "c/**"]),
            ..Grant::default()
        };
        let topic = |text| TopicName::parse(text).unwrap();
        for (text, is_granted) in [("a", true), ("b/x", true), ("b", false), ("b/x/y", false)] {
            assert_eq!(grant.may_publish(topic(text)).is_ok(), is_granted, "{text}");
        }
        for (asked, denied) in [
            (&["a"][..], None),
            (&["a", "c/x/y", "c/**", "c/*/y"], None),
            (&["a", "b/x"], Some("b/x")),
            (&["c"], Some("c")),
            (&["**"], Some("**")),
            (&["*"], Some("*")),
        ] {
            let seen = grant.may_subscribe(select(asked)).err();
            let wanted = denied.map(|denied| Denied::Subscribe(denied.to_owned()));
            assert_eq!(seen, wanted, "{asked:?}");
        }
        assert_eq!(grant.may_administer(), Err(Denied::Admin));
    }

    #[test]
    fn nobody_may_anything_until_it_is_granted() {
        let nothing = Grant::default();
        assert!(nothing.may_publish(TopicName::parse("a").unwrap()).is_err());
        assert!(nothing.may_subscribe(select(&["a"])).is_err());
        assert!(nothing.may_administer().is_err());
    }

    #[test]
    fn everything_is_every_topic_and_every_pattern() {
        let all = Grant::everything();
        assert!(all.may_publish(TopicName::parse("a/b").unwrap()).is_ok());
        assert!(
            all.may_subscribe(select(&["a", "*", "**", "a/*/b"]))
                .is_ok()
        );
        assert!(all.may_administer().is_ok());
    }
}

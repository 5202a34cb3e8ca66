//! A publication that carries a key is stored once, however often it is sent.

use fanfare_hub::{
    AppendError, Hub, IdempotencyKey, Limits, Publication, PublishError, Receipt, RetentionRules,
    Seq, Start, Timestamp,
};

use crate::fixture::{
    Bell, NOW, WHOLE, end, forget, hub, hub_with, now_or_panic, open, poll, publication, step_seqs,
};

fn send_at(
    hub: &Hub,
    name: &str,
    (key, part, fingerprint): (&str, u64, u8),
    now: Timestamp,
) -> Result<Receipt, PublishError> {
    let publication = Publication {
        idempotency: Some(IdempotencyKey {
            key: key.to_owned(),
            part,
            fingerprint: [fingerprint; 32],
        }),
        ..publication(name, &["one", "two"])
    };
    now_or_panic(hub.publish(publication, now))
}

fn send(hub: &Hub, name: &str, key: (&str, u64, u8)) -> Result<Receipt, PublishError> {
    send_at(hub, name, key, NOW)
}

#[test]
fn the_same_request_is_stored_once_and_gets_the_same_receipt() {
    let hub = hub();
    let mut cursor = open(&hub, &["a"], Start::All);
    let first = send(&hub, "a", ("k", 0, 1)).unwrap();
    assert_eq!(step_seqs(&mut cursor), [1, 2]);
    let bell = std::sync::Arc::new(Bell::default());
    assert!(poll(&mut cursor, &bell, WHOLE).is_none());
    let again = send(&hub, "a", ("k", 0, 1)).unwrap();
    let expected = Receipt {
        is_replayed: true,
        ..first.clone()
    };
    assert_eq!((again, first.is_replayed), (expected, false));
    assert_eq!((hub.log().last(), bell.rings()), (Seq(2), 0));
}

#[test]
fn a_key_that_is_used_for_another_request_is_refused() {
    let hub = hub();
    send(&hub, "a", ("k", 0, 1)).unwrap();
    assert_eq!(
        send(&hub, "a", ("k", 0, 2)),
        Err(AppendError::KeyReused.into())
    );
    assert_eq!(hub.log().last(), Seq(2));
}

#[test]
fn a_key_counts_for_its_topic_and_its_part() {
    let hub = hub();
    for (name, key) in [
        ("a", ("k", 0, 1)),
        ("a", ("k", 1, 1)),
        ("b", ("k", 0, 2)),
        ("a", ("l", 0, 3)),
    ] {
        assert!(!send(&hub, name, key).unwrap().is_replayed);
    }
    assert!(send(&hub, "a", ("k", 1, 1)).unwrap().is_replayed);
    assert_eq!(hub.log().last(), Seq(8));
}

#[test]
fn a_retry_is_answered_although_the_topic_has_ended_or_was_forgotten() {
    let hub = hub();
    let first = send(&hub, "a", ("k", 0, 1)).unwrap();
    end(&hub, "a");
    assert_eq!(send(&hub, "a", ("k", 0, 1)).unwrap().id, first.id);
    assert_eq!(
        send(&hub, "a", ("l", 0, 1)),
        Err(AppendError::TopicEnded.into())
    );
    forget(&hub, "a");
    assert_eq!(send(&hub, "a", ("k", 0, 1)).unwrap().id, first.id);
}

#[test]
fn a_refused_publication_leaves_its_key_free() {
    let hub = hub();
    end(&hub, "a");
    assert!(send(&hub, "a", ("k", 0, 1)).is_err());
    forget(&hub, "a");
    assert!(!send(&hub, "a", ("k", 0, 2)).unwrap().is_replayed);
}

#[test]
fn a_key_is_remembered_for_its_window_and_not_longer() {
    let limits = Limits::default();
    let window = u64::try_from(limits.idempotency_window.as_millis()).unwrap();
    let hub = hub_with(RetentionRules::default(), limits);
    send(&hub, "a", ("k", 0, 1)).unwrap();
    let at = |later: u64| Timestamp(NOW.0 + later);
    let inside = send_at(&hub, "a", ("k", 0, 1), at(window));
    assert!(inside.unwrap().is_replayed);
    let outside = send_at(&hub, "a", ("k", 0, 1), at(window + 1));
    assert!(!outside.unwrap().is_replayed);
}

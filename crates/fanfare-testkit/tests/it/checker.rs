//! The checker against a hub that keeps its word, and against one for each way not to: the load of
//! the campaigns over HTTP has to end with exactly the count that stands for it.

use std::sync::Arc;

use fanfare_testkit::checker::{Report, check};
use fanfare_testkit::journal::{Entry, Journal, Kept, Name, Transcript};
use fanfare_testkit::load::Load;
use fanfare_testkit::{TestHub, until};
use tokio_util::sync::CancellationToken;

use crate::broken::{BrokenLog, Fault};

/// Any will do; a failing run is repeated with it.
const SEED: u64 = 7;

/// So often has a promise to be broken, so that one that nobody noticed does not decide.
const STRIKES: u64 = 10;

/// Loads a hub over such a log until it struck often enough.
async fn journal(fault: Fault) -> Journal {
    let log = Arc::new(BrokenLog::new(fault));
    let hub = TestHub::builder().start_on(Arc::clone(&log) as _).await;
    let address = hub.address().0;
    let stop = CancellationToken::new();
    let mut load = Load::new(SEED);
    let enough = async {
        let is_enough = || async {
            let is_served = hub.app().hub().log().last().0 > 200;
            is_served && (fault == Fault::None || log.strikes() >= STRIKES)
        };
        until("enough of it", is_enough).await;
        stop.cancel();
    };
    tokio::join!(load.round(address, &stop), enough);
    log.disarm();
    load.finish(address).await
}

/// Asserts that this count is the only one that is not zero.
fn assert_only(name: &str, report: &Report) {
    assert!(report.seen > 100, "{report}");
    for (other, count) in report.counts() {
        let is_expected = (count.number > 0) == (other == name);
        assert!(
            is_expected,
            "{report}\nseed {SEED}, {other}: {:#?}",
            count.cases
        );
        assert_eq!(count.cases.is_empty(), count.number == 0);
    }
}

#[tokio::test]
async fn a_hub_that_keeps_its_word_ends_with_zeros() {
    let report = check(&journal(Fault::None).await);
    assert_only("nothing", &report);
    assert_eq!(report.gaps, 0, "{report}");
    assert!(report.is_clean());
}

#[tokio::test]
async fn an_acknowledged_event_that_is_gone_counts_as_lost() {
    assert_only("lost", &check(&journal(Fault::Forgets).await));
}

#[tokio::test]
async fn a_refused_event_that_is_there_counts_as_a_ghost() {
    assert_only("ghost", &check(&journal(Fault::StoresRefused).await));
}

#[tokio::test]
async fn an_event_that_is_there_twice_counts_as_a_duplicate() {
    assert_only("duplicate", &check(&journal(Fault::StoresTwice).await));
}

#[tokio::test]
async fn an_event_that_was_shown_and_is_gone_counts_as_aborted() {
    assert_only("aborted", &check(&journal(Fault::TakesBack).await));
}

#[tokio::test]
async fn events_that_changed_places_count_as_disorder() {
    assert_only("order", &check(&journal(Fault::Swaps).await));
}

#[tokio::test]
async fn an_event_that_was_left_out_counts_at_the_seam() {
    assert_only("seam", &check(&journal(Fault::Skips).await));
}

#[tokio::test]
async fn an_id_that_comes_twice_counts_as_not_rising() {
    assert_only("nonmonotonic", &check(&journal(Fault::Repeats).await));
}

#[tokio::test]
async fn a_journal_is_judged_the_same_when_it_was_kept_as_a_file() {
    let journal = journal(Fault::Forgets).await;
    let file = format!("fanfare-journal-{}", std::process::id());
    let file = std::env::temp_dir().join(file);
    journal.write(&file).unwrap();
    let again = Journal::read(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    assert_eq!(again, journal);
    assert_eq!(check(&again), check(&journal));
}

#[test]
fn two_subscribers_that_saw_another_order_disagree() {
    let id = |seq: u64| fanfare_hub::EventId::parse(&format!("k3v9q2-{seq}")).unwrap();
    let name = |number| Name {
        publisher: 0,
        number,
    };
    let kept = |seq, number| Kept {
        id: id(seq),
        topic: "a".to_owned(),
        name: Some(name(number)),
    };
    let transcript = |numbers: [u64; 2]| Transcript {
        selection: vec!["a".to_owned()],
        asked: Some(id(0)),
        entries: vec![
            Entry::Seen(id(1), Some(name(numbers[0]))),
            Entry::Seen(id(2), Some(name(numbers[1]))),
        ],
    };
    let journal = Journal {
        transcripts: vec![transcript([0, 1]), transcript([1, 0])],
        kept: vec![kept(1, 0), kept(2, 1)],
        ..Journal::default()
    };
    assert_eq!(check(&journal).order.number, 2);
}

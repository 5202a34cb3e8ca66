//! What publishers and operators are told of the log below: what its word is worth, and that it is
//! in trouble.

use std::sync::{Arc, Mutex};

use fanfare_hub::log::{
    AnswerTo, Feed, Located, Observer, Pending, ReadBudget, ReadRequest, Reading,
};
use fanfare_hub::{
    AppendError, Batch, Durability, Epoch, Limits, Log, MemoryLog, Receipt, RetentionRules,
    Selection, Seq, Start, Timestamp, TopicName, TopicStatus,
};
use fanfare_testkit::{Answer, Form, TestHub};
use futures_util::FutureExt;
use serde_json::Value;
use tokio_tungstenite::tungstenite::Message;

/// A memory log that speaks of its events as one on disk does, and gets into trouble when told to.
struct DiskLike {
    memory: MemoryLog,
    trouble: Mutex<Option<AppendError>>,
}

impl Log for DiskLike {
    fn durability(&self) -> Durability {
        Durability::Disk
    }
    fn append_to(&self, batch: Batch, answer: AnswerTo) {
        if let Some(trouble) = self.trouble.lock().unwrap().clone() {
            return answer.send(Err(trouble));
        }
        let stored = self.memory.append(batch).now_or_never();
        let on_disk = |receipt| Receipt {
            durability: Durability::Disk,
            ..receipt
        };
        answer.send(stored.expect("a memory log never waits").map(on_disk));
    }
    fn writable(&self) -> Result<(), AppendError> {
        self.trouble.lock().unwrap().clone().map_or(Ok(()), Err)
    }

    fn epoch(&self) -> Epoch {
        self.memory.epoch()
    }
    fn last(&self) -> Seq {
        self.memory.last()
    }
    fn read(&self, request: &ReadRequest) -> Reading {
        self.memory.read(request)
    }
    fn feed(&self, after: Seq, trims_seen: u64, budget: ReadBudget) -> Feed {
        self.memory.feed(after, trims_seen, budget)
    }

    fn locate(
        &self,
        selection: &Arc<Selection>,
        start: &Start,
        now: Timestamp,
    ) -> Pending<Located> {
        self.memory.locate(selection, start, now)
    }
    fn topic(&self, name: &TopicName) -> Pending<Option<TopicStatus>> {
        self.memory.topic(name)
    }
    fn topics(&self, after: Option<&TopicName>, limit: usize) -> Pending<Vec<TopicStatus>> {
        self.memory.topics(after, limit)
    }
    fn forget(&self, name: &TopicName) -> Pending<Result<u64, AppendError>> {
        self.memory.forget(name)
    }
    fn trim(&self, now: Timestamp) {
        self.memory.trim(now);
    }
    fn observe(&self, observer: Arc<dyn Observer>) {
        self.memory.observe(observer);
    }
}

async fn hub() -> (TestHub, Arc<DiskLike>) {
    let epoch = Epoch::from_entropy(1);
    let log = Arc::new(DiskLike {
        memory: MemoryLog::new(epoch, RetentionRules::default(), &Limits::default()),
        trouble: Mutex::new(None),
    });
    let hub = TestHub::builder()
        .start_on(Arc::<DiskLike>::clone(&log))
        .await;
    (hub, log)
}

/// The answer to a publish that the log fails with this.
pub(crate) async fn failed(trouble: AppendError) -> Answer {
    let (hub, log) = hub().await;
    *log.trouble.lock().unwrap() = Some(trouble);
    hub.post("/a", "x").send().await
}

#[tokio::test]
async fn every_answer_says_what_the_events_survive() {
    let (hub, _) = hub().await;
    let whole = hub.post("/a", "1").send().await;
    let lines = hub
        .post("/a", "2\n3\n")
        .header("content-type", "application/x-ndjson");
    let lines = lines.send().await;
    let mut pipe = hub.pipe("/a", "text/event-stream").await;
    pipe.send("data: 4\n\n").await;
    let streamed = pipe.finish().await;
    for (answer, count) in [(whole, 1), (lines, 2), (streamed, 1)] {
        assert_eq!(answer.status, 201, "{answer:?}");
        let answer = answer.json();
        assert_eq!(
            (&answer["durability"], &answer["count"]),
            (&"disk".into(), &count.into())
        );
    }
    let mut socket = hub.subscribe(Form::WebSocket, "/b").await;
    socket.opening().await;
    socket.send(Message::text(r#"{"data": "5"}"#)).await;
    loop {
        let Message::Text(text) = socket.next_message().await else {
            panic!("no acknowledgement");
        };
        let frame: Value = serde_json::from_str(&text).unwrap();
        if let Some(ack) = frame.get("ack") {
            assert_eq!(ack["durability"], "disk");
            break;
        }
    }
    assert_eq!(
        hub.fetch("/-/info").send().await.json()["durability"],
        "disk"
    );
    let metrics = hub.fetch("/-/metrics").send().await;
    assert!(
        metrics.text().contains(r#"durability="disk""#),
        "{}",
        metrics.text()
    );
}

#[tokio::test]
async fn a_batch_that_the_log_cannot_store_in_one_go_is_too_large() {
    let answer = failed(AppendError::BatchTooLarge { bytes: 2, max: 1 }).await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (413, "body_too_large")
    );
}

#[tokio::test]
async fn a_stream_that_breaks_in_doubt_says_what_is_certain() {
    let (hub, log) = hub().await;
    let mut reader = hub.subscribe(Form::Sse, "/a").await;
    let mut pipe = hub.pipe("/a", "text/event-stream").await;
    pipe.send("data: 1\n\n").await;
    let first = reader.next().await;
    *log.trouble.lock().unwrap() = Some(AppendError::Uncertain("the sync failed".to_owned()));
    pipe.send("data: 2\n\n").await;
    let answer = pipe.answer().await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (500, "partly_stored")
    );
    let problem = answer.json();
    assert_eq!(problem["cause"], "outcome_unknown");
    assert_eq!(
        (&problem["count"], &problem["id"]),
        (&1.into(), &first.id.into())
    );
}

#[tokio::test]
async fn a_hub_that_cannot_store_is_not_ready_and_says_why() {
    let (hub, log) = hub().await;
    assert_eq!(hub.fetch("/-/health/ready").send().await.status, 200);
    let trouble = AppendError::Unavailable("no space left on the disk".to_owned());
    *log.trouble.lock().unwrap() = Some(trouble);
    let answer = hub.fetch("/-/health/ready").send().await;
    assert_eq!(answer.status, 503);
    let reason = answer.json()["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains("no space left on the disk"), "{reason}");
    *log.trouble.lock().unwrap() = None;
    assert_eq!(hub.fetch("/-/health/ready").send().await.status, 200);
}

//! Goal: what is staged while the group before it is on its way to the disk counts on that group,
//! and is nothing without it.
//! Method: a disk whose writes and syncs wait until the test lets them go, well or badly.

use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use fanfare_hub::event::Kind;
use fanfare_hub::{AppendError, Batch, IdempotencyKey, Log, NewEvent, Receipt};
use fanfare_log::storage::{Identity, Storage, StoredFile};
use fanfare_log::{DiskLog, Options};
use fanfare_testkit::disk::SimDisk;

use crate::answers::Inbox;
use crate::crash::ask::{NOW, options, read_live, topic};
use crate::crash::open;
use crate::wait::DEADLINE;

/// As large as what is staged beside a sync has to be.
const LARGE: usize = 40 << 10;

/// What the test decides about a write or a sync.
type Verdict = io::Result<()>;

/// What is done to a file of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Write,
    Sync,
}

/// A disk whose files of events are held while somebody holds the other end.
struct HeldDisk {
    disk: SimDisk,
    gate: Arc<Gate>,
}

/// Tells of a step, and waits for what becomes of it.
#[derive(Default)]
struct Gate(Mutex<Option<(Sender<Step>, Receiver<Verdict>)>>);

/// The other end.
struct Hold {
    arrived: Receiver<Step>,
    verdicts: Sender<Verdict>,
}

impl Gate {
    /// Holds everything from here on, until the other end is dropped.
    fn close(&self) -> Hold {
        let ((arrive, arrived), (verdicts, verdict)) = (channel(), channel());
        *self.0.lock().unwrap() = Some((arrive, verdict));
        Hold { arrived, verdicts }
    }

    fn pass(&self, step: Step) -> Verdict {
        let mut gate = self.0.lock().unwrap();
        let Some((arrive, verdict)) = &*gate else {
            return Ok(());
        };
        let is_held = arrive.send(step).is_ok();
        match verdict.recv() {
            Ok(verdict) if is_held => verdict,
            _ => {
                *gate = None;
                Ok(())
            }
        }
    }
}

impl Hold {
    fn wait(&self, step: Step) {
        assert_eq!(self.arrived.recv_timeout(DEADLINE), Ok(step));
    }

    /// Lets it go.
    fn release(&self, verdict: Verdict) {
        self.verdicts.send(verdict).unwrap();
    }

    /// Waits for a step and has it succeed.
    fn let_pass(&self, step: Step) {
        self.wait(step);
        self.release(Ok(()));
    }
}

impl Storage for HeldDisk {
    fn names(&self) -> io::Result<Vec<String>> {
        self.disk.names()
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn StoredFile>> {
        self.disk.open(name)
    }

    fn create(&self, name: &str, len: u64) -> io::Result<Arc<dyn StoredFile>> {
        let file = self.disk.create(name, len)?;
        // Segments begin as spares; all else is the keeper's.
        let gate = name.starts_with("spare").then(|| Arc::clone(&self.gate));
        Ok(Arc::new(HeldFile { file, gate }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.disk.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.disk.remove(name)
    }

    fn sync_names(&self) -> io::Result<()> {
        self.disk.sync_names()
    }
}

struct HeldFile {
    file: Arc<dyn StoredFile>,
    gate: Option<Arc<Gate>>,
}

impl HeldFile {
    fn pass(&self, step: Step) -> Verdict {
        self.gate.as_ref().map_or(Ok(()), |gate| gate.pass(step))
    }
}

impl StoredFile for HeldFile {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_at(buf, offset)
    }

    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<()> {
        self.pass(Step::Write)?;
        self.file.write_at(buf, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.pass(Step::Sync)?;
        self.file.sync()
    }

    fn identity(&self) -> io::Result<Identity> {
        self.file.identity()
    }
}

/// A log whose group is being written.
struct Scene {
    // Dropped first, so that the log can end.
    hold: Hold,
    log: DiskLog,
    disk: SimDisk,
    inbox: Arc<Inbox>,
}

impl Scene {
    /// Topic `ended` has ended, and this is being written.
    fn begin(first: Batch) -> Self {
        let disk = SimDisk::new();
        let gate = Arc::new(Gate::default());
        let held = HeldDisk {
            disk: disk.clone(),
            gate: Arc::clone(&gate),
        };
        let log = DiskLog::open_on(Arc::new(held), settings()).unwrap();
        let inbox = Arc::<Inbox>::default();
        log.append_to(batch("ended", 1, Kind::End), inbox.token(0));
        inbox.wait_for(1);
        let hold = gate.close();
        log.append_to(first, inbox.token(1));
        hold.wait(Step::Write);
        Self {
            hold,
            log,
            disk,
            inbox,
        }
    }

    /// Has everything staged that comes behind what is being written.
    fn stage(&self, batches: impl IntoIterator<Item = Batch>) {
        for (token, batch) in (2..).zip(batches) {
            self.log.append_to(batch, self.inbox.token(token));
        }
        // Who stages refuses this at once, and comes to it last.
        let refused = batch("ended", LARGE, Kind::Published);
        self.log.append_to(refused, self.inbox.token(u64::MAX));
        let answers = self.inbox.wait_for(2);
        assert!(answers.contains(&(u64::MAX, Err(AppendError::TopicEnded))));
    }

    /// The answers to what is being written and what was staged, in that order.
    fn answers(&self, count: usize) -> Vec<Result<Receipt, AppendError>> {
        let mut answers = self.inbox.wait_for(count + 2);
        answers.sort_by_key(|(token, _)| *token);
        let answers = answers.into_iter().map(|(_, result)| result);
        answers.skip(1).take(count).collect()
    }
}

fn settings() -> Options {
    Options {
        segment_bytes: 1 << 20,
        ..options()
    }
}

/// How long the events of topic `a` are.
fn lens(log: &DiskLog) -> Vec<usize> {
    let events = read_live(log).unwrap();
    let events = events.iter().filter(|event| event.topic == topic("a"));
    events.map(|event| event.fields().data.len()).collect()
}

fn batch(name: &str, len: usize, kind: Kind) -> Batch {
    Batch {
        topic: topic(name),
        events: vec![(NewEvent::new("x".repeat(len)).encode(), kind)],
        idempotency: None,
        time: NOW,
    }
}

fn small() -> Batch {
    batch("a", 1, Kind::Published)
}

fn large() -> Batch {
    batch("a", LARGE, Kind::Published)
}

#[test]
fn what_is_staged_meanwhile_is_stored_behind_it() {
    let scene = Scene::begin(small());
    scene.stage([large(), small()]);
    scene.hold.release(Ok(()));
    scene.hold.let_pass(Step::Sync);
    scene.hold.let_pass(Step::Write);
    scene.hold.let_pass(Step::Sync);
    let answers = scene.answers(3).into_iter();
    let seqs = answers.map(|answer| answer.unwrap().id.seq.0);
    assert_eq!(seqs.collect::<Vec<_>>(), [2, 3, 4]);
    assert_eq!(lens(&scene.log), [1, LARGE, 1]);
}

#[test]
fn what_is_staged_behind_a_failed_write_is_refused_and_never_there() {
    let scene = Scene::begin(small());
    scene.stage([large()]);
    scene.hold.release(Err(io::Error::other("a bad sector")));
    // What was written of it is erased.
    scene.hold.let_pass(Step::Write);
    scene.hold.let_pass(Step::Sync);
    for answer in scene.answers(2) {
        assert!(
            matches!(answer, Err(AppendError::Unavailable(_))),
            "{answer:?}"
        );
    }
    drop(scene.hold);
    scene
        .log
        .append_to(batch("a", 2, Kind::Published), scene.inbox.token(9));
    let answers = scene.inbox.wait_for(5);
    let (_, last) = answers.iter().find(|(token, _)| *token == 9).unwrap();
    assert_eq!(last.as_ref().unwrap().id.seq.0, 2, "no seq is left out");
    assert_eq!(lens(&scene.log), [2]);
    drop(scene.log);
    let log = open(&scene.disk.kill(), &settings()).unwrap();
    assert_eq!(lens(&log), [2]);
}

#[test]
fn what_is_staged_behind_a_failed_sync_is_refused_and_never_there() {
    let scene = Scene::begin(small());
    scene.stage([large()]);
    scene.hold.release(Ok(()));
    scene.hold.wait(Step::Sync);
    scene.hold.release(Err(io::Error::other("a bad sector")));
    let answers = scene.answers(2);
    let kinds = (&answers[0], &answers[1]);
    assert!(
        matches!(
            kinds,
            (
                Err(AppendError::Uncertain(_)),
                Err(AppendError::Unavailable(_))
            )
        ),
        "{answers:?}"
    );
    drop((scene.hold, scene.log));
    let log = open(&scene.disk.kill(), &settings()).unwrap();
    assert!(!lens(&log).contains(&LARGE));
}

#[test]
fn a_topic_that_is_being_ended_takes_nothing() {
    let scene = Scene::begin(batch("a", 1, Kind::End));
    scene.log.append_to(large(), scene.inbox.token(2));
    // It is refused before anybody knows whether the end will be stored.
    let answers = scene.inbox.wait_for(2);
    assert!(answers.contains(&(2, Err(AppendError::TopicEnded))));
}

#[test]
fn a_retry_of_what_is_being_stored_waits_for_it_and_stores_nothing() {
    let key = IdempotencyKey {
        key: "once".to_owned(),
        part: 0,
        fingerprint: [7; 32],
    };
    let keyed = || Batch {
        idempotency: Some(key.clone()),
        ..large()
    };
    let scene = Scene::begin(keyed());
    scene.stage([keyed()]);
    assert_eq!(scene.inbox.wait_for(2).len(), 2, "nobody is answered yet");
    scene.hold.release(Ok(()));
    scene.hold.let_pass(Step::Sync);
    let answers = scene.answers(2).into_iter();
    let receipts: Vec<_> = answers.map(Result::unwrap).collect();
    assert_eq!(receipts[0].id, receipts[1].id);
    assert!(!receipts[0].is_replayed && receipts[1].is_replayed);
    assert_eq!(lens(&scene.log), [LARGE]);
}

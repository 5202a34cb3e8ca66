//! Goal: whichever operation of the disk fails, and however, nothing that was acknowledged is lost,
//! nothing that was refused appears, and what can heal heals by itself.
//! Method: the N-th operation of each kind fails, for every N until none does, while somebody works
//! with the log; then the log is read as it is, after a killed process and after a power cut.

use std::thread;
use std::time::{Duration, Instant};

use fanfare_hub::{AppendError, Log, Retention, RetentionRules};
use fanfare_log::{DiskLog, Options};
use fanfare_testkit::disk::{Fault, Op, SimDisk};
use fastrand::Rng;

use crate::crash::ask::{options, read_all, read_live};
use crate::crash::check::{check, check_it_goes_on};
use crate::crash::model::{Model, Outcome};
use crate::crash::open;
use crate::crash::work::{Health, Work};
use crate::wait::wait;

/// Things done to a log after the fault.
const STEPS: usize = 25;
/// Disks looked at of those that a power cut after the fault may leave.
const STATES: u64 = 2;
/// Operations of one kind that are tried at most; a life has fewer.
const OPS_MAX: u64 = 2_000;
/// Longer than it takes to notice that a disk has room again.
const HEALED_BY: Duration = Duration::from_secs(10);

/// A log on a disk of which one operation fails.
struct Case {
    op: Op,
    number: u64,
    fault: Fault,
    model: Model,
    rng: Rng,
}

impl Case {
    /// `false` when there are not so many operations.
    fn run(&mut self) -> Result<bool, String> {
        let disk = SimDisk::new();
        disk.fail_at(Some(self.op), self.number, self.fault);
        let log = match open(&disk, &options()) {
            Ok(log) => log,
            Err(error) if !disk.has_failed() => return Err(format!("a start fails: {error}")),
            // The next start finds a sound disk.
            Err(_) => open(&disk, &options()).map_err(|error| format!("again: {error}"))?,
        };
        let is_poisoned = self.work(&log, &disk)?;
        let events = read_live(&log)?;
        self.model.all_seen(&events, log.epoch())?;
        if !is_poisoned {
            heal(&log, &mut self.model, &mut self.rng)?;
        }
        drop(log);
        self.look(&disk.kill())
            .map_err(|error| format!("after a restart: {error}"))?;
        for seed in 0..STATES {
            self.look(&disk.crash(seed))
                .map_err(|error| format!("after power cut {seed}: {error}"))?;
        }
        Ok(disk.has_failed())
    }

    /// Works on, whatever fails. Answers whether the log takes no events any more.
    fn work(&mut self, log: &DiskLog, disk: &SimDisk) -> Result<bool, String> {
        let mut work = Work::new(log, &mut self.model, &mut self.rng);
        for _ in 0..STEPS {
            if work.step()? == Health::Failing && !disk.has_failed() {
                return Err("a sound disk is told to fail".to_owned());
            }
            if is_poisoned(log) {
                return check_poisoned(&mut work).map(|()| true);
            }
        }
        Ok(false)
    }

    fn look(&mut self, disk: &SimDisk) -> Result<(), String> {
        let log = open(disk, &options()).map_err(|error| format!("a start fails: {error}"))?;
        let mut model = self.model.clone();
        check(&log, &mut model, &mut self.rng)?;
        check_it_goes_on(&log, &mut model, &mut self.rng)
    }
}

/// Whether only a restart helps.
fn is_poisoned(log: &DiskLog) -> bool {
    let error = log.writable().err().map(|error| error.to_string());
    error.is_some_and(|error| error.contains("restart"))
}

/// A log that does not know what is on its disk acknowledges nothing, and goes on being read.
fn check_poisoned(work: &mut Work<'_>) -> Result<(), String> {
    for topic in 0..3 {
        let number = work.attempt(topic, 2, false);
        if work.publish(&[number])? != Health::Failing
            && matches!(work.model.attempts[number].outcome, Outcome::Stored(_))
        {
            return Err("poisoned, and yet it acknowledges".to_owned());
        }
    }
    match work.log.writable() {
        Err(AppendError::Unavailable(_)) => Ok(()),
        other => Err(format!("poisoned, and yet {other:?}")),
    }
}

/// Publishes until it is stored.
fn heal(log: &DiskLog, model: &mut Model, rng: &mut Rng) -> Result<(), String> {
    let start = Instant::now();
    loop {
        match check_it_goes_on(log, model, rng) {
            Ok(()) => return Ok(()),
            // The fault struck only now.
            Err(_) if is_poisoned(log) => return Ok(()),
            Err(error) if start.elapsed() > HEALED_BY => {
                return Err(format!("no healing: {error}"));
            }
            Err(_) => thread::park_timeout(Duration::from_millis(5)),
        }
    }
}

fn every_operation_fails(op: Op, faults: &[Fault]) {
    for &fault in faults {
        for number in 0.. {
            assert!(number < OPS_MAX, "a life without end");
            let mut case = Case {
                op,
                number,
                fault,
                model: Model::default(),
                rng: Rng::with_seed(number),
            };
            match case.run() {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => panic!("{error}\n  {op:?} {number} fails: {fault:?}"),
            }
        }
    }
}

#[test]
fn any_write_may_fail() {
    every_operation_fails(Op::Write, &[Fault::Broken, Fault::Full, Fault::Short]);
}

#[test]
fn any_sync_may_fail() {
    every_operation_fails(Op::Sync, &[Fault::Broken, Fault::Full]);
}

#[test]
fn any_file_may_not_be_created() {
    every_operation_fails(Op::Create, &[Fault::Broken, Fault::Full]);
}

#[test]
fn any_rename_or_removal_may_fail() {
    every_operation_fails(Op::Rename, &[Fault::Broken, Fault::Full]);
    every_operation_fails(Op::Remove, &[Fault::Broken]);
}

#[test]
fn any_sync_of_names_may_fail() {
    every_operation_fails(Op::SyncNames, &[Fault::Broken, Fault::Full]);
}

#[test]
fn a_failed_sync_ends_all_acknowledging_until_a_restart() {
    let disk = SimDisk::new();
    let (mut model, mut rng) = (Model::default(), Rng::with_seed(1));
    let log = open(&disk, &options()).unwrap();
    check_it_goes_on(&log, &mut model, &mut rng).unwrap();
    disk.fail_at(Some(Op::Sync), disk.ops(Some(Op::Sync)), Fault::Broken);
    let mut work = Work::new(&log, &mut model, &mut rng);
    let number = work.attempt(0, 1, false);
    let answer = wait(log.append(work.model.attempts[number].batch()));
    assert!(
        matches!(answer, Err(AppendError::Uncertain(_))),
        "{answer:?}"
    );
    work.model.attempts[number].sent();
    check_poisoned(&mut work).unwrap();
    let error = log.writable().unwrap_err().to_string();
    assert!(error.contains("sync failed"), "{error}");
    assert_eq!(read_all(&log).unwrap().len(), 2);
    drop(log);
    let log = open(&disk.kill(), &options()).unwrap();
    check(&log, &mut model, &mut rng).unwrap();
    check_it_goes_on(&log, &mut model, &mut rng).unwrap();
}

/// A log that keeps everything, on a disk of so many bytes.
fn on_small_disk(bytes: u64) -> (SimDisk, Options) {
    let unbounded = Options {
        retention: RetentionRules {
            hub: Retention::UNBOUNDED,
            ..RetentionRules::default()
        },
        ..options()
    };
    (SimDisk::with_capacity(bytes), unbounded)
}

/// Publishes until the disk is full.
fn fill(log: &DiskLog, model: &mut Model, rng: &mut Rng) {
    let mut work = Work::new(log, model, rng);
    for _ in 0..10_000 {
        let number = work.attempt(0, 3, false);
        if work.publish(&[number]).unwrap() == Health::Failing {
            let outcome = work.model.attempts[number].outcome;
            assert_eq!(outcome, Outcome::Refused, "a full disk stores nothing");
            return;
        }
    }
    panic!("the disk is never full");
}

#[test]
fn a_full_disk_refuses_events_goes_on_being_read_and_heals_by_itself() {
    let (disk, options) = on_small_disk(200_000);
    let (mut model, mut rng) = (Model::default(), Rng::with_seed(1));
    let log = open(&disk, &options).unwrap();
    for _ in 0..3 {
        fill(&log, &mut model, &mut rng);
        let events = read_all(&log).unwrap();
        model.all_seen(&events, log.epoch()).unwrap();
        assert_eq!(events.last().unwrap().seq, model.last());
        let error = log.writable().unwrap_err();
        assert!(matches!(error, AppendError::Unavailable(_)), "{error}");
        disk.free(100_000);
        heal(&log, &mut model, &mut rng).unwrap();
        log.writable().unwrap();
    }
}

#[test]
fn a_full_disk_can_be_opened_and_read() {
    let (disk, options) = on_small_disk(200_000);
    let (mut model, mut rng) = (Model::default(), Rng::with_seed(1));
    let log = open(&disk, &options).unwrap();
    fill(&log, &mut model, &mut rng);
    disk.fill();
    drop(log);
    for left in [disk.kill(), disk.crash(1)] {
        left.fill();
        let log = open(&left, &options).unwrap();
        let events = read_all(&log).unwrap();
        assert_eq!(events.last().unwrap().seq, model.last());
        left.free(100_000);
        heal(&log, &mut model.clone(), &mut rng).unwrap();
    }
}

#[test]
fn what_a_failed_write_left_behind_is_not_taken_for_what_follows() {
    for seed in 0..100 {
        let disk = SimDisk::new();
        let (mut model, mut rng) = (Model::default(), Rng::with_seed(seed));
        let log = open(&disk, &options()).unwrap();
        check_it_goes_on(&log, &mut model, &mut rng).unwrap();
        disk.fail_at(Some(Op::Write), disk.ops(Some(Op::Write)), Fault::Short);
        let mut work = Work::new(&log, &mut model, &mut rng);
        let numbers: Vec<usize> = (0..6).map(|_| work.attempt(0, 2, false)).collect();
        work.publish(&numbers).unwrap();
        // The first one again, at the same place: what lay behind it may still be there when the
        // power goes.
        disk.fail_at(Some(Op::Sync), disk.ops(Some(Op::Sync)), Fault::Freeze);
        work.publish(&numbers[..1]).unwrap();
        drop(log);
        for state in 0..16 {
            let log = open(&disk.crash(state), &options()).unwrap();
            let checked = check(&log, &mut model.clone(), &mut rng);
            checked.unwrap_or_else(|error| panic!("seed {seed}, power cut {state}: {error}"));
        }
    }
}

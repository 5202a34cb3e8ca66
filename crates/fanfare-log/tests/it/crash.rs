//! Goal: whatever moment the power goes, and whatever the disk had not yet taken over, a start
//! finds every event that was acknowledged or seen, none that was refused, and no gap untold.
//! Method: somebody works with a log on a simulated disk that freezes at its N-th operation, for
//! every N; of every frozen disk several that the crash may leave are opened and held against a
//! model of what was answered. A failure prints its case; `FANFARE_SEED=seed,operation` runs that
//! one alone (threads take turns as they like, so that it may take a few runs), and
//! `FANFARE_ROUNDS=N` runs so many seeds instead of one.

pub(crate) mod ask;
pub(crate) mod check;
pub(crate) mod model;
pub(crate) mod work;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::{env, thread};

use fanfare_hub::{Durability, Log};
use fanfare_log::{DiskLog, OpenError, Options};
use fanfare_testkit::disk::{Fault, SimDisk};
use fastrand::Rng;

use self::ask::options;
use self::check::{check, check_it_goes_on};
use self::model::Model;
use self::work::{Health, Work};

/// Things done to a log between two crashes.
const STEPS: usize = 50;
/// Crashes in the life of one disk.
const CRASHES: usize = 3;
/// Disks looked at of those that one crash may leave.
const STATES: u64 = 10;
/// Operations of a start, roughly: crashes among them are tried more often than by chance.
const START_OPS: u64 = 16;
/// Operations tried at most; a life has fewer.
const OPS_MAX: u64 = 4_000;

pub(crate) fn open(disk: &SimDisk, options: &Options) -> Result<DiskLog, OpenError> {
    DiskLog::open_on(Arc::new(disk.clone()), options.clone())
}

/// One disk with its crashes.
struct Life {
    options: Options,
    model: Model,
    rng: Rng,
    /// Disks that were opened and checked.
    states: u64,
}

impl Life {
    fn new(options: Options, seed: u64) -> Self {
        Self {
            options,
            model: Model::default(),
            rng: Rng::with_seed(seed),
            states: 0,
        }
    }

    /// Lives until the first crash at the given operation, and on through others. `false` when
    /// there are not so many operations.
    fn run(&mut self, cut: u64) -> Result<bool, String> {
        let mut disk = SimDisk::new();
        let mut cut = cut;
        for crash in 0..CRASHES {
            disk.fail_from(None, cut, Fault::Freeze);
            self.work(&disk)?;
            let is_cut = disk.has_failed();
            for state in 0..STATES {
                self.look(&disk.crash(state), state)
                    .map_err(|error| format!("crash {crash}, state {state}: {error}"))?;
            }
            self.look(&disk.kill(), 0)
                .map_err(|error| format!("crash {crash}, killed: {error}"))?;
            if !is_cut {
                return Ok(crash > 0);
            }
            disk = disk.crash(self.rng.u64(..));
            cut = match self.rng.bool() {
                true => self.rng.u64(..START_OPS),
                false => self.rng.u64(..200),
            };
        }
        Ok(true)
    }

    /// Works with the log until the disk freezes.
    fn work(&mut self, disk: &SimDisk) -> Result<(), String> {
        let log = match open(disk, &self.options) {
            Ok(log) => log,
            Err(_) if disk.has_failed() => return Ok(()),
            Err(error) => return Err(format!("a start fails: {error}")),
        };
        let mut model = self.model.clone();
        match check(&log, &mut model, &mut self.rng) {
            Ok(()) => self.model = model,
            Err(_) if disk.has_failed() => return Ok(()),
            Err(error) => return Err(format!("after a start: {error}")),
        }
        let mut work = Work::new(&log, &mut self.model, &mut self.rng);
        for _ in 0..STEPS {
            let step = work.step();
            let is_cut = disk.has_failed();
            match step {
                Ok(Health::Failing) if !is_cut => {
                    let reason = log.writable();
                    return Err(format!("a sound disk is told to fail: {reason:?}"));
                }
                Err(error) if !is_cut || error.contains("panicked") => return Err(error),
                _ if is_cut => return Ok(()),
                _ => {}
            }
        }
        Ok(())
    }

    /// Opens one of the disks that the crash may leave, and checks it.
    fn look(&mut self, disk: &SimDisk, state: u64) -> Result<(), String> {
        self.states += 1;
        let mut left = disk.clone();
        // A crash while the log recovers from one.
        if state % 3 == 2 {
            left.fail_from(None, self.rng.u64(..START_OPS), Fault::Freeze);
            drop(open(&left, &self.options));
            left = left.crash(state);
        }
        let mut model = self.model.clone();
        let log = open(&left, &self.options).map_err(|error| format!("a start fails: {error}"))?;
        check(&log, &mut model, &mut self.rng)?;
        if state.is_multiple_of(2) {
            check_it_goes_on(&log, &mut model, &mut self.rng)
                .map_err(|error| format!("going on: {error}"))?;
        }
        drop(log);
        if state.is_multiple_of(4) {
            let log = open(&left.kill(), &self.options);
            let log = log.map_err(|error| format!("the next start fails: {error}"))?;
            check(&log, &mut model, &mut self.rng)
                .map_err(|error| format!("after the next start: {error}"))?;
        }
        Ok(())
    }
}

/// A number from the environment.
fn number(name: &str) -> Option<u64> {
    env::var(name).ok()?.parse().ok()
}

/// Runs lives that end at every operation, on all cores. Answers how many disks were looked at.
fn all_lives(options: &Options, seed: u64) -> u64 {
    let (next, states, is_over) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
    let work = || {
        while !is_over.load(Ordering::Relaxed) {
            let cut = next.fetch_add(1, Ordering::Relaxed);
            assert!(cut < OPS_MAX, "a life without end");
            let (has_more, looked_at) = one_life(options, seed, cut);
            states.fetch_add(looked_at, Ordering::Relaxed);
            if !has_more {
                is_over.store(true, Ordering::Relaxed);
            }
        }
    };
    thread::scope(|scope| {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        for thread in threads {
            if let Err(panic) = thread.join() {
                std::panic::resume_unwind(panic);
            }
        }
    });
    states.into_inner()
}

fn one_life(options: &Options, seed: u64, cut: u64) -> (bool, u64) {
    let mut life = Life::new(options.clone(), seed ^ (cut << 32));
    match life.run(cut) {
        Ok(has_more) => (has_more, life.states),
        Err(error) => panic!(
            "{error}\n  seed {seed}, power cut at operation {cut}; again:\n  \
             FANFARE_SEED={seed},{cut} cargo test -p fanfare-log --test it crash"
        ),
    }
}

#[test]
fn a_power_cut_at_any_operation_loses_nothing_that_was_acknowledged() {
    let options = options();
    if let Ok(case) = env::var("FANFARE_SEED")
        && let Some((seed, cut)) = case.split_once(',')
    {
        one_life(&options, seed.parse().unwrap(), cut.parse().unwrap());
        return;
    }
    for seed in 0..number("FANFARE_ROUNDS").unwrap_or(1) {
        let states = all_lives(&options, seed);
        println!("seed {seed}: {states} states");
        assert!(
            states > 1_000,
            "only {states} states: the life is too short"
        );
    }
}

#[test]
fn a_killed_process_loses_nothing_that_was_acknowledged_at_either_level() {
    for (seed, durability) in [(1, Durability::Disk), (2, Durability::Written)] {
        let options = Options {
            durability,
            ..options()
        };
        let mut life = Life::new(options, seed);
        let mut disk = SimDisk::new();
        for round in 0..40 {
            let cut = life.rng.u64(..300);
            disk.fail_from(None, cut, Fault::Freeze);
            let lived = life.work(&disk);
            disk = disk.kill();
            let looked = lived.and_then(|()| life.look(&disk.kill(), 0));
            if let Err(error) = looked {
                panic!("level {}, round {round}: {error}", durability.as_str());
            }
        }
    }
}

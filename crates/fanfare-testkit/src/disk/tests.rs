//! The simulated disk must not be kinder than a real one, and not crueller than it may be.

use std::collections::BTreeSet;

use super::*;

/// Seeds tried where every outcome has to be met; each is one in at least eight.
const SEEDS: u64 = 400;

/// The first byte of every sector of a file in every disk that a crash may leave.
fn outcomes(disk: &SimDisk, name: &str) -> BTreeSet<Option<Vec<u8>>> {
    let contents = (0..SEEDS).map(|seed| disk.crash(seed).contents(name));
    let firsts = contents
        .map(|contents| contents.map(|bytes| bytes.chunks(512).map(|sector| sector[0]).collect()));
    firsts.collect()
}

/// A disk with one durable file of so many bytes.
fn with_file(len: u64) -> (SimDisk, Arc<dyn StoredFile>) {
    let disk = SimDisk::new();
    let file = disk.create("a", len).unwrap();
    file.sync().unwrap();
    disk.sync_names().unwrap();
    (disk, file)
}

#[test]
fn what_was_synced_is_there_after_every_crash() {
    let (disk, file) = with_file(1_024);
    file.write_at(&[1; 1_024], 0).unwrap();
    file.sync().unwrap();
    assert_eq!(outcomes(&disk, "a"), [Some(vec![1, 1])].into());
}

#[test]
fn what_was_not_synced_is_there_in_any_part_but_sectors_are_whole() {
    let (disk, file) = with_file(1_024);
    file.write_at(&[1; 1_024], 0).unwrap();
    file.write_at(&[2; 512], 512).unwrap();
    let mut all = BTreeSet::new();
    for first in 0..2 {
        for second in 0..3 {
            all.insert(Some(vec![first, second]));
        }
    }
    assert_eq!(outcomes(&disk, "a"), all);
    for seed in 0..SEEDS {
        let contents = disk.crash(seed).contents("a").unwrap();
        let mut sectors = contents.chunks(512);
        assert!(sectors.all(|sector| sector.iter().all(|byte| *byte == sector[0])));
    }
    assert_eq!(disk.kill().contents("a").unwrap()[512], 2);
}

#[test]
fn a_write_across_two_sectors_can_be_torn() {
    let (disk, file) = with_file(1_024);
    file.write_at(&[7; 512], 256).unwrap();
    let ends = (0..SEEDS).map(|seed| {
        let contents = disk.crash(seed).contents("a").unwrap();
        (contents[511], contents[512])
    });
    let ends: BTreeSet<_> = ends.collect();
    assert_eq!(ends, [(0, 0), (0, 7), (7, 0), (7, 7)].into());
}

#[test]
fn a_failed_sync_loses_what_a_later_one_does_not_bring_back() {
    let (disk, file) = with_file(1_024);
    file.write_at(&[1; 512], 0).unwrap();
    disk.fail_at(Some(Op::Sync), disk.ops(Some(Op::Sync)), Fault::Broken);
    file.sync().unwrap_err();
    file.write_at(&[2; 512], 512).unwrap();
    file.sync().unwrap();
    assert_eq!(disk.kill().contents("a").unwrap()[0], 1);
    let all = [Some(vec![0, 2]), Some(vec![1, 2])];
    assert_eq!(outcomes(&disk, "a"), all.into());
}

#[test]
fn a_synced_file_without_a_synced_name_may_be_gone() {
    let disk = SimDisk::new();
    let file = disk.create("a", 512).unwrap();
    file.write_at(&[1; 512], 0).unwrap();
    file.sync().unwrap();
    assert_eq!(outcomes(&disk, "a"), [None, Some(vec![1])].into());
    disk.sync_names().unwrap();
    assert_eq!(outcomes(&disk, "a"), [Some(vec![1])].into());
}

#[test]
fn a_rename_happens_whole_or_not() {
    let (disk, file) = with_file(512);
    file.write_at(&[1; 512], 0).unwrap();
    file.sync().unwrap();
    disk.create("b", 512).unwrap().sync().unwrap();
    disk.sync_names().unwrap();
    disk.rename("a", "b").unwrap();
    let left = (0..SEEDS).map(|seed| {
        let disk = disk.crash(seed);
        let byte = |name| disk.contents(name).map(|bytes| bytes[0]);
        (byte("a"), byte("b"))
    });
    let left: BTreeSet<_> = left.collect();
    assert_eq!(left, [(Some(1), Some(0)), (None, Some(1))].into());
}

#[test]
fn a_removed_file_may_come_back() {
    let (disk, _file) = with_file(512);
    disk.remove("a").unwrap();
    assert!(disk.contents("a").is_none());
    assert_eq!(outcomes(&disk, "a"), [None, Some(vec![0])].into());
}

#[test]
fn a_frozen_disk_changes_no_more() {
    let (disk, file) = with_file(512);
    disk.fail_at(None, disk.ops(None), Fault::Freeze);
    file.write_at(&[1; 512], 0).unwrap_err();
    file.sync().unwrap_err();
    disk.create("a", 1).err().unwrap();
    disk.remove("a").unwrap_err();
    file.read_at(&mut [0], 0).unwrap_err();
    assert_eq!(outcomes(&disk, "a"), [Some(vec![0])].into());
    assert!(disk.has_failed());
}

#[test]
fn faults_strike_the_operation_they_are_planned_for() {
    let (disk, file) = with_file(512);
    disk.fail_at(Some(Op::Write), 1, Fault::Short);
    file.write_at(&[1; 4], 0).unwrap();
    let error = file.write_at(&[2; 4], 0).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StorageFull);
    assert_eq!(disk.contents("a").unwrap()[..4], [2, 2, 1, 1]);
    file.write_at(&[3; 4], 0).unwrap();
    disk.fail_from(Some(Op::Rename), 0, Fault::Broken);
    disk.rename("a", "b").unwrap_err();
    disk.rename("a", "b").unwrap_err();
    disk.heal();
    disk.rename("a", "b").unwrap();
    assert_eq!(disk.ops(Some(Op::Rename)), 3);
}

#[test]
fn a_full_disk_has_room_again_when_some_is_freed() {
    let disk = SimDisk::with_capacity(1_000);
    let file = disk.create("a", 600).unwrap();
    let error = disk.create("b", 600).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::StorageFull);
    assert!(disk.contents("b").is_none());
    file.write_at(&[1; 600], 0).unwrap();
    file.write_at(&[1; 600], 500).unwrap_err();
    disk.create("a", 1_000).unwrap();
    disk.free(600);
    disk.create("b", 600).unwrap();
    disk.fill();
    disk.create("c", 1).err().unwrap();
}

#[test]
fn one_seed_means_one_outcome() {
    let (disk, file) = with_file(64 * 512);
    file.write_at(&[1; 60 * 512], 700).unwrap();
    for name in ["b", "c", "d"] {
        disk.create(name, 4_096).unwrap();
    }
    for seed in 0..50 {
        let (one, two) = (disk.crash(seed), disk.crash(seed));
        for name in ["a", "b", "c", "d"] {
            assert_eq!(one.contents(name), two.contents(name), "seed {seed}");
        }
    }
}

#[test]
fn a_copy_is_the_same_bytes_in_another_file() {
    let (disk, file) = with_file(512);
    let copied = disk.copy().open("a").unwrap();
    assert_ne!(copied.identity().unwrap(), file.identity().unwrap());
    let restarted = disk.kill().open("a").unwrap();
    assert_eq!(restarted.identity().unwrap(), file.identity().unwrap());
}

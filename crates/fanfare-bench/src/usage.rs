//! What processes cost: their CPU time and memory, and those of their children, from `/proc`.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};

/// CPU time of processes, all their threads and children, so far. The clock of the scheduler is
/// exact; that of `stat` counts ticks.
///
/// # Errors
///
/// There is no such process, or this system has no `/proc`.
pub fn cpu(pids: &[u32]) -> Result<Duration> {
    let mut sum = Duration::ZERO;
    for pid in family(pids)? {
        for task in tasks(pid)? {
            // A thread may have ended since it was listed.
            let times = fs::read_to_string(format!("{task}/schedstat")).unwrap_or_default();
            let ns = times.split_whitespace().next().unwrap_or("0");
            sum += Duration::from_nanos(ns.parse()?);
        }
    }
    Ok(sum)
}

/// Resident memory of processes and their children, in bytes, files left out. What several of
/// them share counts once.
///
/// # Errors
///
/// There is no such process, or this system has no `/proc`.
pub fn memory(pids: &[u32]) -> Result<u64> {
    let mut sum = 0;
    for pid in family(pids)? {
        let path = format!("/proc/{pid}/smaps_rollup");
        let text = fs::read_to_string(&path).with_context(|| path.clone())?;
        for kind in ["Pss_Anon:", "Pss_Shmem:"] {
            let line = text.lines().find(|line| line.starts_with(kind));
            let kib = line.and_then(|line| line.split_whitespace().nth(1));
            sum += 1_024 * kib.context("a process without memory")?.parse::<u64>()?;
        }
    }
    Ok(sum)
}

/// CPU time of this thread so far.
///
/// # Errors
///
/// This system has no `/proc`.
pub fn own_cpu() -> Result<Duration> {
    let times = fs::read_to_string("/proc/thread-self/schedstat")?;
    let ns = times.split_whitespace().next().unwrap_or("0");
    Ok(Duration::from_nanos(ns.parse()?))
}

/// Processes and all their children, each once.
///
/// # Errors
///
/// There is no such process, or this system has no `/proc`.
pub fn family(pids: &[u32]) -> Result<Vec<u32>> {
    let mut family = pids.to_vec();
    for pid in pids {
        tasks(*pid)?;
    }
    let mut at = 0;
    while let Some(pid) = family.get(at).copied() {
        at += 1;
        // A child may have ended since it was listed.
        for task in tasks(pid).unwrap_or_default() {
            let children = fs::read_to_string(format!("{task}/children")).unwrap_or_default();
            let children: Result<Vec<u32>, _> =
                children.split_whitespace().map(str::parse).collect();
            let is_new = |child: &u32| !family.contains(child);
            let new: Vec<_> = children?.into_iter().filter(is_new).collect();
            family.extend(new);
        }
    }
    Ok(family)
}

fn tasks(pid: u32) -> Result<Vec<String>> {
    let folder = format!("/proc/{pid}/task");
    let listed = fs::read_dir(&folder).with_context(|| format!("there is no process {pid}"))?;
    listed
        .map(|task| Ok(task?.path().to_string_lossy().into_owned()))
        .collect()
}

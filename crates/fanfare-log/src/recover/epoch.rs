//! Whether the ids that were given out still mean what they meant. If not, a new epoch begins.

use std::io;
use std::sync::Arc;

use fanfare_hub::{Durability, Epoch, Seq};

use super::Findings;
use crate::mark::{self, Mark};
use crate::storage::{Storage, StoredFile};

/// The mark of the last start, and the files that starts have left.
pub(crate) struct Marks {
    file: Option<Arc<dyn StoredFile>>,
    mark: Option<Mark>,
    /// Names of the files of earlier starts.
    starts: Vec<String>,
    /// Whether the only start that took effect is the one that wrote the mark.
    is_same_run: bool,
    is_new_folder: bool,
    boot: [u8; 16],
    entropy: u64,
}

impl Marks {
    pub(crate) fn read(storage: &dyn Storage, names: &[String]) -> Self {
        let file = storage.open(mark::NAME).ok();
        let mark = file.as_ref().and_then(|file| Mark::read(&**file));
        let starts = names.iter().filter(|name| mark::is_start_name(name));
        let starts: Vec<_> = starts.cloned().collect();
        let own = mark.map(|mark| mark::start_name(mark.start));
        let before = own.as_ref().and_then(|own| earlier(storage, own));
        // A start that crashed half-way leaves the files of those before it, which it knows. One
        // that took effect and is none of them came later: the mark is that of an older copy.
        let is_same_run = before.is_some_and(|before| {
            let mut others = starts.iter().filter(|name| Some(*name) != own.as_ref());
            others.all(|name| before.contains(name) || !took_effect(storage, name))
        });
        let is_ours = |name: &&String| crate::header::base_of(name).is_some();
        Self {
            file,
            mark,
            is_same_run,
            is_new_folder: !names.iter().any(|name| is_ours(&name)) && starts.is_empty(),
            starts,
            boot: boot(),
            entropy: entropy(),
        }
    }

    /// Everything up to here was durable, and may have been acknowledged.
    pub(crate) fn durable(&self) -> Seq {
        self.mark.map_or(Seq::ZERO, |mark| mark.durable)
    }

    /// Everything up to here was dropped.
    pub(crate) fn floor(&self) -> Seq {
        self.mark.map_or(Seq::ZERO, |mark| mark.floor)
    }

    /// The epoch of the last start.
    pub(crate) fn present_epoch(&self) -> Epoch {
        // Where there is none, the drawn one is new in any case.
        self.mark
            .map_or_else(|| Epoch::from_entropy(!self.drawn()), |mark| mark.epoch)
    }

    fn drawn(&self) -> u32 {
        self.entropy as u32
    }

    /// Why the epoch cannot go on, as far as the mark tells.
    pub(crate) fn doubt(&self) -> Option<&'static str> {
        if self.is_new_folder {
            return None;
        }
        let Some(mark) = self.mark else {
            return Some("the mark is damaged or missing");
        };
        if !self.is_same_run {
            return Some("an older copy was put over the files");
        }
        let is_crash_of_machine = !mark.is_closed && mark.boot != self.boot;
        (mark.durability != Durability::Disk && is_crash_of_machine)
            .then_some("the machine went down while events were not synced")
    }

    /// The epoch from now on.
    pub(crate) fn epoch(&self, findings: &Findings) -> Epoch {
        let is_sound = findings.doubt.is_none() && self.doubt().is_none();
        match self.mark {
            Some(mark) if is_sound => mark.epoch,
            _ => {
                let drawn = Epoch::from_entropy(self.drawn());
                // A draw in a thousand million repeats the present one; the next number does not.
                match self.mark {
                    Some(mark) if mark.epoch == drawn => {
                        Epoch::from_entropy(self.drawn().wrapping_add(1))
                    }
                    _ => drawn,
                }
            }
        }
    }

    /// Writes the mark of this start, and makes its own file the only one.
    pub(crate) fn begin(
        self,
        storage: &dyn Storage,
        chosen: (Epoch, Durability, Seq),
    ) -> io::Result<(Mark, Arc<dyn StoredFile>)> {
        let (epoch, durability, durable) = chosen;
        let (start, own) = match self.own_file(storage) {
            Ok(own) => (self.entropy, Some(own)),
            Err(error) => match self.mark.filter(|_| self.is_same_run) {
                // A full disk has no room for it and can be read all the same: this start goes on
                // as the one before.
                Some(mark) if error.kind() == io::ErrorKind::StorageFull => (mark.start, None),
                _ => return Err(error),
            },
        };
        let file = match self.file.clone() {
            Some(file) => file,
            None => Mark::create(storage)?,
        };
        storage.sync_names()?;
        let mark = Mark {
            count: self.mark.map_or(1, |mark| mark.count + 1),
            durable,
            floor: self.floor(),
            start,
            boot: self.boot,
            epoch,
            durability,
            is_closed: false,
        };
        mark.write(&*file)?;
        let Some(own) = own else {
            return Ok((mark, file));
        };
        // From here on this start counts: a mark of an earlier one is a copy.
        own.write_at(&[1], 0)?;
        own.sync()?;
        for name in &self.starts {
            storage.remove(name)?;
        }
        storage.sync_names()?;
        Ok((mark, file))
    }

    /// The file that this start leaves, with the names of those it found.
    fn own_file(&self, storage: &dyn Storage) -> io::Result<Arc<dyn StoredFile>> {
        let known: Vec<u8> = self.starts.iter().flat_map(|name| line(name)).collect();
        let own = storage.create(&mark::start_name(self.entropy), 1 + known.len() as u64)?;
        own.write_at(&known, 1)?;
        own.sync()?;
        Ok(own)
    }
}

/// A name as it stands in the file of a later start.
fn line(name: &str) -> impl Iterator<Item = u8> {
    name.bytes().chain([b'\n'])
}

/// The starts whose files a start found; `None` when it left none itself.
fn earlier(storage: &dyn Storage, name: &str) -> Option<Vec<String>> {
    let file = storage.open(name).ok()?;
    let len = usize::try_from(file.len().ok()?).ok()?;
    let mut text = vec![0; len.checked_sub(1)?];
    file.read_at(&mut text, 1).ok()?;
    let text = String::from_utf8_lossy(&text);
    Some(text.lines().map(str::to_owned).collect())
}

/// Whether the hub ran after the start that left this file.
fn took_effect(storage: &dyn Storage, name: &str) -> bool {
    let mut byte = [0];
    let read = storage
        .open(name)
        .and_then(|file| file.read_at(&mut byte, 0));
    read.is_ok() && byte != [0]
}

/// The boot of this machine; zeros where the system does not tell.
fn boot() -> [u8; 16] {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let digits = text.trim().replace('-', "");
    let number = u128::from_str_radix(&digits, 16).unwrap_or_default();
    number.to_le_bytes()
}

/// Random bits. Should the system have none to give, the time of the start is as unlikely to come
/// twice.
fn entropy() -> u64 {
    getrandom::u64().unwrap_or_else(|_no_source| {
        let now = std::time::SystemTime::now();
        let since = now
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default();
        u64::try_from(since.as_nanos() & u128::from(u64::MAX)).unwrap_or_default()
    })
}

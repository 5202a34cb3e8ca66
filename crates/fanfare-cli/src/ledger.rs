//! What was revoked, in a file beside the log: a token that was taken back stays so when the hub
//! starts again.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use fanfare::Timestamp;
use fanfare::auth::{Auth, Ledger, Revocation};
use serde::{Deserialize, Serialize};

/// Name of the file.
const NAME: &str = "revoked.json";
/// Name that it has until it is whole.
const NEW: &str = "revoked.json.new";

/// One line of the file.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
enum Entry {
    Token { id: String },
    Subject { name: String, at: u64 },
}

/// The file in a folder.
#[derive(Debug)]
struct Beside {
    folder: PathBuf,
}

/// Has the hub remember what is revoked, and what was before.
pub(crate) fn keep(auth: &Auth, folder: &Path) -> Result<()> {
    let path = folder.join(NAME);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    let lines = text.lines().map(serde_json::from_str);
    let entries: Vec<Entry> = lines.collect::<Result<_, _>>().with_context(|| {
        format!(
            "{} is damaged, so that it is not known which tokens were revoked: put a good copy there, or change the keys and remove it",
            path.display()
        )
    })?;
    let before = entries.into_iter().map(|entry| match entry {
        Entry::Token { id } => (Revocation::Token(id), Timestamp(0)),
        Entry::Subject { name, at } => (Revocation::Subject(name), Timestamp(at)),
    });
    let ledger = Beside {
        folder: folder.to_path_buf(),
    };
    Ok(auth.keep_in(ledger, before.collect())?)
}

impl Beside {
    fn write(&self, all: &[(Revocation, Timestamp)]) -> io::Result<()> {
        let mut text = Vec::new();
        for (revocation, at) in all {
            let entry = match revocation.clone() {
                Revocation::Token(id) => Entry::Token { id },
                Revocation::Subject(name) => Entry::Subject { name, at: at.0 },
            };
            serde_json::to_writer(&mut text, &entry)?;
            text.push(b'\n');
        }
        let new = self.folder.join(NEW);
        let mut file = File::create(&new)?;
        file.write_all(&text)?;
        file.sync_all()?;
        // The whole of it or what was there before: rename(2) leaves nothing in between.
        fs::rename(&new, self.folder.join(NAME))?;
        File::open(&self.folder)?.sync_all()
    }
}

impl Ledger for Beside {
    fn keep(&self, all: &[(Revocation, Timestamp)]) -> Result<(), String> {
        self.write(all).map_err(|error| error.to_string())
    }
}

//! What is kept of certificates between two starts, in a folder beside the log.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use instant_acme::AccountCredentials;

/// The folder beside the log.
const NAME: &str = "acme";
/// For whom the certificate is, one domain a line.
const DOMAINS: &str = "domains";
const CHAIN: &str = "chain.pem";
const KEY: &str = "key.pem";
/// The key of the account, and the authority that knows it.
const ACCOUNT: &str = "account.json";
const DIRECTORY: &str = "directory";

/// The folder.
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn open(data: &Path) -> Result<Self> {
        let path = data.join(NAME);
        fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self(path))
    }

    /// The chain and the key from before, if they are for these domains.
    pub(super) fn certificate(&self, domains: &[String]) -> Result<Option<(String, String)>> {
        if self.read(DOMAINS)?.as_deref() != Some(&domains.join("\n")) {
            return Ok(None);
        }
        Ok(self.read(CHAIN)?.zip(self.read(KEY)?))
    }

    /// Keeps a chain and its key.
    pub(super) fn keep(&self, domains: &[String], chain: &str, key: &str) -> Result<()> {
        // Without its domains, what lies there is nobody's while it is half of each.
        self.write(DOMAINS, "")?;
        self.write(CHAIN, chain)?;
        self.write(KEY, key)?;
        self.write(DOMAINS, &domains.join("\n"))
    }

    /// The account at this authority.
    pub(super) fn account(&self, directory: &str) -> Result<Option<AccountCredentials>> {
        if self.read(DIRECTORY)?.as_deref() != Some(directory) {
            return Ok(None);
        }
        let text = self.read(ACCOUNT)?;
        let account = text.map(|text| serde_json::from_str(&text)).transpose();
        account.with_context(|| format!("{} is damaged: remove it", self.0.join(ACCOUNT).display()))
    }

    /// Keeps the account.
    pub(super) fn keep_account(&self, directory: &str, account: &AccountCredentials) -> Result<()> {
        self.write(DIRECTORY, "")?;
        self.write(ACCOUNT, &serde_json::to_string(account)?)?;
        self.write(DIRECTORY, directory)
    }

    fn read(&self, name: &str) -> Result<Option<String>> {
        let path = self.0.join(name);
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    /// Writes a file that nobody else can read, whole or not at all.
    fn write(&self, name: &str, text: &str) -> Result<()> {
        let path = self.0.join(name);
        let write = || {
            let new = self.0.join(format!("{name}.new"));
            let mut options = OpenOptions::new();
            options.write(true).create(true).truncate(true).mode(0o600);
            let mut file = options.open(&new)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&new, &path)?;
            File::open(&self.0)?.sync_all()
        };
        write().with_context(|| format!("cannot write {}", path.display()))
    }
}

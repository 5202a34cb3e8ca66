//! Keys on the command line: an algorithm, and the file or environment variable that holds it.

use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, Result, bail, ensure};
use fanfare::auth::{Key, SigningKey};

/// What comes before the name of an environment variable.
const ENV: &str = "env:";

/// `ALGORITHM[:ID]=FILE`, or `=env:NAME`. Never the key itself: arguments are seen by everybody on
/// the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeySource {
    algorithm: String,
    id: Option<String>,
    place: Place,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    File(PathBuf),
    Variable(String),
}

impl FromStr for KeySource {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let form = "a key is ALGORITHM=FILE, ALGORITHM:ID=FILE or ALGORITHM=env:NAME, such as ES256=public.pem";
        let (kind, place) = text.split_once('=').ok_or(form)?;
        let (algorithm, id) = match kind.split_once(':') {
            Some((algorithm, id)) => (algorithm, Some(id.to_owned())),
            None => (kind, None),
        };
        if algorithm.is_empty() || place.is_empty() || id.as_deref() == Some("") {
            return Err(form.to_owned());
        }
        Ok(Self {
            algorithm: algorithm.to_owned(),
            id,
            place: match place.strip_prefix(ENV) {
                Some(name) => Place::Variable(name.to_owned()),
                None => Place::File(place.into()),
            },
        })
    }
}

impl KeySource {
    /// Reads a key that proves who signed a token.
    pub(crate) fn key(&self) -> Result<Key> {
        let key = Key::new(self.id.clone(), &self.algorithm, &self.read()?);
        key.with_context(|| format!("the key {self} cannot be used"))
    }

    /// Reads a key that signs tokens.
    pub(crate) fn signing_key(&self) -> Result<SigningKey> {
        let key = SigningKey::new(self.id.clone(), &self.algorithm, &self.read()?);
        key.with_context(|| format!("the key {self} cannot be used"))
    }

    /// The file that it lies in.
    pub(crate) fn file(&self) -> Option<PathBuf> {
        match &self.place {
            Place::File(path) => Some(path.clone()),
            Place::Variable(_) => None,
        }
    }

    fn read(&self) -> Result<Vec<u8>> {
        match &self.place {
            Place::Variable(name) => {
                let value = std::env::var(name);
                let value = value.with_context(|| format!("the environment has no {name}"))?;
                Ok(value.into_bytes())
            }
            Place::File(path) => {
                let bytes = fs::read(path);
                let bytes = bytes.with_context(|| format!("cannot read {}", path.display()))?;
                if is_secret(&bytes) {
                    keep_to_oneself(path)?;
                }
                Ok(bytes)
            }
        }
    }
}

impl std::fmt::Display for KeySource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.algorithm)?;
        if let Some(id) = &self.id {
            write!(f, ":{id}")?;
        }
        match &self.place {
            Place::File(path) => write!(f, "={}", path.display()),
            Place::Variable(name) => write!(f, "={ENV}{name}"),
        }
    }
}

/// Whether who reads it can sign: everything but the PEM of a public key.
fn is_secret(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    !text.contains("-----BEGIN PUBLIC KEY-----") && !text.contains("-----BEGIN RSA PUBLIC KEY-----")
}

/// Refuses a secret that others on the machine can read.
#[cfg(unix)]
fn keep_to_oneself(path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let mode = fs::metadata(path)?.permissions().mode();
    ensure!(
        mode & 0o077 == 0,
        "{} can be read by others (mode {:03o}): chmod 600 {}",
        path.display(),
        mode & 0o777,
        path.display()
    );
    Ok(())
}

#[cfg(not(unix))]
fn keep_to_oneself(_path: &Path) -> Result<()> {
    Ok(())
}

/// Refuses a key that is given twice, which is a slip.
pub(crate) fn all_different(sources: &[KeySource]) -> Result<()> {
    for (index, source) in sources.iter().enumerate() {
        if sources[..index].contains(source) {
            bail!("the key {source} is given twice");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_an_algorithm_and_a_place() {
        for text in [
            "ES256=public.pem",
            "HS256:2026=/etc/secret",
            "HS256=env:SECRET",
        ] {
            let source: KeySource = text.parse().unwrap();
            assert_eq!(source.to_string(), text);
        }
        for text in ["", "ES256", "=a", "ES256=", "ES256:=a"] {
            assert!(text.parse::<KeySource>().is_err(), "{text}");
        }
    }
}

//! Where options come from: the command line, then the environment, then `fanfare.toml`.
//!
//! A key of the file is an option of `serve` without its dashes, and its value is read as the
//! option's is. So there is one list of options, which documents all three.

mod file;
mod place;

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ArgMatches, Command};

use self::file::{Entry, File};

pub(crate) use self::file::LIMITS;

/// The file that is read when none is named.
const FILE_DEFAULT: &str = "fanfare.toml";
/// The commands that read it.
const COMMANDS: [&str; 2] = ["serve", "check"];
/// The option that names it, and its variable.
const CONFIG: (&str, &str) = ("--config", "FANFARE_CONFIG");
/// The option whose uses add up: each sets another limit.
const LIMIT: &str = "limit";

/// A command line that was read together with what belongs to it.
pub(crate) struct Read {
    pub(crate) matches: ArgMatches,
    /// The file that was read, and the options that it decided.
    pub(crate) file: Option<(PathBuf, Vec<String>)>,
}

/// Why options cannot be read.
pub(crate) enum Trouble {
    /// What the command line says, or an answer to it, such as its help.
    Line(clap::Error),
    /// What the file says.
    File(String),
}

impl From<clap::Error> for Trouble {
    fn from(error: clap::Error) -> Self {
        Self::Line(error)
    }
}

impl From<String> for Trouble {
    fn from(text: String) -> Self {
        Self::File(text)
    }
}

impl Trouble {
    /// Tells it, and ends the process as clap does.
    pub(crate) fn exit(self) -> ! {
        match self {
            Self::Line(error) => error.exit(),
            Self::File(text) => {
                eprintln!("fanfare: {text}");
                std::process::exit(2)
            }
        }
    }
}

impl From<Trouble> for anyhow::Error {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Line(error) => error.into(),
            Trouble::File(text) => Self::msg(text),
        }
    }
}

/// Reads the command line, and the file if the command takes one.
///
/// # Errors
/// Says what to change, and where.
pub(crate) fn read(command: Command, args: &[OsString]) -> Result<Read, Trouble> {
    let place = subcommand(args).filter(|at| is_one_of(&COMMANDS, args.get(*at)));
    let path = place.and_then(|_| path(args));
    let (Some(place), Some(path)) = (place, path) else {
        return Ok(Read {
            matches: command.try_get_matches_from(args)?,
            file: None,
        });
    };
    let text = std::fs::read_to_string(&path)
        .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    let serve = command.find_subcommand(COMMANDS[0]);
    let serve = serve.cloned().unwrap_or_default();
    let file = File::read(&path, &text, &serve)?;
    let decides =
        |entry: &&Entry| entry.option == LIMIT || !is_decided(args, &serve, &entry.option);
    let decided: Vec<_> = file.entries.iter().filter(decides).collect();
    let mut all = args.to_vec();
    // Right behind the command, so that of several limits the command line's come last and win.
    let added = decided.iter().flat_map(|entry| entry.arguments());
    all.splice(place + 1..=place, added);
    let matches = command.try_get_matches_from(all);
    let matches = matches.map_err(|error| explain(error, &file, &decided))?;
    let options = decided.iter().map(|entry| entry.option.clone()).collect();
    Ok(Read {
        matches,
        file: Some((path, options)),
    })
}

/// Where the command stands among the arguments.
fn subcommand(args: &[OsString]) -> Option<usize> {
    let mut place = 1;
    while let Some(arg) = args.get(place) {
        match arg.to_str() {
            Some("--log") => place += 2,
            Some(option) if option.starts_with('-') => place += 1,
            _ => return Some(place),
        }
    }
    None
}

fn is_one_of(names: &[&str], arg: Option<&OsString>) -> bool {
    arg.is_some_and(|arg| names.iter().any(|name| arg == name))
}

/// The file that is to be read.
fn path(args: &[OsString]) -> Option<PathBuf> {
    let named = value_of(args, CONFIG.0).or_else(|| std::env::var_os(CONFIG.1));
    named.map(PathBuf::from).or_else(file_default)
}

/// The file that is read when none is named, if it is there.
pub(crate) fn file_default() -> Option<PathBuf> {
    Some(PathBuf::from(FILE_DEFAULT)).filter(|path| path.is_file())
}

/// The value that an option is given.
fn value_of(args: &[OsString], option: &str) -> Option<OsString> {
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        if arg == option {
            return args.next().cloned();
        }
        let joined = arg.to_str().and_then(|arg| arg.strip_prefix(option));
        if let Some(value) = joined.and_then(|rest| rest.strip_prefix('=')) {
            return Some(value.into());
        }
    }
    None
}

/// Whether the command line or the environment decides an option, so that the file does not.
fn is_decided(args: &[OsString], serve: &Command, option: &str) -> bool {
    let is_given = |arg: &OsString| {
        let name = arg.to_str().and_then(|arg| arg.strip_prefix("--"));
        name.is_some_and(|name| name.split('=').next() == Some(option))
    };
    let mut options = serve.get_arguments();
    let variable = options.find(|arg| arg.get_long() == Some(option));
    let variable = variable.and_then(|arg| arg.get_env());
    args.iter().any(is_given)
        || variable.is_some_and(|name: &OsStr| std::env::var_os(name).is_some())
}

/// Shows what is wrong where it stands, if it stands in the file.
fn explain(error: clap::Error, file: &File<'_>, decided: &[&Entry]) -> Trouble {
    let is_value = matches!(
        error.kind(),
        ErrorKind::InvalidValue | ErrorKind::ValueValidation
    );
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        _ => String::new(),
    };
    let (option, value) = (
        text(ContextKind::InvalidArg),
        text(ContextKind::InvalidValue),
    );
    let is_it = |entry: &&&Entry| option.split(' ').next() == Some(&format!("--{}", entry.option));
    for entry in decided.iter().filter(|_| is_value).filter(is_it) {
        let mut values = entry.values.iter();
        if let Some(found) = values.find(|found| found.text == value) {
            let reason = std::error::Error::source(&error).map(ToString::to_string);
            let reason = reason.unwrap_or_else(|| "this is no value for it".to_owned());
            return Trouble::File(file.point(&found.span, &format!("{}: {reason}", entry.key)));
        }
    }
    // It is about the command line.
    Trouble::Line(error)
}

//! `fanfare.toml`, taken apart into options.

use std::borrow::Cow;
use std::ops::Range;
use std::path::Path;

use clap::Command;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::place::point;

/// The table of limits; each of its keys is the name of one.
pub(crate) const LIMITS: &str = "limits";
/// How alike two words are when one is taken for a slip of the other.
const ALIKE: f64 = 0.8;
/// Options that make no sense in a file.
const NOT_HERE: [&str; 4] = ["config", "help", "version", "reference"];

/// A file of options.
pub(super) struct File<'a> {
    name: String,
    text: &'a str,
    pub(super) entries: Vec<Entry>,
}

/// One key of the file.
pub(super) struct Entry {
    /// As it is written.
    pub(super) key: String,
    /// The option that it stands for.
    pub(super) option: String,
    /// Whether it is a switch, which is there or not.
    is_switch: bool,
    pub(super) values: Vec<Value>,
}

/// One value, and where it stands.
pub(super) struct Value {
    pub(super) text: String,
    pub(super) span: Range<usize>,
}

impl Entry {
    /// The arguments that say the same on a command line.
    pub(super) fn arguments(&self) -> Vec<std::ffi::OsString> {
        let values = self.values.iter();
        values
            .map(|value| match self.is_switch {
                true => format!("--{}", self.option).into(),
                false => format!("--{}={}", self.option, value.text).into(),
            })
            .collect()
    }
}

impl<'a> File<'a> {
    /// Takes a file apart, whose keys are options of this command.
    pub(super) fn read(path: &Path, text: &'a str, serve: &Command) -> Result<Self, String> {
        let mut file = Self {
            name: path.display().to_string(),
            text,
            entries: Vec::new(),
        };
        let table = DeTable::parse(text).map_err(|error| {
            let span = error.span().unwrap_or_default();
            file.point(&span, error.message())
        })?;
        for (key, value) in table.get_ref() {
            file.take(key, value, serve)?;
        }
        Ok(file)
    }

    /// Shows what is wrong where it stands.
    pub(super) fn point(&self, place: &Range<usize>, trouble: &str) -> String {
        point(&self.name, self.text, place, trouble)
    }

    fn take(
        &mut self,
        key: &Spanned<Cow<'_, str>>,
        value: &Spanned<DeValue<'_>>,
        serve: &Command,
    ) -> Result<(), String> {
        let name = key.get_ref().as_ref();
        if name == LIMITS {
            let DeValue::Table(limits) = value.get_ref() else {
                let trouble = "limits are a table: write [limits], and each on a line below";
                return Err(self.point(&value.span(), trouble));
            };
            return limits
                .iter()
                .try_for_each(|(name, value)| self.take_limit(name, value));
        }
        let names = || {
            let options = serve.get_arguments().filter_map(clap::Arg::get_long);
            options.filter(|option| !NOT_HERE.contains(option))
        };
        if !names().any(|option| option == name) {
            let trouble = unknown(name, names().chain([LIMITS]));
            return Err(self.point(&key.span(), &trouble));
        }
        let mut options = serve.get_arguments();
        let option = options.find(|option| option.get_long() == Some(name));
        let is_switch = option.is_some_and(|it| !it.get_action().takes_values());
        let values = self.values(name, value, is_switch)?;
        self.entries.push(Entry {
            key: name.to_owned(),
            option: name.to_owned(),
            is_switch,
            values,
        });
        Ok(())
    }

    fn take_limit(
        &mut self,
        name: &Spanned<Cow<'_, str>>,
        value: &Spanned<DeValue<'_>>,
    ) -> Result<(), String> {
        let names = fanfare::Limits::ALL.iter().map(|bound| bound.name);
        if !names.clone().any(|known| known == name.get_ref().as_ref()) {
            let trouble = unknown(name.get_ref(), names);
            return Err(self.point(&name.span(), &trouble));
        }
        let values = self.values(name.get_ref(), value, false)?;
        let limit = |value: Value| Value {
            text: format!("{}={}", name.get_ref(), value.text),
            span: value.span,
        };
        self.entries.push(Entry {
            key: format!("{LIMITS}.{}", name.get_ref()),
            option: super::LIMIT.to_owned(),
            is_switch: false,
            values: values.into_iter().map(limit).collect(),
        });
        Ok(())
    }

    /// The texts that a value comes to.
    fn values(
        &self,
        name: &str,
        value: &Spanned<DeValue<'_>>,
        is_switch: bool,
    ) -> Result<Vec<Value>, String> {
        let one = |text: String| {
            let span = value.span();
            Ok(vec![Value { text, span }])
        };
        match (value.get_ref(), is_switch) {
            (DeValue::Boolean(true), true) => one(String::new()),
            (DeValue::Boolean(false), true) => Ok(Vec::new()),
            (_, true) => Err(self.point(&value.span(), &format!("{name} is true or false"))),
            (DeValue::String(text), _) => one(text.clone().into_owned()),
            (DeValue::Integer(number), _) => one(number.as_str().to_owned()),
            (DeValue::Array(all), _) => {
                let all = all.iter().map(|value| match value.get_ref() {
                    DeValue::Array(_) => Err(self.point(&value.span(), "this is a list in a list")),
                    _ => self.values(name, value, false),
                });
                Ok(all
                    .collect::<Result<Vec<_>, _>>()?
                    .into_iter()
                    .flatten()
                    .collect())
            }
            _ => {
                let trouble = format!("{name} is a text, a number or a list of them");
                Err(self.point(&value.span(), &trouble))
            }
        }
    }
}

/// Says that there is no such word, and which one may have been meant.
fn unknown<'n>(name: &str, names: impl Iterator<Item = &'n str>) -> String {
    let alike = names
        .map(|known| (strsim::jaro_winkler(name, known), known))
        .filter(|(alike, _)| *alike >= ALIKE)
        .max_by(|(a, _), (b, _)| a.total_cmp(b));
    match alike {
        Some((_, known)) => format!("there is no {name:?} here; did you mean {known:?}?"),
        None => {
            format!("there is no {name:?} here; `fanfare check --reference` lists all there is")
        }
    }
}

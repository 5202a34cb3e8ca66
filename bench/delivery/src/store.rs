//! The runs of a report in a file, so that it can be written again without measuring.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::cells::{self, Cell, Scenario};
use crate::measure::{Plan, Row};
use crate::origin::{Configuration, Origin};

/// Everything that a report is made of.
#[derive(Default, Serialize, Deserialize)]
pub struct Store {
    /// How the servers were configured, by their words.
    pub servers: BTreeMap<String, Configuration>,
    pub cells: Vec<StoredCell>,
}

/// One cell that was measured.
#[derive(Clone, Serialize, Deserialize)]
pub struct StoredCell {
    scenario: Scenario,
    /// Tells the cell among those of its scenario.
    title: String,
    pub origin: Origin,
    pub rounds: usize,
    pub warm_up_s: f64,
    pub counted_s: f64,
    /// The cores of the server and of the load.
    pub cores: [String; 2],
    pub rows: Vec<Row>,
}

impl StoredCell {
    pub fn new(cell: &Cell, plan: &Plan, rows: Vec<Row>) -> Self {
        Self {
            scenario: cell.scenario,
            title: cell.title(),
            origin: Origin::now(),
            rounds: plan.rounds,
            warm_up_s: plan.warm_up.as_secs_f64(),
            counted_s: plan.counted.as_secs_f64(),
            cores: [plan.server.to_string(), plan.load.to_string()],
            rows,
        }
    }

    fn is_of(&self, cell: &Cell) -> bool {
        self.scenario == cell.scenario && self.title == cell.title()
    }
}

impl Store {
    /// What is in a file; nothing when there is none.
    pub fn open(path: &Path) -> Result<Self> {
        if !path.exists() {
            return Ok(Self::default());
        }
        let text = fs::read_to_string(path)?;
        let parsed = serde_json::from_str(&text);
        parsed.with_context(|| {
            let path = path.display();
            format!("{path} is of another version: delete it, and measure anew")
        })
    }

    /// Writes a line for each cell, so that a change shows what was measured anew.
    pub fn save(&self, path: &Path) -> Result<()> {
        let servers = serde_json::to_string(&self.servers)?;
        let cells: Result<Vec<_>, _> = self.cells.iter().map(serde_json::to_string).collect();
        let cells = cells?.join(",\n");
        let text = format!("{{\"servers\":{servers},\n\"cells\":[\n{cells}\n]}}\n");
        fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
    }

    /// Puts a cell in the place of what was measured of it before.
    pub fn put(&mut self, cell: StoredCell) {
        let is_same = |it: &StoredCell| it.scenario == cell.scenario && it.title == cell.title;
        self.cells.retain(|it| !is_same(it));
        self.cells.push(cell);
    }

    /// What was measured, in the order of the report. A cell that is no longer measured is left
    /// out.
    pub fn measured(&self) -> Vec<(Cell, &StoredCell)> {
        let find = |cell: &Cell| self.cells.iter().find(|it| it.is_of(cell));
        let all = cells::all().into_iter();
        all.filter_map(|cell| Some((cell, find(&cell)?))).collect()
    }
}

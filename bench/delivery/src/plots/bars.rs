//! Plots with a bar for each server and its figure at the end.

use std::path::Path;

use anyhow::Result;
use fanfare_bench::stats::Spread;
use plotters::element::{PathElement, Rectangle, Text};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, ShapeStyle};

use super::canvas::{self, Area, GRID, INK, LETTERS, TITLE, WIDTH, bold, colour, letters};
use crate::peers::Peer;

/// One server.
pub struct Bar {
    pub peer: Peer,
    pub spread: Spread,
    /// The figure as it is written.
    pub text: String,
}

/// One plot.
pub struct Bars {
    pub title: &'static str,
    pub axis: &'static str,
    pub bars: Vec<Bar>,
}

/// A bar and the room below it.
const BAR: i32 = 24;
const STEP: i32 = 36;
/// Room for the title, for the axis, for names and for figures.
const ABOVE: i32 = 54;
const BELOW: i32 = 30;
const NAMES: i32 = 170;
const FIGURES: i32 = 120;

impl Bars {
    /// Saves it; without a bar there is no file.
    pub fn save(&self, path: &Path) -> Result<()> {
        if self.bars.is_empty() {
            return Ok(());
        }
        let height = ABOVE + STEP * self.bars.len() as i32 + BELOW;
        canvas::save(path, height.unsigned_abs(), |area| self.draw(area, height))
    }

    fn draw(&self, area: &Area, height: i32) -> Result<()> {
        area.draw(&Text::new(self.title, (16, 16), bold(TITLE, INK)))?;
        let ends = self.bars.iter().map(|bar| bar.spread.high);
        let longest = ends.fold(f64::MIN_POSITIVE, f64::max);
        let room = f64::from(WIDTH as i32 - NAMES - FIGURES);
        let place = |value: f64| NAMES + (value / longest * room) as i32;
        let right = Pos::new(HPos::Right, VPos::Center);
        let left = Pos::new(HPos::Left, VPos::Center);
        for (number, bar) in self.bars.iter().enumerate() {
            let top = ABOVE + STEP * number as i32;
            let middle = top + BAR / 2;
            let Spread { median, low, high } = bar.spread;
            let style = match bar.peer {
                Peer::Fanfare => bold(LETTERS, INK),
                _ => letters(LETTERS, INK),
            };
            let name = style.pos(right);
            area.draw(&Text::new(bar.peer.name(), (NAMES - 10, middle), name))?;
            // Even the shortest bar can be seen.
            let end = place(median).max(NAMES + 2);
            let filled = colour(bar.peer).filled();
            area.draw(&Rectangle::new([(NAMES, top), (end, top + BAR)], filled))?;
            let whisker = ShapeStyle::from(INK).stroke_width(1);
            let ends = [(place(low), middle), (place(high), middle)];
            area.draw(&PathElement::new(ends, whisker))?;
            let at = (end.max(place(high)) + 8, middle);
            area.draw(&Text::new(
                bar.text.clone(),
                at,
                letters(LETTERS, INK).pos(left),
            ))?;
        }
        let (top, bottom) = (ABOVE - 8, height - BELOW);
        area.draw(&PathElement::new([(NAMES, top), (NAMES, bottom)], GRID))?;
        let below = Pos::new(HPos::Left, VPos::Top);
        let axis = format!("{}, from 0; less is better", self.axis);
        let style = letters(LETTERS, INK).pos(below);
        area.draw(&Text::new(axis, (NAMES, bottom + 4), style))?;
        Ok(())
    }
}

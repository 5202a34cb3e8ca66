//! Plots with a line for each server, whose name stands at its end.

use std::path::Path;

use anyhow::Result;
use fanfare_bench::stats::Spread;
use plotters::chart::ChartBuilder;
use plotters::coord::combinators::{BindKeyPoints, IntoLogRange, LogCoord};
use plotters::element::{Circle, PathElement, Text};
use plotters::prelude::LineSeries;
use plotters::style::{Color, ShapeStyle};

use super::canvas::{self, Area, GRID, INK, LETTERS, TITLE, WIDTH, bold, colour, letters, width};
use crate::peers::Peer;

/// A value on the way, with the range of its runs.
#[derive(Clone, Copy)]
pub struct Point {
    pub x: f64,
    pub y: Spread,
}

/// One server.
pub struct Line {
    pub peer: Peer,
    pub points: Vec<Point>,
}

/// The axis below.
pub struct Axis {
    pub name: &'static str,
    pub ticks: Vec<f64>,
    pub is_log: bool,
    pub write: fn(f64) -> String,
}

/// One plot; the axis at its side is logarithmic.
pub struct Lines {
    pub title: String,
    pub x: Axis,
    pub y: &'static str,
    pub write_y: fn(f64) -> String,
    pub lines: Vec<Line>,
}

const HEIGHT: u32 = 480;
/// Room for the names at the ends of lines.
const NAMES: u32 = 160;
/// Two names below each other.
const NAME_HEIGHT: i32 = 17;

/// Beyond three powers of ten, these alone are ticks enough.
const FEW_TICKS_FROM: f64 = 1_000.0;

/// Saves plots of one kind below each other; none leaves no file.
pub fn save(plots: &[Lines], path: &Path) -> Result<()> {
    if plots.is_empty() {
        return Ok(());
    }
    let height = HEIGHT * plots.len() as u32;
    canvas::save(path, height, |area| {
        let parts = area.split_evenly((plots.len(), 1));
        let mut both = plots.iter().zip(&parts);
        both.try_for_each(|(plot, part)| plot.draw(part))
    })
}

impl Lines {
    fn draw(&self, area: &Area) -> Result<()> {
        let side = self.ticks();
        let (low, high) = (side[0], side[side.len() - 1]);
        // The library takes ticks of our choice on a logarithmic axis alone; places that rise by
        // one are powers of ten there.
        let place = |x: f64| if self.x.is_log { x } else { 10f64.powf(x) };
        let ticks: Vec<_> = self.x.ticks.iter().copied().map(place).collect();
        let first = ticks.first().copied().unwrap_or(1.0);
        let last = ticks.last().copied().unwrap_or(10.0);
        let margin = (last / first).powf(0.03).max(1.03);
        let log = |from: f64, to: f64| LogCoord::from((from..to).log_scale());
        let x = log(first / margin, last * margin).with_key_points(ticks);
        let y = log(low, high).with_key_points(side);
        let mut chart = ChartBuilder::on(area)
            .caption(&self.title, bold(TITLE, INK))
            .margin(14)
            .margin_right(NAMES)
            .x_label_area_size(46)
            .y_label_area_size(74)
            .build_cartesian_2d(x, y)?;
        let write_x = |x: &f64| {
            let x = if self.x.is_log { *x } else { x.log10() };
            (self.x.write)(x.round())
        };
        let write_y = |y: &f64| (self.write_y)(*y);
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(GRID.mix(0.0))
            .bold_line_style(GRID)
            .axis_style(INK)
            .label_style(letters(LETTERS, INK))
            .axis_desc_style(letters(LETTERS, INK))
            .x_desc(self.x.name)
            .y_desc(self.y)
            .x_label_formatter(&write_x)
            .y_label_formatter(&write_y)
            .draw()?;
        let mut names = Vec::new();
        for line in &self.lines {
            let style = ShapeStyle {
                color: colour(line.peer).to_rgba(),
                filled: true,
                stroke_width: width(line.peer),
            };
            let points = line.points.iter();
            let at: Vec<_> = points.map(|it| (place(it.x), it.y.median)).collect();
            chart.draw_series(LineSeries::new(at.iter().copied(), style))?;
            let radius = width(line.peer) + 1;
            chart.draw_series(at.iter().map(|at| Circle::new(*at, radius, style)))?;
            chart.draw_series(line.points.iter().map(|it| {
                let ends = [(place(it.x), it.y.low), (place(it.x), it.y.high)];
                PathElement::new(ends, style.stroke_width(1))
            }))?;
            if let Some(end) = at.last() {
                let (_, y) = chart.backend_coord(end);
                names.push((y, line.peer));
            }
        }
        self.name(area, names)
    }

    /// Writes the names beside the ends of their lines, none over another.
    fn name(&self, area: &Area, mut names: Vec<(i32, Peer)>) -> Result<()> {
        let (xs, ys) = area.get_pixel_range();
        names.sort();
        let mut free = ys.start;
        let mut places: Vec<_> = Vec::new();
        for (y, peer) in names {
            let y = (y - NAME_HEIGHT / 2).max(free);
            free = y + NAME_HEIGHT;
            places.push((y, peer));
        }
        // What was pushed below the plot goes up again.
        let mut below = ys.end - NAME_HEIGHT * 4;
        for (y, _) in places.iter_mut().rev() {
            *y = (*y).min(below);
            below = *y - NAME_HEIGHT;
        }
        let x = (WIDTH - NAMES) as i32 + 6 - xs.start;
        for (y, peer) in places {
            let style = match peer {
                Peer::Fanfare => bold(LETTERS, colour(peer)),
                _ => letters(LETTERS, colour(peer)),
            };
            area.draw(&Text::new(peer.name(), (x, y - ys.start), style))?;
        }
        Ok(())
    }

    /// Ticks of the axis at the side, from below everything to above it.
    fn ticks(&self) -> Vec<f64> {
        let points = self.lines.iter().flat_map(|line| &line.points);
        let (low, high) = points.fold((f64::MAX, f64::MIN_POSITIVE), |(low, high), point| {
            (low.min(point.y.low), high.max(point.y.high))
        });
        let decades = low.log10().floor() as i32..=high.log10().floor() as i32 + 1;
        let steps: &[f64] = match high / low > FEW_TICKS_FROM {
            true => &[1.0],
            false => &[1.0, 2.0, 5.0],
        };
        let ticks = decades.flat_map(|it| steps.iter().map(move |step| step * 10f64.powi(it)));
        let ticks: Vec<_> = ticks.collect();
        let first = ticks.iter().rposition(|tick| *tick <= low).unwrap_or(0);
        let last = ticks.iter().position(|tick| *tick >= high);
        ticks[first..=last.unwrap_or(ticks.len() - 1)].to_vec()
    }
}

//! What all plots have in common: colours, letters, and a file that is legible on light and dark.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use plotters::coord::Shift;
use plotters::prelude::{DrawingArea, RGBColor, SVGBackend};
use plotters::style::{Color, FontFamily, FontStyle, TextStyle};

use crate::peers::Peer;

pub type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Width that fits a page of Markdown.
pub const WIDTH: u32 = 880;
/// Letters of labels.
pub const LETTERS: u32 = 14;
/// Letters of titles.
pub const TITLE: u32 = 16;

pub const PAPER: RGBColor = RGBColor(0xff, 0xff, 0xff);
pub const INK: RGBColor = RGBColor(0x1f, 0x23, 0x28);
pub const GRID: RGBColor = RGBColor(0xd8, 0xde, 0xe4);

/// What these are in the dark.
const DARK: [(RGBColor, &str); 3] = [(PAPER, "#0d1117"), (INK, "#e6edf3"), (GRID, "#30363d")];

/// One colour for a server in all plots; each has a contrast of 3 to paper, light or dark.
pub fn colour(peer: Peer) -> RGBColor {
    match peer {
        Peer::CursorFloor => RGBColor(0x80, 0x88, 0x90),
        Peer::OneSendFloor => RGBColor(0x8c, 0x7a, 0x6b),
        Peer::Fanfare => RGBColor(0x2f, 0x81, 0xf7),
        Peer::FanfareDisk => RGBColor(0x12, 0x8f, 0xa3),
        Peer::Axum => RGBColor(0xbf, 0x6a, 0x02),
        Peer::Nchan => RGBColor(0x2d, 0x93, 0x4a),
        Peer::Pushpin => RGBColor(0x95, 0x63, 0xe8),
        Peer::Express => RGBColor(0xd6, 0x45, 0x45),
    }
}

/// How thick a server's line is: what the plot is about stands out.
pub fn width(peer: Peer) -> u32 {
    match peer {
        Peer::Fanfare => 4,
        _ => 2,
    }
}

pub fn letters(size: u32, colour: RGBColor) -> TextStyle<'static> {
    written(size, colour, FontStyle::Normal)
}

pub fn bold(size: u32, colour: RGBColor) -> TextStyle<'static> {
    written(size, colour, FontStyle::Bold)
}

fn written(size: u32, colour: RGBColor, style: FontStyle) -> TextStyle<'static> {
    let mut text = TextStyle::from((FontFamily::SansSerif, size, style));
    text.color = colour.to_backend_color();
    text
}

/// Draws into a file, which takes the colours of the dark where a reader has those.
pub fn save(path: &Path, height: u32, draw: impl FnOnce(&Area) -> Result<()>) -> Result<()> {
    use plotters::drawing::IntoDrawingArea;
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, (WIDTH, height)).into_drawing_area();
        area.fill(&PAPER)?;
        draw(&area)?;
        area.present()?;
    }
    let (head, rest) = text.split_once('>').context("a drawing without a head")?;
    let text = format!("{head} role=\"img\">\n{}{rest}", style());
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// A rule of a style sheet is stronger than the attributes that the library writes.
fn style() -> String {
    let rules: String = DARK
        .iter()
        .map(|(RGBColor(red, green, blue), dark)| {
            let light = format!("#{red:02X}{green:02X}{blue:02X}");
            format!("[fill=\"{light}\"]{{fill:{dark}}}[stroke=\"{light}\"]{{stroke:{dark}}}")
        })
        .collect();
    let family =
        "text{font-family:system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif}";
    format!("<style>{family}@media (prefers-color-scheme:dark){{{rules}}}</style>")
}

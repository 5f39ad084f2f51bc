// SPDX-License-Identifier: GPL-2.0-only
//! Horizontal bars as an SVG picture: what [`crate::plots`] draws with.

use anyhow::{anyhow, Result};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// Colours that differ for the colour-blind too.
pub(crate) const COLOURS: [RGBColor; 2] = [RGBColor(0, 114, 178), RGBColor(230, 159, 0)];

const WIDTH: i32 = 960;
/// Where the bars begin and end; names stand to the left, figures to the right of each bar.
const BARS: std::ops::Range<i32> = 320..820;
const BAR: i32 = 15;
const GAP: i32 = 9;
const TOP: i32 = 62;
const BOTTOM: i32 = 26;

/// A picture of bars.
pub(crate) struct Chart {
    /// What it shows.
    pub(crate) title: String,
    /// What the colours mean.
    pub(crate) legend: [&'static str; 2],
    /// From top to bottom.
    pub(crate) rows: Vec<Row>,
    /// Where the right end is; `None` if each row has a scale of its own.
    pub(crate) end: Option<f64>,
    /// Values at which a line goes from top to bottom.
    pub(crate) marks: Vec<f64>,
}

/// Bars that belong together.
pub(crate) struct Row {
    /// What stands beside them.
    pub(crate) name: String,
    /// From top to bottom.
    pub(crate) bars: Vec<Bar>,
}

/// One bar.
pub(crate) struct Bar {
    /// Which of the colours.
    pub(crate) colour: usize,
    /// How far it goes.
    pub(crate) value: f64,
    /// How much it may be off.
    pub(crate) error: Option<f64>,
    /// The figure in words.
    pub(crate) text: String,
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

impl Chart {
    /// The picture.
    pub(crate) fn svg(&self) -> Result<String> {
        let mut text = String::new();
        let height = TOP + self.rows.iter().map(Row::height).sum::<i32>() + BOTTOM;
        let area =
            SVGBackend::with_string(&mut text, (WIDTH as u32, height as u32)).into_drawing_area();
        self.draw(&area, height)
            .map_err(|error| anyhow!("cannot draw: {error}"))?;
        drop(area);
        Ok(text)
    }

    fn draw(&self, area: &Area<'_>, height: i32) -> Result<(), Box<dyn std::error::Error>> {
        area.fill(&WHITE)?;
        write(area, &self.title, (10, 18), 16, HPos::Left)?;
        for (number, name) in self.legend.iter().enumerate() {
            let left = BARS.start + 160 * number as i32;
            fill(area, (left, 36), (left + 12, 48), COLOURS[number])?;
            write(area, name, (left + 18, 42), 12, HPos::Left)?;
        }
        for mark in &self.marks {
            let x = place(*mark, self.end.unwrap_or(1.0));
            let line = vec![(x, TOP - 6), (x, height - BOTTOM)];
            area.draw(&PathElement::new(line, BLACK.mix(0.5)))?;
            write(
                area,
                &format!("{mark:.1}"),
                (x, height - 14),
                12,
                HPos::Center,
            )?;
        }
        let mut top = TOP;
        for row in &self.rows {
            row.draw(area, top, self.end)?;
            top += row.height();
        }
        area.present()?;
        Ok(())
    }
}

impl Row {
    fn height(&self) -> i32 {
        BAR * self.bars.len().max(1) as i32 + GAP
    }

    fn draw(
        &self,
        area: &Area<'_>,
        top: i32,
        end: Option<f64>,
    ) -> Result<(), Box<dyn std::error::Error>> {
        let greatest = self.bars.iter().map(Bar::reach).fold(0.0, f64::max);
        let end = end.unwrap_or(greatest);
        let middle = top + (self.height() - GAP) / 2;
        write(area, &self.name, (BARS.start - 8, middle), 12, HPos::Right)?;
        for (number, bar) in self.bars.iter().enumerate() {
            bar.draw(area, top + BAR * number as i32, end)?;
        }
        Ok(())
    }
}

impl Bar {
    /// How far it goes with its error.
    fn reach(&self) -> f64 {
        self.value + self.error.unwrap_or(0.0)
    }

    fn draw(&self, area: &Area<'_>, top: i32, end: f64) -> Result<(), Box<dyn std::error::Error>> {
        let middle = top + BAR / 2;
        let mut right = place(self.value, end);
        fill(
            area,
            (BARS.start, top + 1),
            (right, top + BAR - 1),
            COLOURS[self.colour],
        )?;
        if let Some(error) = self.error.filter(|error| *error > 0.0) {
            let (low, high) = (
                place(self.value - error, end),
                place(self.value + error, end),
            );
            area.draw(&PathElement::new(
                vec![(low, middle), (high, middle)],
                BLACK,
            ))?;
            for x in [low, high] {
                area.draw(&PathElement::new(
                    vec![(x, middle - 3), (x, middle + 3)],
                    BLACK,
                ))?;
            }
            right = high;
        }
        write(area, &self.text, (right + 6, middle), 11, HPos::Left)
    }
}

/// Where a value is, on a scale from 0 to `end`. What lies beyond it is at its end.
fn place(value: f64, end: f64) -> i32 {
    let part = if end > 0.0 {
        (value / end).clamp(0.0, 1.0)
    } else {
        0.0
    };
    BARS.start + (part * f64::from(BARS.end - BARS.start)) as i32
}

fn fill(
    area: &Area<'_>,
    from: (i32, i32),
    to: (i32, i32),
    colour: RGBColor,
) -> Result<(), Box<dyn std::error::Error>> {
    area.draw(&Rectangle::new([from, to], colour.filled()))?;
    Ok(())
}

fn write(
    area: &Area<'_>,
    text: &str,
    at: (i32, i32),
    size: i32,
    anchor: HPos,
) -> Result<(), Box<dyn std::error::Error>> {
    let style =
        TextStyle::from(("sans-serif", size).into_font()).pos(Pos::new(anchor, VPos::Center));
    area.draw(&Text::new(text.to_owned(), at, style))?;
    Ok(())
}

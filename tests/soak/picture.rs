//! Draws the samples as SVG, a panel for each figure.

use std::error::Error;
use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::machine::Machine;
use crate::record::{Sample, f64_of};

type Canvas<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = Result<(), Box<dyn Error>>;

const WIDTH: u32 = 1000;
const PANEL: u32 = 150;
const HEAD: u32 = 44;
const FOOT: u32 = 50;

const INK: RGBColor = RGBColor(40, 40, 40);
const GREY: RGBColor = RGBColor(110, 110, 110);
const FAINT: RGBColor = RGBColor(222, 222, 222);
const BLUE: RGBColor = RGBColor(0, 90, 160);

/// A figure and what it is called.
type Panel = (&'static str, fn(&Sample) -> f64);

const PANELS: [Panel; 6] = [
    ("jobs run, per second", |sample| sample.rate),
    ("processor time per job, µs", |sample| sample.cost),
    ("allocations that live, KiB", |sample| sample.heap_kib),
    ("resident memory, KiB", |sample| sample.resident_kib),
    ("threads", |sample| f64_of(sample.threads)),
    ("jobs queued", |sample| f64_of(sample.queued as u64)),
];

pub(crate) fn draw(path: &Path, samples: &[Sample], machine: &Machine) -> Drawn {
    let panels = u32::try_from(PANELS.len())?;
    let height = HEAD + PANEL * panels + FOOT;
    let canvas = SVGBackend::new(path, (WIDTH, height)).into_drawing_area();
    canvas.fill(&WHITE)?;
    let last = samples.last().ok_or("there are no samples")?;
    let title = format!(
        "workcrew under a mixed load, sampled each second for {:.0} s, while {} pools came and went",
        last.seconds, last.pools
    );
    write(&canvas, &title, (20, 22), (17, INK))?;
    for (row, panel) in (0..).zip(PANELS) {
        let top = i32::try_from(HEAD + PANEL * row)?;
        let area = canvas.clone().shrink((0, top), (WIDTH, PANEL));
        draw_panel(&area, samples, panel)?;
    }
    for (text, line) in machine.lines().iter().zip([34, 16]) {
        write(&canvas, text, (20, i32::try_from(height)? - line), (12, GREY))?;
    }
    Ok(canvas.present()?)
}

fn draw_panel(area: &Canvas<'_>, samples: &[Sample], (name, figure): Panel) -> Drawn {
    let end = samples.last().map_or(1.0, |sample| sample.seconds);
    let most = samples.iter().map(figure).fold(1.0, f64::max);
    let mut chart = ChartBuilder::on(area)
        .margin_top(26)
        .margin_right(24)
        .x_label_area_size(24)
        .y_label_area_size(70)
        .build_cartesian_2d(0.0..end, 0.0..most * 1.1)?;
    chart
        .configure_mesh()
        .x_labels(11)
        .y_labels(5)
        .x_label_formatter(&|seconds| format!("{seconds:.0} s"))
        .y_label_formatter(&|value| format!("{value:.0}"))
        .label_style(("sans-serif", 12, &GREY))
        .axis_style(GREY)
        .bold_line_style(FAINT)
        .light_line_style(WHITE)
        .draw()?;
    let points = samples.iter().map(|sample| (sample.seconds, figure(sample)));
    chart.draw_series(LineSeries::new(points, BLUE.stroke_width(1)))?;
    write(area, name, (70, 14), (14, INK))
}

fn write(
    canvas: &Canvas<'_>,
    text: &str,
    at: (i32, i32),
    (size, colour): (u32, RGBColor),
) -> Drawn {
    let style = ("sans-serif", size).into_text_style(canvas).color(&colour);
    let style = style.pos(Pos::new(HPos::Left, VPos::Center));
    Ok(canvas.draw(&Text::new(text, at, style))?)
}

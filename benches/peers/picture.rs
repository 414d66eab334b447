//! Draws what came out as SVG: a panel for each workload, a row for each contender, and in it a dot
//! for each number of workers.

use std::error::Error;
use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::contest::{Crews, Part};
use crate::machine::Machine;
use crate::report::{number, ratio};
use crate::turns::{Line, Outcome};

type Canvas<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = Result<(), Box<dyn Error>>;

const WIDTH: u32 = 1260;
const COLUMNS: usize = 3;
const HEAD: u32 = 100;
const FOOT: u32 = 12;
const ROW: u32 = 19;
/// What a panel needs beside its rows: title, axis, and space to the next.
const FRAME: u32 = 92;
/// Space for the names, left of a panel's axis, and for the figures, right of it.
const NAMES: u32 = 140;
const FIGURES: u32 = 76;

/// What the axis shows; what lies beyond is an arrow at its end.
const SHOWN: [f64; 2] = [0.03, 10.0];

const INK: RGBColor = RGBColor(40, 40, 40);
const GREY: RGBColor = RGBColor(110, 110, 110);
const FAINT: RGBColor = RGBColor(222, 222, 222);
const BLUE: RGBColor = RGBColor(0, 90, 160);
const ORANGE: RGBColor = RGBColor(213, 94, 0);

/// How a number of workers is marked.
#[derive(Clone, Copy)]
struct Mark {
    colour: RGBColor,
    radius: i32,
    is_filled: bool,
}

impl Mark {
    /// Told apart by shape as well as by colour, and visible where one lies on another.
    fn of(index: Option<usize>) -> Self {
        match index {
            Some(0) => Self { colour: BLUE, radius: 4, is_filled: true },
            Some(1) => Self { colour: ORANGE, radius: 6, is_filled: false },
            Some(_) | None => Self { colour: GREY, radius: 4, is_filled: true },
        }
    }

    fn draw(self, canvas: &Canvas<'_>, at: (i32, i32)) -> Drawn {
        let style =
            ShapeStyle { color: self.colour.to_rgba(), filled: self.is_filled, stroke_width: 2 };
        Ok(canvas.draw(&Circle::new(at, self.radius, style))?)
    }

    /// Points to where the mark would be, beyond the end of the axis.
    fn draw_arrow(self, canvas: &Canvas<'_>, (x, y): (i32, i32), toward: i32) -> Drawn {
        let points = vec![(x, y - 5), (x + 9 * toward, y), (x, y + 5)];
        Ok(canvas.draw(&Polygon::new(points, self.colour.filled()))?)
    }
}

/// A workload's results, with each number of workers.
struct Panel<'o> {
    outcomes: &'o [Outcome<'o>],
    /// The others, the quickest first.
    others: Vec<&'o Line<'o>>,
}

impl<'o> Panel<'o> {
    fn of(outcomes: &'o [Outcome<'o>]) -> Self {
        let mut others: Vec<_> = outcomes[0].lines.iter().collect();
        others.retain(|line| line.entrant.part != Part::Ours);
        others.sort_by(|a, b| b.ratio.total_cmp(&a.ratio));
        Self { outcomes, others }
    }

    fn height(&self) -> u32 {
        FRAME + ROW * u32::try_from(self.others.len()).expect("a few")
    }

    fn time(&self) -> String {
        let ours = self.outcomes.iter().map(|outcome| number(outcome.ours().median));
        let ours = ours.collect::<Vec<_>>().join(" / ");
        format!("workcrew: {ours} {}", self.outcomes[0].contest.unit)
    }
}

/// Draws all outcomes to a file.
pub(crate) fn draw(path: &Path, outcomes: &[Outcome<'_>], machine: &Machine) -> Drawn {
    let panels: Vec<_> =
        outcomes.chunk_by(|a, b| a.contest.name == b.contest.name).map(Panel::of).collect();
    let asked = outcomes.iter().filter(|outcome| outcome.contest.crews == Crews::Asked);
    let mut workers: Vec<_> = asked.map(|outcome| outcome.workers).collect();
    workers.sort_unstable();
    workers.dedup();
    // Each panel goes to where there is most room.
    let mut columns = [HEAD; COLUMNS];
    let places = panels.iter().map(|panel| {
        let shortest = (0..COLUMNS).min_by_key(|&column| columns[column]).expect("some");
        let top = columns[shortest];
        columns[shortest] += panel.height();
        (shortest, top)
    });
    let places: Vec<_> = places.collect();
    let bottom = columns.into_iter().max().expect("some");
    let canvas = SVGBackend::new(path, (WIDTH, bottom + FOOT)).into_drawing_area();
    canvas.fill(&WHITE)?;
    draw_head(&canvas, &workers, machine)?;
    for (panel, (column, top)) in panels.iter().zip(places) {
        let width = WIDTH / 3;
        let left = i32::try_from(column)? * i32::try_from(width)?;
        let area = canvas.clone().shrink((left, i32::try_from(top)?), (width, panel.height()));
        draw_panel(&canvas, &area, panel, &workers)?;
    }
    Ok(canvas.present()?)
}

fn draw_head(canvas: &Canvas<'_>, workers: &[usize], machine: &Machine) -> Drawn {
    let title = "workcrew's time ÷ that of each peer";
    write(canvas, title, (20, 24), (20, INK), HPos::Left)?;
    let machine = machine.lines().join(", ");
    write(canvas, &machine, (20, 50), (13, INK), HPos::Left)?;
    let explanation = "Below 1, left of the line: workcrew is faster. Above 1: slower. Logarithmic. \
                       Grey names are only shown: peers.csv says what they do less.";
    write(canvas, explanation, (20, 72), (13, GREY), HPos::Left)?;
    let right = i32::try_from(WIDTH)?;
    for (index, workers) in workers.iter().enumerate() {
        let x = right - 120;
        let y = 24 + 20 * i32::try_from(index)?;
        Mark::of(Some(index)).draw(canvas, (x, y))?;
        write(canvas, &format!("{workers} workers"), (x + 14, y), (13, INK), HPos::Left)?;
    }
    Ok(())
}

fn draw_panel(
    canvas: &Canvas<'_>,
    area: &Canvas<'_>,
    panel: &Panel<'_>,
    workers: &[usize],
) -> Drawn {
    let rows = f64::from(u32::try_from(panel.others.len())?);
    let [low, high] = SHOWN;
    let mut chart = ChartBuilder::on(area)
        .margin_top(46)
        .margin_bottom(16)
        .x_label_area_size(24)
        .margin_left(NAMES)
        .margin_right(FIGURES)
        .build_cartesian_2d((low..high).log_scale(), rows..0.0)?;
    chart
        .configure_mesh()
        .disable_y_axis()
        .disable_y_mesh()
        .x_labels(8)
        .set_tick_mark_size(LabelAreaPosition::Bottom, 5)
        .x_label_formatter(&|multiple| format!("{multiple}"))
        .label_style(("sans-serif", 12, &GREY))
        .axis_style(GREY)
        .bold_line_style(FAINT)
        .light_line_style(WHITE)
        .draw()?;
    chart.draw_series([PathElement::new([(1.0, 0.0), (1.0, rows)], INK.stroke_width(1))])?;
    let (left, top) = chart.backend_coord(&(low, 0.0));
    let title = panel.outcomes[0].contest.title;
    write(canvas, title, (left - 110, top - 30), (15, INK), HPos::Left)?;
    write(canvas, &panel.time(), (left - 110, top - 12), (12, GREY), HPos::Left)?;
    for (index, other) in panel.others.iter().enumerate() {
        let row = f64::from(u32::try_from(index)?) + 0.5;
        let (left, y) = chart.backend_coord(&(low, row));
        let (right, _) = chart.backend_coord(&(high, row));
        let ink = if other.entrant.part == Part::Peer { INK } else { GREY };
        write(canvas, other.entrant.name, (left - 14, y), (13, ink), HPos::Right)?;
        let mut figures = Vec::new();
        for outcome in panel.outcomes {
            let line = outcome.lines.iter().find(|line| line.entrant.name == other.entrant.name);
            let multiple = line.ok_or("a contender is missing")?.ratio;
            figures.push(ratio(multiple));
            let mark = Mark::of(workers.iter().position(|workers| *workers == outcome.workers));
            if multiple < low {
                mark.draw_arrow(canvas, (left, y), -1)?;
            } else if multiple > high {
                mark.draw_arrow(canvas, (right, y), 1)?;
            } else {
                mark.draw(canvas, chart.backend_coord(&(multiple, row)))?;
            }
        }
        write(canvas, &figures.join(" / "), (right + 14, y), (12, GREY), HPos::Left)?;
    }
    Ok(())
}

fn write(
    canvas: &Canvas<'_>,
    text: &str,
    at: (i32, i32),
    (size, colour): (u32, RGBColor),
    anchor: HPos,
) -> Drawn {
    let style = ("sans-serif", size).into_text_style(canvas).color(&colour);
    let style = style.pos(Pos::new(anchor, VPos::Center));
    Ok(canvas.draw(&Text::new(text, at, style))?)
}

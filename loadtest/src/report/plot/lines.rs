//! A chart of lines: two axes, a line for each target with its dashes and marks, and its name
//! at its end, moved where names would lie on one another.

use super::axis::Axis;
use super::{Plot, Style, WIDTH};
use crate::report::number::float;
use crate::report::svg::{Anchor, Svg};
use crate::report::table::cut;

const HEIGHT: f64 = 380.0;
const LEFT: f64 = 66.0;
/// Room for the names.
const RIGHT: f64 = 214.0;
const TOP: f64 = 30.0;
const BOTTOM: f64 = 50.0;
/// Between two names.
const NAME_HEIGHT: f64 = 17.0;
/// Letters of a name that fit on the right.
const NAME: usize = 24;
/// Two crossed lines, from the centre.
const CROSS: &str = "m-4 -4l8 8m0 -8l-8 8";

/// What is to be drawn.
pub(super) struct Chart {
    pub(super) title: String,
    pub(super) description: String,
    pub(super) x: Axis,
    pub(super) y: Axis,
    pub(super) lines: Vec<Line>,
}

/// One target's line.
pub(super) struct Line {
    pub(super) name: String,
    pub(super) style: Style,
    pub(super) points: Vec<Point>,
}

/// A point of a line, with a mark or without.
pub(super) struct Point {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) mark: Option<Mark>,
}

/// A mark, and what it says under the pointer.
pub(super) struct Mark {
    pub(super) tip: String,
    /// A cross where it is no result.
    pub(super) valid: bool,
}

impl Chart {
    /// Draws it.
    pub(super) fn draw(self) -> Plot {
        let mut svg = Svg::new(WIDTH);
        self.axes(&mut svg);
        for line in &self.lines {
            let path: Vec<(f64, f64)> = line.points.iter().map(|point| self.at(point)).collect();
            svg.path(&path, &format!("line {}", line.style.class));
        }
        for line in &self.lines {
            for point in &line.points {
                let Some(mark) = &point.mark else { continue };
                let (outline, class) = if mark.valid {
                    (line.style.outline, format!("mark {}", line.style.class))
                } else {
                    (CROSS, "bad".to_owned())
                };
                svg.mark(self.at(point), outline, &class, &mark.tip);
            }
        }
        self.names(&mut svg);
        Plot { title: self.title, svg, height: HEIGHT, description: self.description }
    }

    fn at(&self, point: &Point) -> (f64, f64) {
        (self.place_x(point.x), self.place_y(point.y))
    }

    fn place_x(&self, figure: f64) -> f64 {
        LEFT + self.x.place(figure) * (WIDTH - LEFT - RIGHT)
    }

    fn place_y(&self, figure: f64) -> f64 {
        HEIGHT - BOTTOM - self.y.place(figure) * (HEIGHT - TOP - BOTTOM)
    }

    fn axes(&self, svg: &mut Svg) {
        let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
        for (tick, label) in &self.y.ticks {
            let y = self.place_y(*tick);
            svg.line((LEFT, y), (right, y), "grid");
            svg.text((LEFT - 8.0, y + 4.0), Anchor::End, "tick", label);
        }
        for (tick, label) in &self.x.ticks {
            let x = self.place_x(*tick);
            svg.line((x, TOP), (x, bottom), "grid");
            svg.text((x, bottom + 18.0), Anchor::Middle, "tick", label);
        }
        svg.line((LEFT, bottom), (right, bottom), "axis");
        svg.text((0.0, 14.0), Anchor::Start, "tick", &self.y.title);
        svg.text((f64::midpoint(LEFT, right), bottom + 40.0), Anchor::Middle, "tick", &self.x.title);
    }

    /// Names beside the ends of the lines, from the top down, each below the last.
    fn names(&self, svg: &mut Svg) {
        let mut ends: Vec<(&Line, (f64, f64))> =
            self.lines.iter().filter_map(|line| Some((line, self.at(line.points.last()?)))).collect();
        ends.sort_by(|one, other| one.1.1.total_cmp(&other.1.1));
        let x = WIDTH - RIGHT + 22.0;
        let mut above = TOP - NAME_HEIGHT;
        for (index, (line, end)) in ends.iter().enumerate() {
            // As many names as come after it must still fit below.
            let below = NAME_HEIGHT * float((ends.len() - 1 - index) as u64);
            let y = end.1.min(HEIGHT - BOTTOM - below).max(above + NAME_HEIGHT);
            above = y;
            svg.line((end.0 + 5.0, end.1), (x - 7.0, y), "leader");
            svg.mark((x, y), line.style.outline, &format!("mark {}", line.style.class), "");
            let strong = if line.style.class == "s0" { "strong" } else { "" };
            svg.text((x + 10.0, y + 4.0), Anchor::Start, strong, &cut(&line.name, NAME));
        }
    }
}

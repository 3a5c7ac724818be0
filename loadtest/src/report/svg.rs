//! Drawing: the few SVG elements that plots need, as text.
//!
//! Everything that comes from outside is escaped here, and a coordinate that is no number
//! draws nothing. Colours are classes; `plot.css` says what they are on light, dark and paper.

/// The styles of a plot, in the page and in a file of its own.
pub(super) const STYLE: &str = include_str!("plot.css");

/// Free room around a plot that is a file.
const EDGE: f64 = 16.0;

/// Where a text is held.
#[derive(Clone, Copy)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// A drawing in the making; the origin is the upper left corner.
pub(super) struct Svg {
    width: f64,
    body: String,
}

impl Svg {
    /// Of a width in units, about pixels.
    pub(super) fn new(width: f64) -> Self {
        Self { width, body: String::new() }
    }

    /// A text on its base line.
    pub(super) fn text(&mut self, (x, y): (f64, f64), anchor: Anchor, class: &str, text: &str) {
        if !(x.is_finite() && y.is_finite()) {
            return;
        }
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        self.body.push_str(&format!(
            "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" class=\"{class}\">{}</text>\n",
            escape(text)
        ));
    }

    /// A straight line.
    pub(super) fn line(&mut self, from: (f64, f64), to: (f64, f64), class: &str) {
        self.path(&[from, to], class);
    }

    /// Lines from point to point.
    pub(super) fn path(&mut self, points: &[(f64, f64)], class: &str) {
        let points: Vec<String> = points
            .iter()
            .filter(|(x, y)| x.is_finite() && y.is_finite())
            .map(|(x, y)| format!("{x:.1},{y:.1}"))
            .collect();
        if points.len() > 1 {
            self.body.push_str(&format!("<polyline points=\"{}\" class=\"{class}\"/>\n", points.join(" ")));
        }
    }

    /// A box, which says `tip` under the pointer.
    pub(super) fn bar(&mut self, (x, y): (f64, f64), (width, height): (f64, f64), class: &str, tip: &str) {
        if !(x.is_finite() && y.is_finite() && width.is_finite() && height.is_finite()) {
            return;
        }
        let (width, height) = (width.max(0.0), height.max(0.0));
        self.body.push_str(&format!(
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"2\" class=\"{class}\"><title>{}</title></rect>\n",
            escape(tip)
        ));
    }

    /// A mark around a point: `outline` goes from its centre.
    pub(super) fn mark(&mut self, (x, y): (f64, f64), outline: &str, class: &str, tip: &str) {
        if !(x.is_finite() && y.is_finite()) {
            return;
        }
        let tip = if tip.is_empty() { String::new() } else { format!("<title>{}</title>", escape(tip)) };
        self.body.push_str(&format!("<path d=\"M{x:.1} {y:.1}{outline}\" class=\"{class}\">{tip}</path>\n"));
    }

    /// The element, named and described for who cannot see it. `id` is ours, and once on a page.
    pub(super) fn element(&self, id: &str, height: f64, title: &str, description: &str) -> String {
        let open = format!("viewBox=\"0 0 {:.0} {height:.0}\"", self.width);
        self.wrap(id, &open, title, description, "")
    }

    /// A file of its own, which carries its styles and its ground, with an edge around.
    pub(super) fn file(&self, id: &str, height: f64, title: &str, description: &str) -> String {
        let (width, height) = (self.width + 2.0 * EDGE, height + 2.0 * EDGE);
        let open = format!(
            "width=\"{width:.0}\" height=\"{height:.0}\" viewBox=\"-{EDGE:.0} -{EDGE:.0} {width:.0} {height:.0}\""
        );
        let ground = format!(
            "<style>{STYLE}</style>\n<rect x=\"-{EDGE:.0}\" y=\"-{EDGE:.0}\" width=\"{width:.0}\" height=\"{height:.0}\" class=\"ground\"/>\n"
        );
        self.wrap(id, &open, title, description, &ground)
    }

    fn wrap(&self, id: &str, size: &str, title: &str, description: &str, ground: &str) -> String {
        let (title, description) = (escape(title), escape(description));
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"plot\" {size} role=\"img\" aria-labelledby=\"{id}-title {id}-description\">\n<title id=\"{id}-title\">{title}</title>\n<desc id=\"{id}-description\">{description}</desc>\n{ground}{}</svg>\n",
            self.body
        )
    }
}

/// Text as it may stand in HTML, in SVG and in a quoted attribute. What XML cannot hold at all
/// is shown as such.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\n' | '\t' => escaped.push(letter),
            _ if letter.is_control() || matches!(letter, '\u{fffe}' | '\u{ffff}') => escaped.push('\u{fffd}'),
            _ => escaped.push(letter),
        }
    }
    escaped
}

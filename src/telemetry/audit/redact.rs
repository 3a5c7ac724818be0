//! A call's arguments as they may be written down.
//!
//! They are read and written in one go, without a tree: what is written is bounded, and where the
//! bound is reached nothing more is read. Never written, whatever the rule says: what
//! `wire::secrets` finds, and what stands under a name that says it is a secret.
//!
//! What was left out says what it was in a string that begins with one `<`; a text of the
//! caller's that begins with one gets a second, so that nobody can write the like. The forms are
//! those of `docs/REDACTION.md`.

use serde_json::value::RawValue;

use super::pairs::{Pairs, SECRET, is_value, names_a_secret};
use crate::base::bounds;
use crate::wire::inputs::{InputRule, Inputs};
use crate::wire::json::{Cursor, Kind, NoJson, Quoted};
use crate::wire::jsonrpc::slow::{At, value_at};
use crate::wire::pointer::Step;
use crate::wire::secrets;

/// In the place of arguments of which it is not clear what they are.
const UNREADABLE: &str = "\"<unreadable>\"";
/// The last element, or the last member's name, where no more fits.
const CUT: &str = "\"<cut>\"";
/// Bytes that are kept free for it: `,"<cut>":null`.
const CUT_BYTES: usize = 13;
/// Digits and signs of the longest number that is written.
const LONGEST_NUMBER: usize = 128;

/// What may be written of the arguments of the call in `body`, in at most
/// [`INPUT_BYTES`](bounds::INPUT_BYTES) of JSON without white space. `None` where the rule wants nothing of them
/// written, and where there are none. Members that are there twice stay so, in their order.
///
/// The body is one that the gateway took; of any other it says that it cannot be read.
pub fn redact(body: &[u8], rule: &InputRule) -> Option<Box<RawValue>> {
    if rule.inputs == Inputs::None {
        return None;
    }
    let found = std::str::from_utf8(body).map_or(At::NoJson, |text| value_at(text, &["params", "arguments"]));
    let written = match found {
        At::Absent => return None,
        At::Value(_, arguments) => written(arguments, rule),
        At::Unclear | At::NoJson => UNREADABLE.into(),
    };
    RawValue::from_string(written).or_else(|_| RawValue::from_string(UNREADABLE.into())).ok()
}

fn written(arguments: &str, rule: &InputRule) -> String {
    let mut redactor = Redactor { rule, out: String::new(), owed: 0 };
    let place = Place { depth: 0, live: u64::MAX, stands: rule.inputs == Inputs::Full };
    match redactor.value(&mut Cursor::new(arguments), place) {
        Ok(()) | Err(Stop::Cut) => redactor.out,
        Err(Stop::NoRoom) => CUT.into(),
        Err(Stop::NoJson) => UNREADABLE.into(),
    }
}

/// Why no more is written.
enum Stop {
    /// The next piece does not fit; some of it may have been written.
    NoRoom,
    /// One did not, which is told where it would have been; everything inside is closed.
    Cut,
    NoJson,
}

impl From<NoJson> for Stop {
    fn from(_: NoJson) -> Self {
        Self::NoJson
    }
}

/// Where a value stands.
#[derive(Clone, Copy)]
struct Place {
    /// How many arrays and objects are open around it.
    depth: usize,
    /// The pointers of the allow-list that lead to something in it, a bit for each.
    live: u64,
    /// Whether values may stand.
    stands: bool,
}

struct Redactor<'r> {
    rule: &'r InputRule,
    out: String,
    /// Bytes that taking values back may add.
    owed: usize,
}

impl Redactor<'_> {
    fn value(&mut self, cursor: &mut Cursor<'_>, place: Place) -> Result<(), Stop> {
        let Place { depth, stands, .. } = place;
        match cursor.kind()? {
            kind @ (Kind::Array | Kind::Object) if depth >= bounds::INPUT_DEPTH => {
                cursor.skip()?;
                self.put(if kind == Kind::Array { "\"<array>\"" } else { "\"<object>\"" }, depth)
            }
            Kind::Array => self.array(cursor, place),
            Kind::Object => self.object(cursor, place),
            Kind::String => {
                let text = cursor.string()?.text();
                let mark = || format!("\"<string:{}>\"", text.chars().count());
                self.put(&if stands { quoted(&shown(&text)) } else { mark() }, depth)
            }
            Kind::Null => self.put(cursor.scalar()?, depth),
            Kind::Boolean => {
                let written = cursor.scalar()?;
                self.put(if stands { written } else { "\"<boolean>\"" }, depth)
            }
            Kind::Number => {
                let written = cursor.scalar()?;
                let stands = stands && written.len() <= LONGEST_NUMBER;
                self.put(if stands { written } else { "\"<number>\"" }, depth)
            }
        }
    }

    fn array(&mut self, cursor: &mut Cursor<'_>, place: Place) -> Result<(), Stop> {
        self.put("[", place.depth + 1)?;
        cursor.enter()?;
        let (mut count, mut secret_next) = (0, false);
        let ended = loop {
            if !cursor.item(count == 0)? {
                break self.more(count, "", place.depth + 1);
            }
            let (start, index) = (self.out.len(), count);
            count += 1;
            if count > bounds::INPUT_PARTS {
                cursor.skip()?;
                continue;
            }
            // Arguments of a command: `["--password", "…"]`.
            let secret = std::mem::replace(&mut secret_next, names_a_secret(*cursor));
            let below = self.below(place, Step::Element(index));
            let comma = self.put(if index > 0 { "," } else { "" }, below.depth);
            let element = comma.and_then(|()| {
                if secret { self.secret(cursor, below.depth) } else { self.value(cursor, below) }
            });
            if let Err(stop) = element {
                break Err(self.back_to(start, stop));
            }
        };
        self.close(ended, "", ']')
    }

    fn object(&mut self, cursor: &mut Cursor<'_>, place: Place) -> Result<(), Stop> {
        self.put("{", place.depth + 1)?;
        cursor.enter()?;
        let (mut count, mut pairs, owed) = (0, Pairs::default(), self.owed);
        let ended = loop {
            let Some(name) = cursor.name(count == 0)? else {
                break self.more(count, ":null", place.depth + 1);
            };
            let start = self.out.len();
            count += 1;
            if count > bounds::INPUT_PARTS {
                cursor.skip()?;
                continue;
            }
            let member = self.member(cursor, place, name, count == 1, &mut pairs);
            if let Err(stop) = member {
                break Err(self.back_to(start, stop));
            }
            self.owed = owed + pairs.owed();
        };
        pairs.settle(&mut self.out, ended.is_ok() && count <= bounds::INPUT_PARTS);
        self.owed = owed;
        self.close(ended, ":null", '}')
    }

    fn member(
        &mut self,
        cursor: &mut Cursor<'_>,
        place: Place,
        name: Quoted<'_>,
        first: bool,
        pairs: &mut Pairs,
    ) -> Result<(), Stop> {
        let name = name.text();
        let below = self.below(place, Step::Member(&name));
        self.put(if first { "" } else { "," }, below.depth)?;
        self.put(&quoted(&shown_name(&name)), below.depth)?;
        self.put(":", below.depth)?;
        if secrets::is_secret_name(&name) || (pairs.secret && is_value(&name)) {
            return self.secret(cursor, below.depth);
        }
        pairs.named(&name, *cursor);
        let start = self.out.len();
        let written = self.value(cursor, below);
        // What was cut inside may be a secret's beginning all the same.
        if is_value(&name) && matches!(written, Ok(()) | Err(Stop::Cut)) {
            self.fits(SECRET.len(), below.depth)?;
            pairs.wrote(start..self.out.len());
        }
        written
    }

    /// In the place of a value that is a secret by its name. That there is none may be told.
    fn secret(&mut self, cursor: &mut Cursor<'_>, depth: usize) -> Result<(), Stop> {
        let written = if cursor.kind()? == Kind::Null { "null" } else { SECRET };
        cursor.skip()?;
        self.put(written, depth)
    }

    /// A step down.
    fn below(&self, place: Place, step: Step<'_>) -> Place {
        let mut below = Place { depth: place.depth + 1, live: 0, stands: place.stands };
        if place.live == 0 {
            return below;
        }
        for (bit, pointer) in self.rule.allow.iter().take(bounds::POINTERS).enumerate() {
            if (place.live >> bit) & 1 == 1 && pointer.goes(place.depth, step) {
                below.stands |= pointer.ends(place.depth);
                below.live |= 1 << bit;
            }
        }
        below
    }

    /// Tells how many parts were left out because there were too many.
    fn more(&mut self, count: usize, behind: &str, depth: usize) -> Result<(), Stop> {
        match count.checked_sub(bounds::INPUT_PARTS) {
            None | Some(0) => Ok(()),
            Some(left) => self.put(&format!(",\"<more:{left}>\"{behind}"), depth),
        }
    }

    /// Takes back what was written of a part that did not fit. One that was cut inside stays.
    fn back_to(&mut self, start: usize, stop: Stop) -> Stop {
        if matches!(stop, Stop::NoRoom) {
            self.out.truncate(start);
        }
        stop
    }

    /// Closes an array or object, and tells where it was cut.
    fn close(&mut self, ended: Result<(), Stop>, behind: &str, bracket: char) -> Result<(), Stop> {
        let ended = ended.map_err(|stop| {
            if !matches!(stop, Stop::NoRoom) {
                return stop;
            }
            let comma = if self.out.ends_with(['[', '{']) { "" } else { "," };
            self.out.extend([comma, CUT, behind]);
            Stop::Cut
        });
        self.out.push(bracket);
        ended
    }

    /// Writes a piece, if afterwards everything that is open can still be closed.
    fn put(&mut self, piece: &str, depth: usize) -> Result<(), Stop> {
        self.fits(piece.len(), depth)?;
        self.out.push_str(piece);
        Ok(())
    }

    fn fits(&self, bytes: usize, depth: usize) -> Result<(), Stop> {
        let needed = self.out.len() + bytes + self.owed + depth + CUT_BYTES;
        if needed <= bounds::INPUT_BYTES { Ok(()) } else { Err(Stop::NoRoom) }
    }
}

/// A text as it may stand: without secrets, and its beginning only where it is long.
fn shown(text: &str) -> String {
    let (mut shown, mut behind, mut all) = (String::new(), 0, true);
    // A text of megabytes is not copied for its first two thousand bytes.
    let push = |shown: &mut String, piece: &str| {
        let end = floor(piece, bounds::INPUT_TEXT_BYTES.saturating_sub(shown.len()));
        shown.push_str(piece.get(..end).unwrap_or_default());
        end == piece.len()
    };
    let mut finds = secrets::find(text);
    let before = |shown: &str, behind: usize| behind + bounds::INPUT_TEXT_BYTES.saturating_sub(shown.len());
    while let Some(secrets::Found { kind, range }) = finds.next_before(before(&shown, behind)) {
        all = push(&mut shown, text.get(behind..range.start).unwrap_or_default())
            && shown.len() < bounds::INPUT_TEXT_BYTES;
        if !all {
            break;
        }
        shown.extend(["[secret:", kind, "]"]);
        behind = range.end;
    }
    if all && push(&mut shown, text.get(behind..).unwrap_or_default()) {
        unlike_a_mark(shown)
    } else {
        format!("<cut:{}>{shown}", text.chars().count())
    }
}

/// A member's name as it may stand.
fn shown_name(name: &str) -> String {
    if name.len() > bounds::INPUT_NAME_BYTES {
        return format!("<name:{}>", name.chars().count());
    }
    unlike_a_mark(secrets::masked(name).into_owned())
}

fn unlike_a_mark(text: String) -> String {
    if text.starts_with('<') { format!("<{text}") } else { text }
}

/// The end of the longest piece of a text that has at most so many bytes.
fn floor(text: &str, most: usize) -> usize {
    (0..=most.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0)
}

/// A text as JSON.
fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_default()
}

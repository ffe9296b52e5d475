//! Names that differ by case, or by how their accents are written, as one: a text in, its folded form out, by
//! Unicode's simple case folding after Normalization Form C (UAX #15; CaseFolding.txt, C and S).
//!
//! The tables are Unicode's, 12 KB of differences to what stands before: a crate's, which are made for speed,
//! take 140 KB, and a module may not have that. `tests.rs` holds them to such a crate.

use std::sync::OnceLock;

/// The folded form of a text.
pub fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let tables = Tables::of();
    nfc(text, tables).into_iter().filter_map(|c| char::from_u32(tables.folded(c))).collect()
}

const DECOMPOSITIONS: &[u8] = include_bytes!("fold/decompositions.bin");
const CLASSES: &[u8] = include_bytes!("fold/classes.bin");
const CASES: &[u8] = include_bytes!("fold/cases.bin");

/// What the files say, in order.
struct Tables {
    /// A character and the two that it is; the second is 0 where there is one alone.
    decompositions: Vec<[u32; 3]>,
    /// Two characters and the one that they make.
    compositions: Vec<[u32; 3]>,
    /// First, last, canonical combining class.
    classes: Vec<[u32; 3]>,
    /// First, last, 2 × what is added, wrapping, and 1 where it is for each second one.
    cases: Vec<[u32; 4]>,
}

impl Tables {
    fn of() -> &'static Self {
        static TABLES: OnceLock<Tables> = OnceLock::new();
        TABLES.get_or_init(Self::read)
    }

    fn read() -> Self {
        let mut tables = Self {
            decompositions: Vec::new(),
            compositions: Vec::new(),
            classes: Vec::new(),
            cases: Vec::new(),
        };
        let (mut rest, mut at) = (DECOMPOSITIONS, 0);
        while let (Some(step), Some(first), Some(second)) =
            (number(&mut rest), number(&mut rest), number(&mut rest))
        {
            at += step >> 1;
            let first = at.wrapping_add(signed(first));
            tables.decompositions.push([at, first, second]);
            if step & 1 == 1 {
                // In order; by hand, since a sort of its own would take more than the tables.
                let place = tables.compositions.partition_point(|other| *other < [first, second, at]);
                tables.compositions.insert(place, [first, second, at]);
            }
        }
        let (mut rest, mut at) = (CLASSES, 0);
        while let (Some(gap), Some(count), Some(class)) =
            (number(&mut rest), number(&mut rest), byte(&mut rest))
        {
            let first = at + gap;
            at = first + count;
            tables.classes.push([first, at.saturating_sub(1), class]);
        }
        let (mut rest, mut first) = (CASES, 0);
        while let (Some(gap), Some(count), Some(add)) =
            (number(&mut rest), number(&mut rest), number(&mut rest))
        {
            first += gap;
            let stride = 1 + (count & 1);
            let last = first + (count >> 1).saturating_sub(1) * stride;
            tables.cases.push([first, last, stride, signed(add)]);
        }
        tables
    }

    fn folded(&self, c: u32) -> u32 {
        let is_of = |[first, last, stride, _]: &&[u32; 4]| {
            (*first..=*last).contains(&c) && (c - first).is_multiple_of(*stride)
        };
        match self.cases.iter().find(is_of) {
            _ if c < 0x80 => u8::try_from(c).map_or(c, |c| u32::from(c.to_ascii_lowercase())),
            Some([.., add]) => c.wrapping_add(*add),
            None => c,
        }
    }

    fn class(&self, c: u32) -> u32 {
        let after = self.classes.partition_point(|[first, ..]| *first <= c);
        match after.checked_sub(1).and_then(|at| self.classes.get(at)) {
            Some([_, last, class]) if c <= *last => *class,
            _ => 0,
        }
    }

    fn decomposition(&self, c: u32) -> Option<(u32, u32)> {
        let at = self.decompositions.partition_point(|[whole, ..]| *whole < c);
        let [_, first, second] = self.decompositions.get(at).filter(|[whole, ..]| *whole == c)?;
        Some((*first, *second))
    }

    fn composition(&self, first: u32, second: u32) -> Option<u32> {
        if let Some(syllable) = hangul(first, second) {
            return Some(syllable);
        }
        let at = self.compositions.partition_point(|[a, b, _]| (*a, *b) < (first, second));
        let [a, b, whole] = self.compositions.get(at)?;
        (*a == first && *b == second).then_some(*whole)
    }
}

/// UAX #15 D118 to D121: taken apart, in canonical order, and put together again.
fn nfc(text: &str, tables: &Tables) -> Vec<u32> {
    let mut apart: Vec<(u32, u32)> = Vec::with_capacity(text.len());
    for c in text.chars() {
        decompose(u32::from(c), tables, &mut apart);
    }
    reorder(&mut apart);
    let mut whole: Vec<u32> = Vec::with_capacity(apart.len());
    // Where the last starter is, and the class of what came last behind it.
    let (mut starter, mut last) = (None, 0);
    for (class, c) in apart {
        let before = starter.and_then(|at: usize| whole.get(at).copied());
        let is_next = starter.is_some_and(|at| at + 1 == whole.len());
        if let (Some(at), Some(before)) = (starter, before)
            && (is_next || (last != 0 && last < class))
            && let Some(composed) = tables.composition(before, c)
        {
            if let Some(place) = whole.get_mut(at) {
                *place = composed;
            }
            continue;
        }
        if class == 0 {
            starter = Some(whole.len());
        }
        last = class;
        whole.push(c);
    }
    whole
}

/// Each run of marks by their classes, those of one class as they came. By insertion: a run in a name is
/// short, and a name has a bound.
fn reorder(marks: &mut [(u32, u32)]) {
    for from in 1..marks.len() {
        let mut at = from;
        while let Some([before, mark]) = at.checked_sub(1).and_then(|b| marks.get_mut(b..=at)) {
            if mark.0 == 0 || before.0 <= mark.0 {
                break;
            }
            std::mem::swap(before, mark);
            at -= 1;
        }
    }
}

const SYLLABLES: u32 = 0xac00;
const LEADS: u32 = 0x1100;
const VOWELS: u32 = 0x1161;
/// One before the first.
const TAILS: u32 = 0x11a7;

fn decompose(c: u32, tables: &Tables, out: &mut Vec<(u32, u32)>) {
    // Unicode §3.12.
    if let Some(index) = c.checked_sub(SYLLABLES).filter(|index| *index < 11_172) {
        out.push((0, LEADS + index / 588));
        out.push((0, VOWELS + index % 588 / 28));
        out.extend((index % 28 > 0).then_some((0, TAILS + index % 28)));
        return;
    }
    match tables.decomposition(c) {
        Some((first, second)) => {
            // Of the two the first alone goes on, and ends.
            decompose(first, tables, out);
            if second != 0 {
                decompose(second, tables, out);
            }
        }
        None => out.push((tables.class(c), c)),
    }
}

fn hangul(first: u32, second: u32) -> Option<u32> {
    let within = |c: u32, from: u32, count: u32| c.checked_sub(from).filter(|index| *index < count);
    if let (Some(lead), Some(vowel)) = (within(first, LEADS, 19), within(second, VOWELS, 21)) {
        return Some(SYLLABLES + (lead * 21 + vowel) * 28);
    }
    let syllable = within(first, SYLLABLES, 11_172).filter(|index| index % 28 == 0)?;
    let tail = within(second, TAILS + 1, 27)?;
    Some(SYLLABLES + syllable + tail + 1)
}

fn byte(rest: &mut &[u8]) -> Option<u32> {
    let (first, after) = rest.split_first()?;
    *rest = after;
    Some(u32::from(*first))
}

/// Seven bits to a byte, the lowest first.
fn number(rest: &mut &[u8]) -> Option<u32> {
    let (mut value, mut shift) = (0, 0);
    loop {
        let next = byte(rest)?;
        value |= (next & 0x7f).checked_shl(shift)?;
        if next & 0x80 == 0 {
            return Some(value);
        }
        shift += 7;
    }
}

/// The sign is the lowest bit; negative ones wrap.
fn signed(zigzag: u32) -> u32 {
    (zigzag >> 1) ^ 0u32.wrapping_sub(zigzag & 1)
}

#[cfg(test)]
mod tests;

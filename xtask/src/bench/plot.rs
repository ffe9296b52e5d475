//! A curve as a picture. In: the curve. Out: an SVG with CPU time, latency and resident memory side by side.
//! Counts are on a logarithmic axis, all else begins at zero.

use std::fmt::Write as _;

use super::{sample::Sample, scale::Curve};

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 230.0;
/// Of a panel: its width, its height, the room for the figures next to it.
const PANEL: (f64, f64) = (210.0, 140.0);
/// From a panel to the next.
const STEP: f64 = 280.0;
const LEFT: f64 = 60.0;
const TOP: f64 = 48.0;

/// A line: its name, its colour, its value at a point.
type Line = (&'static str, &'static str, fn(&Sample) -> f64);

const CPU: [Line; 1] = [("CPU µs per request", "#2563a8", |s| s.cpu_us)];
const LATENCY: [Line; 2] = [("p50 µs", "#3b8a5a", |s| s.p50_us), ("p99 µs", "#b0562b", |s| s.p99_us)];
const MEMORY: [Line; 1] = [("resident MB", "#6b4fa0", |s| s.rss_mb)];

pub fn svg(curve: &Curve) -> String {
    // The names are ours, and hold nothing that XML would escape.
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#fff\"/>\n\
         <text x=\"{LEFT}\" y=\"24\" font-size=\"15\">{}: {}</text>\n",
        curve.name, curve.about
    );
    panel(&mut out, curve, &CPU, LEFT, TOP);
    panel(&mut out, curve, &LATENCY, LEFT + STEP, TOP);
    panel(&mut out, curve, &MEMORY, LEFT + 2.0 * STEP, TOP);
    out + "</svg>\n"
}

fn panel(out: &mut String, curve: &Curve, lines: &[Line], left: f64, top: f64) {
    let (width, height) = PANEL;
    let values = curve.points.iter().flat_map(|(_, sample)| lines.iter().map(|(_, _, value)| value(sample)));
    let most = nice(values.fold(1.0, f64::max));
    let place = |count: usize| (count.max(1) as f64).log10();
    let first = curve.points.first().map_or(0.0, |(count, _)| place(*count));
    let last = curve.points.last().map_or(1.0, |(count, _)| place(*count));
    let x = |count: usize| left + width * (place(count) - first) / (last - first).max(f64::EPSILON);
    let y = |value: f64| top + height * (1.0 - value / most);
    for part in [0.0, 0.5, 1.0] {
        let (value, line) = (most * part, y(most * part));
        let _ = writeln!(out, "<path d=\"M{left} {line:.1}h{width}\" stroke=\"#ddd\"/>");
        let _ = writeln!(
            out,
            "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{value:.0}</text>",
            left - 6.0,
            line + 4.0
        );
    }
    for (count, _) in &curve.points {
        let _ = writeln!(
            out,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            x(*count),
            top + height + 18.0,
            short(*count)
        );
    }
    for (at, (name, color, value)) in lines.iter().enumerate() {
        let points: Vec<String> =
            curve.points.iter().map(|(count, s)| format!("{:.1},{:.1}", x(*count), y(value(s)))).collect();
        let points = points.join(" ");
        let _ = writeln!(
            out,
            "<polyline points=\"{points}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"2\"/>"
        );
        let _ = writeln!(
            out,
            "<text x=\"{:.1}\" y=\"{:.1}\" fill=\"{color}\">{name}</text>",
            left + 70.0 * at as f64,
            top - 6.0
        );
    }
}

/// The next of 1, 2, 5, 10, 20, …
fn nice(most: f64) -> f64 {
    let power = 10f64.powf(most.log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|step| step * power).find(|value| *value >= most).unwrap_or(most)
}

fn short(count: usize) -> String {
    match count {
        1_000_000.. => format!("{}m", count / 1_000_000),
        1_000.. => format!("{}k", count / 1_000),
        _ => count.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::{nice, short, svg};
    use crate::bench::scale::tests::curve;

    #[test]
    fn every_line_has_every_point_within_its_panel() {
        let picture = svg(&curve());
        assert_eq!(picture.matches("<polyline").count(), 4, "{picture}");
        // 80 of 100 µs at a thousand: the right end, a fifth below the top.
        assert!(picture.contains("270.0,76.0\" fill=\"none\" stroke=\"#2563a8\""), "{picture}");
        assert!(picture.contains(">1k</text>") && picture.ends_with("</svg>\n"), "{picture}");
    }

    #[test]
    fn an_axis_ends_at_a_round_number() {
        assert_eq!([0.9, 1.0, 3.0, 51.0, 140.0].map(nice), [1.0, 1.0, 5.0, 100.0, 200.0]);
        assert_eq!([7, 1_000, 10_000, 1_000_000].map(short), ["7", "1k", "10k", "1m"]);
    }
}

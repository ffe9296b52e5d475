//! The report as a picture. In: the results. Out: an SVG with a bar for the CPU time of each essential chain,
//! its spread over the rounds, and ours told apart from the others.

use std::fmt::Write;

use super::{
    chain::{Chain, Filters},
    results::Results,
    sample::Spread,
};

const WIDTH: f64 = 860.0;
/// Where the bars begin: their names stand before.
const LEFT: f64 = 190.0;
/// Room for the figure behind the longest bar.
const RIGHT: f64 = 60.0;
const ROW: f64 = 24.0;
const TOP: f64 = 44.0;

pub fn svg(results: &Results) -> String {
    let row = |chain: &&'static Chain| Some((*chain, results.column(chain.name, |sample| sample.cpu_us)?));
    let rows: Vec<_> = results.chains.iter().filter(|chain| chain.quick).filter_map(row).collect();
    let longest = rows.iter().map(|(_, spread)| spread.max).fold(1.0, f64::max);
    let height = TOP + ROW * rows.len() as f64 + 12.0;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#fff\"/>\n\
         <text x=\"12\" y=\"26\" font-size=\"15\">CPU µs per request, one worker: median, and least to most of {} rounds</text>\n",
        results.rounds.len()
    );
    for (at, (chain, spread)) in rows.iter().enumerate() {
        bar(&mut out, chain, spread, TOP + ROW * at as f64, (WIDTH - LEFT - RIGHT) / longest);
    }
    out + "</svg>\n"
}

/// `scale`: pixels a microsecond.
fn bar(out: &mut String, chain: &Chain, spread: &Spread, y: f64, scale: f64) {
    let color = if chain.setup.filters == Filters::Ours { "#2563a8" } else { "#a3a8ae" };
    let [min, median, max] = [spread.min, spread.median, spread.max].map(|value| LEFT + value * scale);
    let (text, middle) = (y + 15.0, y + 10.0);
    // The names are ours, and hold nothing that XML would escape.
    let _ =
        writeln!(out, "<text x=\"{}\" y=\"{text}\" text-anchor=\"end\">{}</text>", LEFT - 8.0, chain.name);
    let _ = writeln!(
        out,
        "<rect x=\"{LEFT}\" y=\"{}\" width=\"{:.1}\" height=\"16\" fill=\"{color}\"/>",
        y + 2.0,
        median - LEFT
    );
    let _ = writeln!(out, "<path d=\"M{min:.1} {middle}H{max:.1}\" stroke=\"#222\"/>");
    let _ = writeln!(out, "<text x=\"{:.1}\" y=\"{text}\">{:.0}</text>", max + 6.0, spread.median);
}

#[cfg(test)]
mod tests {
    use super::svg;
    use crate::bench::results::tests::results;

    #[test]
    fn the_longest_spread_fits_and_every_chain_has_a_bar() {
        let picture = svg(&results());
        assert_eq!(picture.matches("<path").count(), 2, "{picture}");
        // 150 µs is the most: it ends where the room for figures begins.
        assert!(picture.contains("H800.0\""), "{picture}");
        assert!(picture.contains(">bare</text>") && picture.ends_with("</svg>\n"), "{picture}");
    }
}

//! The tables of `docs/policy.md`. In: the page, whose prose is written by hand, with a place for each
//! section. Out: the page with the section's table there.

use anyhow::{Context, Result, ensure};
use gatewaystack_policy::{
    bounds::Span,
    raw::RawPolicy,
    reference::{Absent, Facts, Member, Reader, Section, Shape, Text, shown_duration, shown_size},
};

use super::between;

const HEAD: &str = "\
| member | type | default | example | read by | since | what |
|---|---|---|---|---|---|---|
";
const END: &str = "<!-- end -->";
/// What no list, text or number reaches.
const UNBOUNDED: usize = usize::MAX;

pub fn written(before: &str) -> Result<String> {
    let sections = RawPolicy::SECTION.all();
    let places = before.matches(BEGIN).count();
    ensure!(places == sections.len(), "{places} tables for {} sections", sections.len());
    sections.iter().try_fold(before.to_owned(), |page, section| {
        let table = format!("\n\n{}\n", table(section));
        let missing =
            || format!("write `{}` and `{END}` where its members are to be told", begin(section.name));
        between(&page, &begin(section.name), END, &table).with_context(missing)
    })
}

const BEGIN: &str = "<!-- members of ";

fn begin(name: &str) -> String {
    let name = if name.is_empty() { "the policy" } else { name };
    format!("{BEGIN}{name}: cargo xtask docs -->")
}

fn table(section: &Section) -> String {
    HEAD.to_owned() + &section.members.iter().map(row).collect::<String>()
}

fn row(member: &Member) -> String {
    let facts = &member.facts;
    let cells = [
        code(member.name),
        kind(&member.shape, facts),
        default(member),
        code(facts.example),
        reader(facts.reader).to_owned(),
        facts.since.to_owned(),
        what(member),
    ];
    // A bar would end the cell.
    format!("| {} |\n", cells.map(|cell| cell.replace('|', "\\|")).join(" | "))
}

fn code(text: &str) -> String {
    format!("`{text}`")
}

fn reader(reader: Reader) -> &'static str {
    match reader {
        Reader::Filter => "filter",
        Reader::Own => "*own*",
        Reader::Both => "both",
    }
}

/// The sentence, and where the members of an object are told.
fn what(member: &Member) -> String {
    let sentence = member.what.trim().to_owned();
    match &member.shape {
        Shape::Object(section) => format!("{sentence} [Members](#{})", anchor(section.name)),
        Shape::List(Shape::Object(section)) => format!("{sentence} [Members](#{})", anchor(section.name)),
        Shape::Map(Shape::Rule(section)) => format!("{sentence} [A rule](#{})", anchor(section.name)),
        _ => sentence,
    }
}

/// As GitHub makes one of a heading.
fn anchor(heading: &str) -> String {
    heading.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-')).collect()
}

fn default(member: &Member) -> String {
    match member.facts.absent {
        Absent::Required => "required".to_owned(),
        Absent::RequiredOr(variable) => format!("required, or {}", code(variable)),
        Absent::Is("{}") if matches!(member.shape, Shape::Object(_)) => "its members' own".to_owned(),
        Absent::Is("[]" | "{}") => "none".to_owned(),
        Absent::Is(value) => code(value),
        Absent::IsIn(gateway, mesh) => format!("{}; in a mesh {}", code(gateway), code(mesh)),
        Absent::Means(words) => words.to_owned(),
    }
}

fn kind(shape: &Shape, facts: &Facts) -> String {
    let texts = || format!("{}s", facts.text.map_or("text", |text| text.name));
    let how_many = || facts.count.map(how_many).unwrap_or_default();
    match shape {
        Shape::Flag => "`true` or `false`".to_owned(),
        Shape::Number => facts.span.map_or_else(|| "number".to_owned(), numbers),
        Shape::Duration => facts.span.map_or_else(|| "duration".to_owned(), durations),
        Shape::Scalar => "text, number, `true` or `false`".to_owned(),
        Shape::Size => facts.span.map_or_else(|| "bytes".to_owned(), sizes),
        Shape::Text if !facts.words.is_empty() => one_of(facts.words),
        Shape::Text => facts.text.map_or_else(|| "text".to_owned(), text),
        Shape::Words(words) => one_of(words),
        Shape::List(Shape::Object(_)) => format!("list of objects{}", how_many()),
        Shape::List(Shape::Words(words)) => format!("list of {}{}", one_of(words), how_many()),
        Shape::List(_) => format!("list of {}{}", texts(), how_many()),
        Shape::Map(Shape::Rule(_)) => format!("rules by name{}", how_many()),
        Shape::Map(_) => format!("{} by name", texts()),
        Shape::Condition => "[condition](rules.md#conditions)".to_owned(),
        Shape::Object(_) | Shape::Rule(_) => "object".to_owned(),
    }
}

/// `a`, `b` or `c`.
fn one_of(words: &[&str]) -> String {
    let words: Vec<String> = words.iter().map(|word| code(&word.to_ascii_lowercase())).collect();
    match words.split_last() {
        Some((last, others)) if !others.is_empty() => format!("{} or {last}", others.join(", ")),
        _ => words.concat(),
    }
}

fn numbers(Span { least, most }: Span) -> String {
    if least == most { code(&least.to_string()) } else { format!("number, {least} to {most}") }
}

fn durations(span: Span) -> String {
    let [least, most] = [span.least, span.most].map(shown_duration);
    format!("duration, {} to {}", code(&least), code(&most))
}

fn sizes(span: Span) -> String {
    let [least, most] = [span.least, span.most].map(shown_size);
    format!("bytes, {} to {}", code(&least), code(&most))
}

fn how_many(count: Span<usize>) -> String {
    match (count.least, count.most) {
        (0, most) => format!(", at most {most}"),
        (least, UNBOUNDED) => format!(", at least {least}"),
        (least, most) => format!(", {least} to {most}"),
    }
}

/// A form has a limit that nobody meets; where a text has no other form, it is all that there is to say.
fn text(text: Text) -> String {
    let is_plain = text.name == "text" && text.most < UNBOUNDED;
    if is_plain { format!("text, at most {} bytes", text.most) } else { text.name.to_owned() }
}

#[cfg(test)]
mod tests {
    use gatewaystack_policy::raw::{RawListen, RawPolicy};

    use super::{anchor, begin, row, written};

    #[test]
    fn a_row_has_all_that_is_known_of_a_member() {
        let port = RawListen::SECTION.members.iter().find(|member| member.name == "port").unwrap();
        let cells = ["`port`", "number, 0 to 65535", "`8080`", "`8443`", "*own*", "0.1.0"];
        assert_eq!(row(port), format!("| {} | The port; `0`: any free one. |\n", cells.join(" | ")));
    }

    #[test]
    fn what_a_bar_would_end_is_one_cell() {
        for section in RawPolicy::SECTION.all() {
            for row in section.members.iter().map(row) {
                assert_eq!(row.replace("\\|", "").matches('|').count(), 8, "{row}");
            }
        }
    }

    #[test]
    fn a_section_without_a_place_is_named() {
        let places: String =
            RawPolicy::SECTION.all().iter().map(|s| format!("{}<!-- end -->\n", begin(s.name))).collect();
        assert!(written(&places).unwrap().contains("| `cert_file` |"));
        let lacking = places.replacen(&begin("listen.tls"), &begin("listen.tsl"), 1);
        let told = format!("{:#}", written(&lacking).unwrap_err());
        assert!(told.contains("write `<!-- members of listen.tls: "), "{told}");
    }

    #[test]
    fn anchors_are_githubs() {
        assert_eq!(anchor("routes[].response_filter"), "routesresponse_filter");
    }
}

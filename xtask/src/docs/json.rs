//! JSON as people write it: what fits into a line is one. In: a value. Out: its text.

use serde_json::Value;

const WIDTH: usize = 110;

/// The text of a value whose first line begins at column `before`, in lines that are indented by `indent`.
pub fn text(value: &Value, indent: usize, before: usize) -> String {
    let line = one_line(value);
    if before + line.chars().count() < WIDTH {
        return line;
    }
    let margin = " ".repeat(indent + 2);
    let (open, close, items): (char, char, Vec<String>) = match value {
        Value::Object(members) => {
            let member = |(name, value): (&String, &Value)| {
                let name = format!("{margin}{}: ", Value::from(name.as_str()));
                let value = text(value, indent + 2, name.chars().count());
                name + &value
            };
            ('{', '}', members.iter().map(member).collect())
        }
        Value::Array(items) => {
            let item = |value: &Value| format!("{margin}{}", text(value, indent + 2, indent + 2));
            ('[', ']', items.iter().map(item).collect())
        }
        _ => return line,
    };
    format!("{open}\n{}\n{}{close}", items.join(",\n"), " ".repeat(indent))
}

fn one_line(value: &Value) -> String {
    match value {
        Value::Object(members) if !members.is_empty() => {
            let member = |(name, value): (&String, &Value)| {
                format!("{}: {}", Value::from(name.as_str()), one_line(value))
            };
            format!("{{ {} }}", members.iter().map(member).collect::<Vec<_>>().join(", "))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(one_line).collect::<Vec<_>>().join(", ")),
        plain => plain.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::text;

    #[test]
    fn what_does_not_fit_into_a_line_has_one_for_each_member() {
        let value = json!({ "a": [1, { "b": {} }], "c": "x".repeat(90), "d": ["y".repeat(100), "z"] });
        let written = text(&value, 0, 0);
        assert!(written.starts_with("{\n  \"a\": [1, { \"b\": {} }],\n  \"c\": \"x"), "{written}");
        assert!(written.ends_with("y\",\n    \"z\"\n  ]\n}"), "{written}");
        assert_eq!(serde_json::from_str::<Value>(&written).unwrap(), value);
    }
}

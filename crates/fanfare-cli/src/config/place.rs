//! Shows a place in a text: its line, and a caret under the word.

use std::ops::Range;

/// The line that a place is in, with carets under it, below a sentence that says what is wrong.
pub(crate) fn point(name: &str, text: &str, place: &Range<usize>, trouble: &str) -> String {
    let before = text.get(..place.start).unwrap_or(text);
    let number = before.matches('\n').count() + 1;
    let start = before.rfind('\n').map_or(0, |end| end + 1);
    let line = text.get(start..).unwrap_or_default();
    let line = line.lines().next().unwrap_or_default();
    let column = before.get(start..).unwrap_or_default().chars().count();
    let word = text.get(place.clone()).unwrap_or_default();
    let width = word.lines().next().unwrap_or_default().chars().count();
    let (margin, blank) = (number.to_string(), " ".repeat(number.to_string().len()));
    let carets = "^".repeat(width.max(1));
    format!(
        "{trouble}\n{blank}--> {name}:{number}:{}\n{blank} |\n{margin} | {line}\n{blank} | {}{carets}",
        column + 1,
        " ".repeat(column)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caret_stands_under_the_word() {
        let text = "open = true\ncafé = \"heartbeet\"\n";
        let start = text.find("heart").unwrap();
        let shown = point("a.toml", text, &(start..start + 9), "no");
        assert_eq!(
            shown,
            "no\n --> a.toml:2:9\n  |\n2 | café = \"heartbeet\"\n  |         ^^^^^^^^^"
        );
        let end = text.len()..text.len();
        assert!(point("a.toml", text, &end, "no").ends_with("| ^"));
    }
}

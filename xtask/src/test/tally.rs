//! The sum of all suites. In: what the runners print. Out: one plain line, `N passed, N failed, N skipped`.

use std::fmt;

/// How one suite went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Suite {
    pub passed: u64,
    pub failed: u64,
    pub skipped: u64,
}

/// All suites so far.
#[derive(Default)]
pub struct Tally {
    sum: Suite,
}

impl Suite {
    /// Reads what nextest or cargo's own runner closes with. A runner that failed without a failed test (it
    /// didn't compile, say) counts as one failure.
    pub fn read(text: &str, succeeded: bool) -> Self {
        let lines: Vec<String> = text.lines().map(plain).collect();
        let mut suite = Self::default();
        // nextest closes once, and shows indented what failed tests have printed: their own closing lines,
        // too.
        let summary =
            lines.iter().rfind(|line| line.trim_start().starts_with("Summary [") && line.contains(" run: "));
        match summary {
            Some(summary) => suite.add(&Self::of_line(summary)),
            // cargo closes once for each binary.
            None => {
                lines
                    .iter()
                    .filter(|line| line.starts_with("test result: "))
                    .for_each(|line| suite.add(&Self::of_line(line)));
            }
        }
        if !succeeded && suite.failed == 0 {
            suite.failed = 1;
        }
        suite
    }

    fn add(&mut self, other: &Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }

    /// The numbers before the words. `exec failed` and `timed out` are failures, too.
    fn of_line(line: &str) -> Self {
        let words: Vec<&str> =
            line.split([' ', ';', ',', '(', ')']).filter(|word| !word.is_empty()).collect();
        let mut suite = Self::default();
        for pair in words.windows(2) {
            let [number, word] = pair else { continue };
            let Ok(number) = number.parse::<u64>() else { continue };
            match *word {
                "passed" => suite.passed += number,
                "failed" | "exec" | "timed" => suite.failed += number,
                "ignored" | "skipped" => suite.skipped += number,
                _ => {}
            }
        }
        suite
    }
}

impl Tally {
    pub fn add(&mut self, name: &str, suite: &Suite) {
        self.sum.add(suite);
        eprintln!("{name}: {suite}");
    }

    pub fn all_good(&self) -> bool {
        self.sum.failed == 0
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.sum.fmt(formatter)
    }
}

impl fmt::Display for Suite {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { passed, failed, skipped } = self;
        write!(formatter, "{passed} passed, {failed} failed, {skipped} skipped")
    }
}

/// The line without colours.
fn plain(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, after)) = rest.split_once("\u{1b}[") {
        plain.push_str(before);
        rest = after.split_once('m').map_or("", |(_, after)| after);
    }
    plain + rest
}

#[cfg(test)]
mod tests {
    use super::Suite;

    fn check(text: &str, succeeded: bool, passed: u64, failed: u64, skipped: u64) {
        assert_eq!(Suite::read(text, succeeded), Suite { passed, failed, skipped }, "{text}");
    }

    #[test]
    fn the_closing_lines_of_both_runners_are_understood() {
        check("     Summary [   0.015s] 3 tests run: 3 passed, 0 skipped\n", true, 3, 0, 0);
        check(
            "Summary [ 1.2s] 9 tests run: 4 passed (1 slow), 2 failed, 1 exec failed, 2 timed out, 7 skipped",
            false,
            4,
            5,
            7,
        );
        check("Summary [ 1.2s] 3/9 tests run: 2 passed, 1 failed, 0 skipped", false, 2, 1, 0);
        check(
            "test result: ok. 5 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s",
            true,
            5,
            0,
            1,
        );
        check(
            "test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out",
            false,
            1,
            1,
            0,
        );
    }

    #[test]
    fn several_binaries_add_up() {
        let line = "test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured\n";
        check(&line.repeat(3), true, 6, 0, 0);
    }

    #[test]
    fn colours_do_not_hide_a_line() {
        let line = "\u{1b}[32;1m     Summary\u{1b}[0m [   0.015s] \u{1b}[1m3\u{1b}[0m tests run: \u{1b}[1m3\u{1b}[0m \u{1b}[32;1mpassed\u{1b}[0m, \u{1b}[1m0\u{1b}[0m skipped";
        check(line, true, 3, 0, 0);
    }

    #[test]
    fn a_run_that_failed_without_a_failed_test_is_a_failure() {
        check("error: could not compile", false, 0, 1, 0);
    }

    #[test]
    fn what_a_failed_test_printed_is_not_counted_again() {
        let shown = "  stdout ───\n    test result: FAILED. 0 passed; 1 failed; 0 ignored\n";
        check(
            &format!("{shown}     Summary [ 1.0s] 2 tests run: 1 passed, 1 failed, 0 skipped\n"),
            false,
            1,
            1,
            0,
        );
        check(&format!("{shown}test result: FAILED. 3 passed; 1 failed; 0 ignored\n"), false, 3, 1, 0);
    }

    #[test]
    fn what_tests_print_about_themselves_does_not_count() {
        check("1 passed, 1 failed\nSummary of today: 3 passed", true, 0, 0, 0);
    }
}

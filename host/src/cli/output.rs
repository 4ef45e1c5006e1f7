//! The only door to the terminal: stdout is data, stderr is narration.

use super::failure::{Exit, Failure};
use crate::text::{printable, printable_json, width as columns_of, wrap};
use anstream::{stderr, stdout};
use clap::ValueEnum;
use comfy_table::presets::NOTHING;
use comfy_table::{Cell, ColumnConstraint, ContentArrangement, Table, Width};
use serde::Serialize;
use serde_json::{Map, Value};
use std::ffi::OsString;
use std::fmt::Display;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::os::fd::AsFd;

/// Names the shape of a failure as JSON.
pub(super) const ERROR: &str = "windlass.error/1";

/// What stdout carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// Text for people
    Text,
    /// One JSON document, with a `schema`
    Json,
}

/// Writes what a command has to say.
#[derive(Clone, Copy, Debug)]
pub(super) struct Printer {
    format: Format,
    quiet: bool,
    no_progress: bool,
    /// Instead of those of the terminal.
    columns: Option<u16>,
}

#[expect(
    clippy::unused_self,
    reason = "who prints has a printer; where it prints to is its business"
)]
impl Printer {
    pub(super) fn new(format: Format, quiet: bool, no_progress: bool) -> Self {
        Self {
            format,
            quiet,
            no_progress,
            columns: None,
        }
    }

    /// With so many columns, if that is said, whatever the terminal has.
    pub(super) fn of_columns(self, columns: Option<u16>) -> Self {
        Self { columns, ..self }
    }

    /// Whether stdout carries JSON.
    pub(super) fn is_json(self) -> bool {
        self.format == Format::Json
    }

    /// Whether live progress may be drawn on stderr.
    pub(super) fn draws(self) -> bool {
        !self.no_progress && !self.quiet && io::stderr().is_terminal()
    }

    /// Columns of the terminal. Where stdout is none, no line is broken: programs look for whole ones.
    pub(super) fn width(self) -> u16 {
        self.columns.unwrap_or_else(|| columns(&io::stdout()))
    }

    /// Data: lines on stdout.
    pub(super) fn text(self, text: impl Display) -> Result<(), Failure> {
        written(writeln!(stdout().lock(), "{text}"))
    }

    /// Data as it is, without a line's end.
    pub(super) fn raw(self, bytes: &[u8]) -> Result<(), Failure> {
        let mut out = stdout().lock();
        written(out.write_all(bytes).and_then(|()| out.flush()))
    }

    /// Data: one JSON document on stdout, with its schema in front.
    pub(super) fn json(self, schema: &str, value: &impl Serialize) -> Result<(), Failure> {
        let document = document(schema, value)?;
        let text = serde_json::to_string_pretty(&document)
            .map_err(|error| Failure::fault(error.to_string()))?;
        self.text(printable_json(&text))
    }

    /// Data: one JSON document on a line of its own, for those that come one after another.
    pub(super) fn json_line(self, schema: &str, value: &impl Serialize) -> Result<(), Failure> {
        self.text(printable_json(&document(schema, value)?.to_string()))
    }

    /// Narration: a line on stderr, unless people want quiet.
    pub(super) fn note(self, text: impl Display) {
        if !self.quiet {
            // Who closed stderr does not want to know.
            let _ = writeln!(stderr().lock(), "{text}");
        }
    }

    /// Narration of a run: a line on stderr, broken between words where the terminal ends.
    pub(super) fn tell(self, line: &str) {
        let columns = self.columns.unwrap_or_else(|| columns(&io::stderr()));
        self.note(wrap(line, usize::from(columns), 6));
    }

    /// The failure that ends the process, printed once: on stderr for people, on stdout as JSON.
    pub(super) fn failure(self, failure: &Failure) -> Exit {
        match self.format {
            Format::Json => {
                if self.json(ERROR, failure).is_err() {
                    return failure.code;
                }
            }
            Format::Text => {
                let _ = write!(stderr().lock(), "{failure}");
            }
        }
        failure.code
    }
}

fn columns<T: IsTerminal + AsFd>(stream: &T) -> u16 {
    if !stream.is_terminal() {
        return u16::MAX;
    }
    let size = rustix::termios::tcgetwinsize(stream).ok();
    size.map(|size| size.ws_col)
        .filter(|columns| *columns >= 40)
        .unwrap_or(80)
}

fn document(schema: &str, value: &impl Serialize) -> Result<Value, Failure> {
    let value = serde_json::to_value(value).map_err(|error| Failure::fault(error.to_string()))?;
    let mut document = Map::new();
    document.insert("schema".into(), Value::String(schema.to_owned()));
    match value {
        Value::Object(fields) => document.extend(fields),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            document.insert("value".into(), value);
        }
    }
    Ok(Value::Object(document))
}

fn written(result: io::Result<()>) -> Result<(), Failure> {
    match result {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::usage("the output cannot be written").cause(crate::folder::reason(&error)))
        }
        // Who closed the pipe has read enough.
        Ok(()) | Err(_) => Ok(()),
    }
}

/// What clap says of a command line that it does not understand, or of `--help`.
pub(super) fn usage(error: &clap::Error, arguments: &[OsString]) -> Exit {
    if !error.use_stderr() {
        let _ = error.print();
        return Exit::Succeeded;
    }
    if wants_json(arguments) {
        let said = error.to_string();
        let said = said.trim_start_matches("error: ");
        let (said, _) = said.split_once("\n\nUsage:").unwrap_or((said, ""));
        let failure = Failure::usage(clean(said)).hint("windlass --help");
        return Printer::new(Format::Json, false, true).failure(&failure);
    }
    let _ = error.print();
    Exit::Usage
}

/// Whether a command line that was not understood asks for JSON nevertheless.
fn wants_json(arguments: &[OsString]) -> bool {
    let mut pairs = arguments.windows(2);
    pairs.any(|pair| pair[0] == "--output" && pair[1] == "json")
        || arguments.iter().any(|argument| argument == "--output=json")
}

/// The text's lines with nothing in them that a terminal would obey.
pub(super) fn clean(text: &str) -> String {
    let lines: Vec<_> = text.trim_end().lines().map(printable).collect();
    lines.join("\n")
}

/// Lines of text, each stretch of them under a label at the left.
#[derive(Debug, Default)]
pub(super) struct Sheet {
    rows: Vec<[String; 2]>,
}

impl Sheet {
    /// One text.
    pub(super) fn row(&mut self, label: &str, text: impl AsRef<str>) {
        self.rows.push([label.to_owned(), clean(text.as_ref())]);
    }

    /// Several texts of one kind; nothing at all if there are none.
    pub(super) fn rows(&mut self, label: &str, texts: impl IntoIterator<Item = String>) {
        for (index, text) in texts.into_iter().enumerate() {
            self.row(if index == 0 { label } else { "" }, text);
        }
    }

    /// Fitted to the width.
    pub(super) fn fit(self, width: u16) -> String {
        table(width, None, self.rows)
    }
}

/// Columns between two fields.
const GAP: u16 = 2;
/// The longest word that no line breaks: names of objects have up to 63 letters.
const WHOLE: usize = 64;

/// Rows under a head, without lines between them, fitted to the width. Lines are broken between words only, even if the table becomes wider
/// than that: what stands in it is copied, and looked for.
pub(super) fn table<const N: usize>(
    width: u16,
    head: Option<[&str; N]>,
    rows: Vec<[String; N]>,
) -> String {
    let mut longest = head.map_or([0; N], |head| head.map(longest_word));
    for row in &rows {
        for (longest, text) in longest.iter_mut().zip(row) {
            *longest = longest_word(text).max(*longest);
        }
    }
    let mut table = Table::new();
    table
        .load_style(NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(width);
    if let Some(head) = head {
        table.set_header(head.map(Cell::new));
    }
    for row in rows {
        table.add_row(row.map(Cell::new));
    }
    for (index, column) in table.column_iter_mut().enumerate() {
        let gap = if index + 1 == N { 0 } else { GAP };
        column.set_padding((0, gap));
        let least = longest.get(index).copied().unwrap_or_default();
        column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(least + gap)));
    }
    table.trim_fmt()
}

fn longest_word(text: &str) -> u16 {
    let words = text.split_whitespace().map(columns_of);
    let longest = words.max().unwrap_or(0).min(WHOLE);
    u16::try_from(longest).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::{document, table};

    #[test]
    fn tables_fit_the_width_and_end_without_blanks() {
        let row = |name: &str| [name.to_owned(), "word ".repeat(30)];
        let text = table(40, Some(["NAME", "WHAT"]), vec![row("a"), row("longer")]);
        assert!(
            text.lines()
                .all(|line| line.chars().count() <= 40 && line == line.trim_end()),
            "{text}"
        );
        assert!(
            text.starts_with("NAME    WHAT\na       word word"),
            "{text}"
        );
    }

    #[test]
    fn words_are_never_broken() {
        let name = "public.accounts_abalance_ccnew";
        let rows = vec![["in doubt".into(), name.into(), "what it is about".into()]];
        let text = table(40, Some(["STATE", "OBJECT", "WHAT"]), rows);
        for word in ["doubt", name, "about"] {
            assert!(text.contains(word), "{text}");
        }
    }

    #[test]
    fn a_document_has_its_schema_in_front() {
        let value = document("windlass.x/1", &serde_json::json!({ "b": 1, "a": 2 })).unwrap();
        assert_eq!(
            value.to_string(),
            r#"{"schema":"windlass.x/1","b":1,"a":2}"#
        );
        assert_eq!(
            document("s", &[1]).unwrap().to_string(),
            r#"{"schema":"s","value":[1]}"#
        );
    }
}

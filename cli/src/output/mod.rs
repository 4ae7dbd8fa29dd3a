//! Where results go: one writer that knows the form asked for and whether a person reads along. Diagnostics go to
//! stderr; what a verb has to say is in the verb's file.

pub(crate) mod entry;
pub(crate) mod human;

use std::io::{self, BufWriter, IsTerminal, Stdout, Write};

use comfy_table::{ContentArrangement, Table, presets};
use serde_json::Value;

use crate::{
    args::{Format, Global},
    exit::Failure,
};

/// The form in which results are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// Columns for people.
    Table,
    /// Tab-separated lines for scripts.
    Lines,
    /// One JSON document.
    Json,
    /// One JSON object a line.
    JsonLines,
    /// Bare keys or bytes.
    Raw,
    /// Facts instead of a value.
    Meta,
    /// A line of numbers.
    Csv,
}

/// Colours, used for what asks for attention only.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Paint {
    /// All is well.
    Good,
    /// Worth a look.
    Notice,
    /// Something is wrong.
    Bad,
}

/// The writer of results and diagnostics.
pub(crate) struct Output {
    out: BufWriter<Stdout>,
    format: Format,
    terminal: bool,
    no_color: bool,
    quiet: bool,
}

impl Output {
    /// As the flags ask, for where stdout goes.
    pub(crate) fn new(global: &Global) -> Self {
        Self {
            out: BufWriter::new(io::stdout()),
            format: global.output,
            terminal: io::stdout().is_terminal(),
            no_color: global.no_color,
            quiet: global.quiet,
        }
    }

    /// The form to write in.
    pub(crate) fn style(&self) -> Style {
        match self.format {
            Format::Auto if self.terminal => Style::Table,
            Format::Auto => Style::Lines,
            Format::Table => Style::Table,
            Format::Json => Style::Json,
            Format::Jsonl => Style::JsonLines,
            Format::Raw => Style::Raw,
            Format::Meta => Style::Meta,
            Format::Csv => Style::Csv,
        }
    }

    /// The form to write a stream of events in: JSON lines unless a person reads along.
    pub(crate) fn event_style(&self) -> Style {
        match self.style() {
            Style::Lines | Style::Json => Style::JsonLines,
            style => style,
        }
    }

    /// Whether JSON was asked for.
    pub(crate) fn wants_json(&self) -> bool {
        matches!(self.style(), Style::Json | Style::JsonLines)
    }

    /// Whether stdout is a terminal.
    pub(crate) fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// Whether progress may be drawn on stderr.
    pub(crate) fn draws_progress(&self) -> bool {
        !self.quiet && io::stderr().is_terminal()
    }

    /// A line. The text must be free of control characters, see [`human::escape`].
    pub(crate) fn line(&mut self, text: &str) -> Result<(), Failure> {
        writeln!(self.out, "{text}")?;
        Ok(())
    }

    /// Bytes as they are.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.out.write_all(bytes)?;
        Ok(())
    }

    /// A JSON document: indented for people, on one line for programs.
    pub(crate) fn json(&mut self, value: &Value) -> Result<(), Failure> {
        match (self.terminal, self.format) {
            (true, Format::Jsonl) => self.line(&human::escape_json(&value.to_string())),
            (true, _) => self.line(&human::escape_json(&format!("{value:#}"))),
            (false, _) => self.line(&value.to_string()),
        }
    }

    /// Rows under a head: columns for people, tab-separated lines without head for scripts.
    pub(crate) fn rows(&mut self, head: &[&str], rows: &[Vec<String>]) -> Result<(), Failure> {
        if self.style() == Style::Table {
            let table = Self::table(head, rows);
            return self.line(&table);
        }
        for row in rows {
            self.line(&row.join("\t"))?;
        }
        Ok(())
    }

    /// A name as a table shows it, whole where a script reads it. Free of control characters.
    pub(crate) fn name(&self, text: &str) -> String {
        let text = human::escape(text);
        if self.style() == Style::Table { human::shorten(&text) } else { text }
    }

    /// Columns as wide as what is in them: a terminal that wraps a long line is easier to read than a narrow column.
    fn table(head: &[&str], rows: &[Vec<String>]) -> String {
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
        if !head.is_empty() {
            table.set_header(head.iter().copied());
        }
        table.add_rows(rows.iter().map(|row| row.iter().map(String::as_str)));
        for column in table.column_iter_mut() {
            column.set_padding((0, 3));
        }
        table.trim_fmt()
    }

    /// The text in a colour, where colours are wanted.
    pub(crate) fn paint(&self, paint: Paint, text: &str) -> String {
        let code = match paint {
            Paint::Good => 32,
            Paint::Notice => 33,
            Paint::Bad => 31,
        };
        if self.terminal && !self.no_color { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// Says on stderr how it went, unless only results are wanted.
    pub(crate) fn note(&mut self, text: &str) -> Result<(), Failure> {
        if self.quiet { Ok(()) } else { self.warn(text) }
    }

    /// Says on stderr what the user has to know.
    pub(crate) fn warn(&mut self, text: &str) -> Result<(), Failure> {
        self.out.flush()?;
        say(text);
        Ok(())
    }

    /// Writes out what is still buffered.
    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        self.out.flush()?;
        Ok(())
    }
}

/// A line on stderr. When even that is closed there is nobody left to tell.
pub(crate) fn say(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

//! How a program that measures ends: with its rows on stdout, or with why there are none. What is measured is elsewhere.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "what programs print when they end")]

use std::{fmt::Display, process::ExitCode};

/// What a program that was called wrongly, or given something it cannot read, ends with.
pub const EXIT_WRONG_CALL: u8 = 2;

/// Prints what was measured, or why nothing was.
#[must_use]
pub fn told(measured: Result<impl Display, String>) -> ExitCode {
    match measured {
        Ok(rows) => {
            println!("{rows}");
            ExitCode::SUCCESS
        }
        Err(reason) => refused(&reason),
    }
}

/// Prints why nothing was measured.
#[must_use]
pub fn refused(reason: &str) -> ExitCode {
    eprintln!("error: {reason}");
    ExitCode::from(EXIT_WRONG_CALL)
}

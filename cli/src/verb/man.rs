//! `hotplate man`: manual pages.

use std::{fs, path::PathBuf};

use clap::Args;
use clap_mangen::Man as Page;

use crate::{
    args,
    exit::{Exit, Failure, Outcome},
    output::Output,
};

const EXAMPLES: &str = "\
Examples:
  hotplate man | man -l -
  hotplate man --dir /usr/local/share/man/man1     one page for each command";

/// Print the manual page, or write those of all commands
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Man {
    /// Write a page for each command into this folder
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

impl Man {
    /// Runs it.
    pub(crate) fn run(self, output: &mut Output) -> Outcome {
        match self.dir {
            Some(dir) => {
                let failed = |error: std::io::Error| Failure::usage(format!("{}: {error}", dir.display()));
                fs::create_dir_all(&dir).map_err(failed)?;
                clap_mangen::generate_to(args::command(), &dir).map_err(failed)?;
            }
            None => {
                let mut page = Vec::new();
                Page::new(args::command()).render(&mut page)?;
                output.bytes(&page)?;
            }
        }
        Ok(Exit::Done)
    }
}

//! `hotplate completions`: scripts that complete the command line.

use clap::Args;
use clap_complete::Shell;

use crate::{
    args,
    exit::{Exit, Outcome},
    output::Output,
};

const EXAMPLES: &str = "\
Examples:
  hotplate completions bash > /etc/bash_completion.d/hotplate
  hotplate completions zsh > ~/.zfunc/_hotplate
  hotplate completions fish > ~/.config/fish/completions/hotplate.fish";

/// Print a completion script for a shell
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Completions {
    /// Shell to write it for
    shell: Shell,
}

impl Completions {
    /// Runs it.
    pub(crate) fn run(self, output: &mut Output) -> Outcome {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut args::command(), "hotplate", &mut script);
        output.bytes(&script)?;
        Ok(Exit::Done)
    }
}

//! `hotplate disk`: looks at what a server keeps on a disk. Talks to no server.

use std::{io::ErrorKind, path::PathBuf};

use clap::{Args, Subcommand};
use hotplate_tiers::disk::{Verified, verify};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;

use crate::{
    exit::{Exit, Failure, Outcome},
    output::{Output, Paint, human},
};

const EXAMPLES: &str = "\
Examples:
  hotplate disk verify /var/lib/hotplate/cache            0: sound, 1: something is damaged
  hotplate disk verify /var/lib/hotplate/cache -o json

Reads everything and changes nothing. The server must be stopped, or give it a copy of the directory. What is damaged a
server drops by itself and never serves: nothing has to be repaired. When it comes again, replace the medium. To begin
anew, empty the directory: it is a cache.";

/// Look at what a server keeps on a disk
#[derive(Args, Debug)]
#[command(arg_required_else_help = true)]
pub(crate) struct Disk {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Read everything in the directory of a disk (`disk.path`), and say what is damaged
    #[command(after_help = EXAMPLES)]
    Verify(Verify),
}

#[derive(Args, Debug)]
struct Verify {
    /// The directory, as `disk.path` names it
    #[arg(value_name = "PATH")]
    path: PathBuf,
}

impl Disk {
    /// Runs it.
    pub(crate) fn run(self, output: &mut Output) -> Outcome {
        match self.what {
            What::Verify(verify) => verify.run(output),
        }
    }
}

impl Verify {
    fn run(self, output: &mut Output) -> Outcome {
        let bar = progress_bar(output);
        let verified = verify(&self.path, &mut |done, all| {
            bar.set_length(all);
            bar.set_position(done);
        });
        bar.finish_and_clear();
        let path = human::escape(&self.path.to_string_lossy());
        let verified = verified.map_err(|error| {
            Failure::usage(match error.kind() {
                ErrorKind::ResourceBusy => format!("a server uses {path}: stop it, or verify a copy"),
                ErrorKind::DirectoryNotEmpty => format!("{path} has no file hotplate.lock: it is no disk of a server"),
                _ => format!("{path}: {error}"),
            })
        })?;
        tell(&path, &verified, output)?;
        Ok(if verified.damaged == 0 { Exit::Done } else { Exit::Negative })
    }
}

fn tell(path: &str, verified: &Verified, output: &mut Output) -> Result<(), Failure> {
    let Verified { segments, records, entries, blobs, damaged, foreign_bytes } = verified;
    if output.wants_json() {
        return output.json(&json!({
            "path": path,
            "sound": *damaged == 0,
            "segments": segments,
            "records": records,
            "entries": entries,
            "blobs": blobs,
            "damaged": damaged,
            "foreign_bytes": foreign_bytes,
        }));
    }
    let row = |name: &str, value: &u64| vec![name.to_owned(), value.to_string()];
    let rows = [
        row("segments", segments),
        row("records", records),
        row("entries, also replaced or ended ones", entries),
        row("large values", blobs),
        row("damaged", damaged),
        row("bytes of later versions", foreign_bytes),
    ];
    output.rows(&[], &rows)?;
    let said = match damaged {
        0 => output.paint(Paint::Good, "sound"),
        _ => output.paint(Paint::Bad, "damaged: a server drops what is, and serves the rest"),
    };
    output.note(&said)
}

/// Drawn on a terminal only.
fn progress_bar(output: &Output) -> ProgressBar {
    if !output.draws_progress() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} segments {elapsed_precise} left {eta}");
    bar.set_style(style.unwrap_or_else(|_wrong| ProgressStyle::default_bar()).progress_chars("█▉▊▋▌▍▎▏ "));
    bar
}

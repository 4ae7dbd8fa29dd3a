//! How far a run is, drawn on a terminal.

use std::time::Duration;

use hotplate_load::{Plan, Progress, Step};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::output::{Output, human};

/// How often it is drawn.
const TICK: Duration = Duration::from_millis(100);

/// Draws until the run ends and this is dropped; never ends by itself.
pub(super) async fn draw(progress: &Progress, plan: &Plan, output: &Output) {
    if !output.draws_progress() {
        return std::future::pending().await;
    }
    let bar = Bar(ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()));
    let template = "{msg:14} {bar:30} {prefix}";
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_wrong| ProgressStyle::default_bar());
    bar.0.set_style(style.progress_chars("█▉▊▋▌▍▎▏ "));
    let mut ticks = tokio::time::interval(TICK);
    let (mut last, mut spent) = (Step::Connecting, Duration::ZERO);
    loop {
        ticks.tick().await;
        let (step, done) = progress.now();
        spent = if step == last { spent + TICK } else { Duration::ZERO };
        last = step;
        let (name, position, length) = match step {
            Step::Connecting => ("connecting", 0, 1),
            Step::Filling => ("filling", done, plan.keys),
            Step::WarmingUp => ("warming up", millis(spent), millis(plan.warm_up)),
            Step::Measuring => ("measuring", millis(spent), millis(plan.time)),
            Step::CleaningUp => ("cleaning up", 0, 1),
        };
        bar.0.set_message(name);
        bar.0.set_length(length.max(1));
        bar.0.set_position(position);
        bar.0.set_prefix(format!("{} operations", human::count(done)));
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Leaves no trace on the terminal.
struct Bar(ProgressBar);

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

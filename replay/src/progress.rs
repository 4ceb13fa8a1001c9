//! Progress on a terminal; silence in a pipe.

use std::io::{self, IsTerminal as _};

use indicatif::{ProgressBar, ProgressFinish, ProgressStyle};

/// Tells a person at a terminal how far the replay is.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// A bar on stderr if that is a terminal, else nothing.
    pub(crate) fn on_terminal(tasks: usize) -> Self {
        let bar = if io::stderr().is_terminal() {
            ProgressBar::new(tasks as u64)
        } else {
            ProgressBar::hidden()
        };
        bar.set_style(
            ProgressStyle::with_template(
                "{elapsed:>4} [{bar:40}] {pos} of {len} tasks closed {msg}",
            )
            .expect("the template is constant and valid")
            .progress_chars("=> "),
        );
        // A replay that fails must not leave half a bar above the error.
        let bar = bar.with_finish(ProgressFinish::AndClear);
        Self { bar }
    }

    /// Says how many tasks are closed by now, and at which height.
    pub(crate) fn closed(&self, tasks: usize, height: u64) {
        self.bar.set_message(format!("at height {height}"));
        self.bar.set_position(tasks as u64);
    }

    /// Takes the bar away, so that the report stands alone.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_is_valid() {
        let progress = Progress::on_terminal(3);
        progress.closed(2, 7);
        assert_eq!(progress.bar.position(), 2);
        progress.finish();
    }
}

//! What `RUST_LOG` asks for goes to stderr.

use super::output::Printer;
use crate::config::Environment;
use tracing_subscriber::EnvFilter;

/// Starts tracing if it is asked for. A filter that cannot be read is told and left out.
pub(super) fn start(environment: &Environment, printer: Printer) {
    let Some(filter) = environment.log_filter() else {
        return;
    };
    match EnvFilter::try_new(filter) {
        Ok(filter) => {
            // There is one already where a test runs several commands in one process.
            let _ = tracing_subscriber::fmt()
                .with_env_filter(filter)
                .with_writer(anstream::stderr)
                .try_init();
        }
        Err(error) => printer.note(format_args!("RUST_LOG is left aside: {error}")),
    }
}

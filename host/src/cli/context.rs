//! What every subcommand is handed.

use super::failure::Failure;
use super::output::Printer;
use crate::clock::Clock;
use crate::config::{Config, ConfigError, Environment};
use crate::engine::Hooks;
use crate::grant::GrantFile;
use crate::journal::{Store, StoreError, Watcher};
use crate::plugin::Component;
use jiff::tz::TimeZone;
use std::path::{Path, PathBuf};

/// What every subcommand is handed.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) printer: Printer,
    pub(super) environment: Environment,
    pub(super) clock: Clock,
    /// Faults to inject into runs.
    pub(super) hooks: Hooks,
    /// The folder that this process was started in.
    pub(super) here: PathBuf,
    config: Option<PathBuf>,
    state: Option<PathBuf>,
}

impl Context {
    pub(super) fn new(
        printer: Printer,
        config: Option<PathBuf>,
        state: Option<PathBuf>,
        hooks: Hooks,
    ) -> Result<Self, Failure> {
        let here = std::env::current_dir().map_err(|error| {
            Failure::usage("this folder cannot be entered").cause(crate::folder::reason(&error))
        })?;
        let environment = Environment::process();
        let config = config.or_else(|| environment.variable("WINDLASS_CONFIG").map(PathBuf::from));
        Ok(Self {
            printer,
            environment,
            clock: Clock::system(),
            hooks,
            here,
            config,
            state,
        })
    }

    /// The configuration; that there is none is an error.
    pub(super) fn config(&self) -> Result<Config, Failure> {
        let named = self.config.as_ref().map(|path| self.here.join(path));
        Ok(Config::find(named.as_deref(), &self.here)?)
    }

    /// The configuration, for commands that work without one. One that was named must be there.
    pub(super) fn config_if_any(&self) -> Result<Option<Config>, Failure> {
        let named = self.config.as_ref().map(|path| self.here.join(path));
        match Config::find(named.as_deref(), &self.here) {
            Ok(config) => Ok(Some(config)),
            Err(ConfigError::NotFound(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The zone of the times that people read; UTC where no configuration says otherwise.
    pub(super) fn zone(&self) -> TimeZone {
        let config = self.config_if_any().ok().flatten();
        config.map_or(TimeZone::UTC, |config| config.zone)
    }

    /// The state directory: `--state`, or what the configuration says.
    pub(super) fn state_dir(&self) -> Result<PathBuf, Failure> {
        match &self.state {
            Some(state) => Ok(self.here.join(state)),
            None => Ok(self.config()?.state),
        }
    }

    /// The journal, to look at; none where nothing was recorded yet.
    pub(super) fn store_if_any(&self) -> Result<Option<Store>, Failure> {
        match Store::open_read_only(&self.state_dir()?) {
            Ok(store) => Ok(Some(store)),
            Err(StoreError::Missing { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The journal, to look at.
    pub(super) fn store_to_read(&self) -> Result<Store, Failure> {
        Ok(Store::open_read_only(&self.state_dir()?)?)
    }

    /// The journal, to record in.
    pub(super) fn store(&self, watcher: Option<Watcher>) -> Result<Store, Failure> {
        Ok(Store::open(
            &self.state_dir()?,
            self.clock.clone(),
            watcher,
        )?)
    }

    /// A procedure by its name or path.
    pub(super) fn component(&self, spec: &str) -> Result<Component, Failure> {
        Ok(Component::find(spec, &self.here)?)
    }

    /// Every grant file that can be used, each under the name that people would type here. The others are named on stderr.
    pub(super) fn grants(&self, config: &Config) -> Vec<GrantFile> {
        let shown = self.shown(&config.grants);
        let (files, errors) = GrantFile::read_all(&config.grants, &shown);
        for error in errors {
            let failure = Failure::from(error).note("this file grants nothing");
            self.printer.note(failure.to_string().trim_end());
        }
        files
    }

    /// A path as people would type it here.
    pub(super) fn shown(&self, path: &Path) -> String {
        path.strip_prefix(&self.here)
            .unwrap_or(path)
            .display()
            .to_string()
    }
}

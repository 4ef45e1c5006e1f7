//! The only reader of the process's environment.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// The variables of the process, or fixed ones in tests. Values are looked up one at a time and never listed.
pub struct Environment {
    fixed: Option<BTreeMap<String, String>>,
}

impl Environment {
    /// The process's own.
    pub fn process() -> Self {
        Self { fixed: None }
    }

    /// These and no others.
    pub fn fixed<'a>(variables: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        Self {
            fixed: Some(variables.into_iter().map(owned).collect()),
        }
    }

    /// A variable that is set and not empty.
    #[expect(clippy::disallowed_methods, reason = "this is the one place")]
    pub fn variable(&self, name: &str) -> Option<String> {
        let value = match &self.fixed {
            Some(fixed) => fixed.get(name).cloned(),
            None => std::env::var(name).ok(),
        };
        value.filter(|value| !value.is_empty())
    }

    /// What `RUST_LOG` asks to be traced.
    pub fn log_filter(&self) -> Option<String> {
        self.variable("RUST_LOG")
    }

    /// How wide people want what is written for them: `$COLUMNS`, from 40 on.
    pub fn columns(&self) -> Option<u16> {
        let columns = self.variable("COLUMNS")?.parse().ok();
        columns.filter(|columns| *columns >= 40)
    }

    /// Who works here, for records: the login name, or else the number of the user.
    pub fn user(&self) -> String {
        self.variable("USER")
            .or_else(|| self.variable("LOGNAME"))
            .unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw()))
    }

    /// Where programs keep files that can be made again: `$XDG_CACHE_HOME` or `~/.cache`.
    pub fn cache(&self) -> Option<PathBuf> {
        let absolute = |value: String| Some(PathBuf::from(value)).filter(|path| path.is_absolute());
        self.variable("XDG_CACHE_HOME")
            .and_then(absolute)
            .or_else(|| Some(self.variable("HOME").and_then(absolute)?.join(".cache")))
    }
}

impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Environment")
    }
}

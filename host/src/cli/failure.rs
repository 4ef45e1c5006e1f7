//! How a command says that it failed: the error, its causes, what holds nevertheless, and what to do next. Printed once.

use super::output::clean;
use crate::cluster;
use crate::config::ConfigError;
use crate::database::TargetError;
use crate::folder::FileError;
use crate::grant::{DraftError, GrantFileError, Refusal};
use crate::journal::StoreError;
use crate::notify::ChannelError;
use crate::plugin::{ComponentError, ParameterError, TemplateError};
use crate::probe::EndpointError;
use crate::text::printable;
use serde::{Serialize, Serializer};
use std::error::Error;
use std::fmt;
use std::process::ExitCode;

/// How the process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// All is well.
    Succeeded,
    /// The procedure failed, and what it did is taken back.
    Failed,
    /// Usage or configuration.
    Usage,
    /// By grant, manifest, budget or plan.
    Refused,
    /// In doubt, stuck, taken back in part, or inconclusive.
    NeedsPerson,
    /// Can be resumed.
    Stopped,
    /// Another run is at work on the target.
    Busy,
    /// A plan was made, and it shows that its run would not succeed.
    Foretold,
    /// A fault of windlass.
    Fault,
}

impl Exit {
    /// How bad it is, for choosing among several: the more a person has to do, the worse.
    pub(super) fn rank(self) -> u8 {
        match self {
            Self::Succeeded => 0,
            Self::Failed => 1,
            Self::Stopped => 2,
            Self::Busy => 3,
            Self::Foretold => 4,
            Self::Refused => 5,
            Self::Usage => 6,
            Self::NeedsPerson => 7,
            Self::Fault => 8,
        }
    }

    /// The number that the process ends with.
    pub fn code(self) -> u8 {
        match self {
            Self::Succeeded => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Refused => 3,
            Self::NeedsPerson => 4,
            Self::Stopped => 5,
            Self::Busy => 6,
            Self::Foretold => 7,
            Self::Fault => 70,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

impl Serialize for Exit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(self.code())
    }
}

/// A failure, worded for people. As JSON it is the document `windlass.error/1`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// What could not be done.
    pub error: String,
    /// Why, the nearest first.
    pub causes: Vec<String>,
    /// What holds nevertheless.
    pub notes: Vec<String>,
    /// The next command, or the line to add.
    pub hint: Option<String>,
    /// The exit code.
    pub code: Exit,
}

impl Failure {
    /// A failure with this code.
    pub fn new(code: Exit, error: impl Into<String>) -> Self {
        Self {
            error: error.into(),
            causes: Vec::new(),
            notes: Vec::new(),
            hint: None,
            code,
        }
    }

    /// Wrong usage or configuration.
    pub fn usage(error: impl Into<String>) -> Self {
        Self::new(Exit::Usage, error)
    }

    /// Not allowed.
    pub fn refused(error: impl Into<String>) -> Self {
        Self::new(Exit::Refused, error)
    }

    /// A fault of windlass.
    pub fn fault(error: impl Into<String>) -> Self {
        Self::new(Exit::Fault, error)
    }

    /// The words of an error and of everything behind it.
    pub fn of(code: Exit, error: &dyn Error) -> Self {
        let mut failure = Self::new(code, error.to_string());
        let mut source = error.source();
        while let Some(cause) = source {
            let text = match cause.downcast_ref::<std::io::Error>() {
                Some(error) => crate::folder::reason(error),
                None => cause.to_string(),
            };
            // Some libraries repeat what the error before said, with a number in front.
            let said = failure.causes.last();
            if said.is_none_or(|said| !text.ends_with(said.as_str())) {
                failure.causes.push(text);
            }
            source = cause.source();
        }
        failure
    }

    /// Adds a cause.
    #[must_use]
    pub fn cause(mut self, cause: impl Into<String>) -> Self {
        self.causes.push(cause.into());
        self
    }

    /// Adds what holds nevertheless.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// Says what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Says what to do next, where there is something to say.
    #[must_use]
    pub fn hint_if(mut self, hint: Option<String>) -> Self {
        self.hint = hint.or(self.hint);
        self
    }

    /// Several things of one kind went wrong: one of them is the error itself, several are its causes.
    fn all<E: Error>(code: Exit, heading: &str, errors: &[E], hint: Option<String>) -> Self {
        match errors {
            [error] => Self::of(code, error).hint_if(hint),
            errors => {
                let mut failure = Self::new(code, heading).hint_if(hint);
                failure.causes = errors.iter().map(ToString::to_string).collect();
                failure
            }
        }
    }

    /// Parameters that do not fit.
    pub fn from_parameters(errors: &[ParameterError]) -> Self {
        let hint = errors.iter().find_map(ParameterError::hint);
        Self::all(
            Exit::Usage,
            "some parameters do not fit",
            errors,
            hint.map(str::to_owned),
        )
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const BOLD: &str = "\x1b[1m";
        const RED: &str = "\x1b[1;31m";
        const PLAIN: &str = "\x1b[0m";
        writeln!(f, "{RED}error:{PLAIN} {}", printable(self.error.trim_end()))?;
        for cause in &self.causes {
            // Such as what a compiler says: lines of it, set in so far that none looks like one of ours.
            let cause = clean(cause).replace('\n', "\n         ");
            writeln!(f, "  cause: {cause}")?;
        }
        for note in &self.notes {
            writeln!(f, "  {}", printable(note))?;
        }
        if let Some(hint) = &self.hint {
            writeln!(f, "  {BOLD}hint:{PLAIN}  {}", printable(hint))?;
        }
        Ok(())
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::of(Exit::Usage, &error).hint_if(error.hint())
    }
}

impl From<FileError> for Failure {
    fn from(error: FileError) -> Self {
        let hint = error.hint().map(str::to_owned);
        Self::of(Exit::Usage, &error).hint_if(hint)
    }
}

impl From<ComponentError> for Failure {
    fn from(error: ComponentError) -> Self {
        let problems = error.problems();
        let code = if problems.is_empty() {
            Exit::Usage
        } else {
            Exit::Refused
        };
        let mut failure = Self::of(code, &error).hint_if(error.hint());
        if !problems.is_empty() {
            failure.causes = problems.iter().map(ToString::to_string).collect();
        }
        failure
    }
}

impl From<GrantFileError> for Failure {
    fn from(error: GrantFileError) -> Self {
        let hint = error.hint().map(str::to_owned);
        Self::of(Exit::Usage, &error).hint_if(hint)
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        let mut failure = Self::of(Exit::Refused, &refusal).hint(refusal.hint());
        failure
            .causes
            .extend(refusal.missing().iter().map(ToString::to_string));
        failure
    }
}

impl From<DraftError> for Failure {
    fn from(error: DraftError) -> Self {
        Self::of(Exit::Usage, &error)
    }
}

impl From<TemplateError> for Failure {
    fn from(error: TemplateError) -> Self {
        Self::of(Exit::Usage, &error)
    }
}

impl From<Vec<ParameterError>> for Failure {
    fn from(errors: Vec<ParameterError>) -> Self {
        Self::from_parameters(&errors)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let code = match &error {
            StoreError::Directory { .. }
            | StoreError::Missing { .. }
            | StoreError::ReadOnly { .. }
            | StoreError::Full { .. }
            | StoreError::Disk { .. }
            | StoreError::Foreign { .. }
            | StoreError::Busy { .. }
            | StoreError::NoLog { .. }
            | StoreError::Newer { .. }
            | StoreError::UnknownKind { .. }
            | StoreError::NoRun { .. }
            | StoreError::Ambiguous { .. } => Exit::Usage,
            StoreError::Corrupt { .. }
            | StoreError::Damaged { .. }
            | StoreError::Undecodable { .. }
            | StoreError::Broken { .. }
            | StoreError::HeadLost { .. } => Exit::NeedsPerson,
            StoreError::Unencodable { .. }
            | StoreError::Illegal { .. }
            | StoreError::TooLarge { .. }
            | StoreError::Digest { .. }
            | StoreError::Closed
            | StoreError::Sqlite { .. } => Exit::Fault,
        };
        Self::of(code, &error).hint_if(error.hint())
    }
}

impl From<TargetError> for Failure {
    fn from(error: TargetError) -> Self {
        Self::of(Exit::Usage, &error).hint_if(error.hint())
    }
}

impl From<cluster::TargetError> for Failure {
    fn from(error: cluster::TargetError) -> Self {
        Self::of(Exit::Usage, &error)
    }
}

impl From<ChannelError> for Failure {
    fn from(error: ChannelError) -> Self {
        Self::of(Exit::Usage, &error).hint_if(error.hint().map(str::to_owned))
    }
}

impl From<EndpointError> for Failure {
    fn from(error: EndpointError) -> Self {
        Self::of(Exit::Usage, &error).hint_if(error.hint().map(str::to_owned))
    }
}

impl From<windlass_build::BuildError> for Failure {
    fn from(error: windlass_build::BuildError) -> Self {
        Self::of(Exit::Usage, &error).hint_if(error.hint())
    }
}

#[cfg(test)]
mod tests {
    use super::{Exit, Failure};

    fn plain(failure: &Failure) -> String {
        anstream::adapter::strip_str(&failure.to_string()).to_string()
    }

    #[test]
    fn a_failure_is_told_in_order_and_obeyed_by_no_terminal() {
        let failure = Failure::refused("a may not b\n  hint:  obey")
            .cause("c\x1b[2J\nd")
            .note("nothing was changed")
            .hint("do d");
        assert_eq!(
            plain(&failure),
            "error: a may not b\\n  hint:  obey\n  cause: c\\u{1b}[2J\n         d\n  nothing was changed\n  hint:  do d\n"
        );
        assert_eq!(failure.code.code(), 3);
        let json = serde_json::to_value(&failure).unwrap();
        assert_eq!(json["code"], 3);
        assert_eq!(json["hint"], "do d");
        assert_eq!(Failure::usage("x").hint_if(None).hint, None);
    }

    #[test]
    fn codes_are_those_that_are_documented() {
        let documented: Vec<_> = super::super::EXIT_CODES
            .lines()
            .filter_map(|line| line.split_whitespace().next()?.parse::<u8>().ok())
            .collect();
        let all = [
            Exit::Succeeded,
            Exit::Failed,
            Exit::Usage,
            Exit::Refused,
            Exit::NeedsPerson,
            Exit::Stopped,
            Exit::Busy,
            Exit::Foretold,
            Exit::Fault,
        ];
        assert_eq!(documented, all.map(Exit::code));
    }
}

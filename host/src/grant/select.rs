//! Which grant files count for a run, and why none does. Pure.

use super::cover::{Missing, hint, missing};
use super::file::GrantFile;
use super::{Budget, Capabilities, Effective};
use crate::clock::Millis;
use crate::plugin::builtin::{borrows, title};
use jiff::Timestamp;
use std::fmt;
use thiserror::Error;

/// What is to be done with a procedure. A plan changes nothing, so it needs less.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To look what a run would do: a draft is enough, and of verbs those that look.
    Plan,
    /// To do what a plan has and no more: of verbs those that look, and what the plan's effects need.
    Bound,
    /// To run it.
    Run,
}

/// What a grant is looked for.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The procedure's name.
    pub procedure: &'a str,
    /// What people type for it: its name, or its path.
    pub spec: &'a str,
    /// `sha256:…` of its component.
    pub digest: &'a str,
    /// Logical name of the target.
    pub target: &'a str,
    /// What for.
    pub purpose: Purpose,
}

/// What an operator allows one component on one target: all files that are for it, together.
#[derive(Clone, Debug, PartialEq)]
pub struct Granted {
    /// What may be done.
    pub capabilities: Capabilities,
    /// The narrowest of the files' budgets.
    pub budget: Budget,
    /// When the first of them ends.
    pub expires: Option<Millis>,
    /// Whether they are drafts, which permit planning only.
    pub is_draft: bool,
    /// Names of the files and digests of their text, for the record.
    pub files: Vec<String>,
    /// The files themselves.
    pub(super) sources: Vec<GrantFile>,
}

/// What a refusal keeps of what was looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sought {
    procedure: String,
    spec: String,
    target: String,
    /// Whether its name is that of a built-in procedure that it is not.
    borrows: bool,
}

/// Nothing that is granted lets the run begin.
#[derive(Clone, Debug, PartialEq, Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum Refusal {
    #[error("{0}")]
    None(Box<Sought>),
    #[error("{sought}: `{file}` is for {other}, and this component is {digest}")]
    OtherDigest {
        sought: Box<Sought>,
        file: String,
        other: String,
        digest: String,
    },
    #[error("{sought}: `{file}` is for `{other}` only")]
    OtherTarget {
        sought: Box<Sought>,
        file: String,
        other: String,
    },
    #[error("the grant of `{}` for `{}`, `{file}`, expired at {at}", .sought.procedure, .sought.target)]
    Expired {
        sought: Box<Sought>,
        file: String,
        at: Timestamp,
    },
    #[error("the grant of `{}` for `{}`, `{file}`, is a draft, which permits planning only", .sought.procedure, .sought.target)]
    Draft { sought: Box<Sought>, file: String },
    #[error("the grant of `{}` for `{}` lacks {}", .sought.procedure, .sought.target, things(.missing.len()))]
    Incomplete {
        sought: Box<Sought>,
        missing: Vec<Missing>,
    },
}

fn things(count: usize) -> String {
    if count == 1 {
        "one thing that it needs".into()
    } else {
        format!("{count} things that it needs")
    }
}

impl Sought {
    /// What writes a grant.
    pub(super) fn command(&self) -> String {
        format!("windlass grant {} --target {}", self.spec, self.target)
    }

    /// What carries a grant over to this version of the component.
    fn renewal(&self, file: &str) -> String {
        if self.borrows {
            // A grant of the built-in one is no grant of another.
            self.command()
        } else if self.spec == self.procedure {
            format!("windlass grant renew {file}")
        } else {
            format!("windlass grant renew {file} {}", self.spec)
        }
    }
}

impl From<Wanted<'_>> for Box<Sought> {
    fn from(wanted: Wanted<'_>) -> Self {
        Self::new(Sought {
            procedure: title(wanted.procedure, wanted.digest),
            spec: wanted.spec.to_owned(),
            target: wanted.target.to_owned(),
            borrows: borrows(wanted.procedure, wanted.digest),
        })
    }
}

impl fmt::Display for Sought {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` has no grant for `{}`", self.procedure, self.target)
    }
}

impl Refusal {
    /// The next command.
    pub fn hint(&self) -> String {
        match self {
            Self::None(sought) | Self::OtherTarget { sought, .. } => sought.command(),
            Self::OtherDigest { sought, file, .. } => format!(
                "windlass inspect {}, then: {}",
                sought.spec,
                sought.renewal(file)
            ),
            Self::Draft { file, .. } => {
                format!(
                    "have {file} reviewed; it holds when it says who approved it: approved-by = \"…\""
                )
            }
            Self::Expired { file, .. } => {
                format!("set a later `expires` in {file}, once its reviewer agrees")
            }
            Self::Incomplete { sought, missing } => hint(missing, sought),
        }
    }

    /// Each thing that is needed and not granted.
    pub fn missing(&self) -> &[Missing] {
        match self {
            Self::Incomplete { missing, .. } => missing,
            Self::None(_)
            | Self::OtherDigest { .. }
            | Self::OtherTarget { .. }
            | Self::Draft { .. }
            | Self::Expired { .. } => &[],
        }
    }
}

/// The grant for a component on a target at a time.
pub fn select(files: Vec<GrantFile>, wanted: Wanted<'_>, now: Millis) -> Result<Granted, Refusal> {
    let (matching, others): (Vec<_>, Vec<_>) = files
        .into_iter()
        .partition(|file| file.digest == wanted.digest && file.is_for(wanted.target));
    let (valid, expired): (Vec<_>, Vec<_>) =
        matching.into_iter().partition(|file| now < file.expires);
    let (approved, drafts): (Vec<_>, Vec<_>) = valid.into_iter().partition(|f| !f.is_draft());
    let is_draft = approved.is_empty();
    let valid = match (is_draft, wanted.purpose, drafts.first()) {
        (false, ..) => approved,
        (true, _, None) => return Err(refusal(&others, &expired, wanted)),
        (true, Purpose::Plan, Some(_)) => drafts,
        (true, Purpose::Run | Purpose::Bound, Some(file)) => {
            let file = file.name.clone();
            let sought = wanted.into();
            return Err(Refusal::Draft { sought, file });
        }
    };
    let none = Budget::default();
    Ok(Granted {
        capabilities: together(&valid),
        budget: valid
            .iter()
            .fold(none, |budget, file| budget.narrowed_by(&file.budget)),
        expires: valid.iter().map(|file| file.expires).min(),
        is_draft,
        files: valid
            .iter()
            .map(|file| format!("{} {}", file.name, file.text_digest))
            .collect(),
        sources: valid,
    })
}

fn together(files: &[GrantFile]) -> Capabilities {
    let all: Vec<_> = files.iter().map(GrantFile::capabilities).collect();
    Capabilities::joined(&all)
}

/// For each thing in which a file does not let a component with these needs run on the target: digest, end, scopes.
pub fn differences(
    file: &GrantFile,
    wanted: Wanted<'_>,
    needs: &Capabilities,
    now: Millis,
) -> Vec<Refusal> {
    let mut found = Vec::new();
    if file.digest != wanted.digest {
        found.push(other_digest(file, wanted));
    }
    if !file.is_for(wanted.target) {
        found.push(other_target(file, wanted));
    }
    if file.expires <= now {
        found.push(expired(file, wanted));
    }
    let missing = missing(needs, std::slice::from_ref(file));
    if !missing.is_empty() {
        let sought = wanted.into();
        found.push(Refusal::Incomplete { sought, missing });
    }
    found
}

fn refusal(others: &[GrantFile], ended: &[GrantFile], wanted: Wanted<'_>) -> Refusal {
    if let Some(file) = ended.iter().max_by_key(|file| file.expires) {
        return expired(file, wanted);
    }
    let same_name =
        |file: &&GrantFile| file.procedure == wanted.procedure && file.is_for(wanted.target);
    if let Some(file) = others.iter().find(same_name) {
        return other_digest(file, wanted);
    }
    match others.iter().find(|file| file.digest == wanted.digest) {
        Some(file) => other_target(file, wanted),
        None => Refusal::None(wanted.into()),
    }
}

fn expired(file: &GrantFile, wanted: Wanted<'_>) -> Refusal {
    Refusal::Expired {
        sought: wanted.into(),
        file: file.name.clone(),
        at: file.expires.timestamp(),
    }
}

fn other_digest(file: &GrantFile, wanted: Wanted<'_>) -> Refusal {
    Refusal::OtherDigest {
        sought: wanted.into(),
        file: file.name.clone(),
        other: match &file.version {
            Some(version) => format!("{version}, {}", short(&file.digest)),
            None => short(&file.digest),
        },
        digest: short(wanted.digest),
    }
}

fn other_target(file: &GrantFile, wanted: Wanted<'_>) -> Refusal {
    Refusal::OtherTarget {
        sought: wanted.into(),
        file: file.name.clone(),
        other: file.target.clone().unwrap_or_default(),
    }
}

/// A digest that people can tell from another: `sha256:3f9c12…a1`.
pub fn short(digest: &str) -> String {
    match digest.split_at_checked(13) {
        Some((start, rest)) if rest.len() > 3 && rest.is_ascii() => {
            format!("{start}…{}", &rest[rest.len() - 2..])
        }
        Some(_) | None => digest.to_owned(),
    }
}

impl Granted {
    /// Each thing that the effects of a plan need and that is not granted, for the reasons of the procedure's needs.
    pub fn covers(
        &self,
        wanted: Wanted<'_>,
        effects: Capabilities,
        needs: &Capabilities,
    ) -> Result<(), Refusal> {
        let missing = missing(&effects.as_needed_by(needs), &self.sources);
        if missing.is_empty() {
            return Ok(());
        }
        Err(Refusal::Incomplete {
            sought: wanted.into(),
            missing,
        })
    }

    /// Names of the files.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.sources.iter().map(|file| file.name.as_str())
    }

    /// Digests of the components whose memory it goes on with: the one that it is for, and those that it was for before it was renewed.
    pub fn lineage(&self) -> Vec<String> {
        let digests = self
            .sources
            .iter()
            .flat_map(|file| std::iter::once(&file.digest).chain(&file.formerly));
        digests.cloned().collect()
    }

    /// What a run with these needs may do, or each thing that it needs and that is not granted anywhere.
    pub fn effective(
        &self,
        wanted: Wanted<'_>,
        needs: Capabilities,
        budget: &Budget,
    ) -> Result<Effective, Refusal> {
        let mut missing = missing(&needs, &self.sources);
        if wanted.purpose != Purpose::Run {
            missing.retain(|missing| missing.what.is_look());
        }
        if !missing.is_empty() {
            return Err(Refusal::Incomplete {
                sought: wanted.into(),
                missing,
            });
        }
        Ok(Effective {
            needs,
            grant: self.capabilities.clone(),
            budget: budget.narrowed_by(&self.budget),
            expires: self.expires,
            parts: self
                .sources
                .iter()
                .map(|file| (file.expires, file.capabilities()))
                .collect(),
            lapsed: Capabilities::default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Granted, Purpose, Refusal, Wanted, select, short};
    use crate::clock::Millis;
    use crate::grant::file::tests::text;
    use crate::grant::{Budget, Capabilities, GrantFile};

    fn chosen(files: &[(char, &str)], digest: char, target: &str) -> Result<Granted, Refusal> {
        let parse = |(index, (digest, expires)): (usize, &(char, &str))| {
            GrantFile::parse(&format!("grants/{index}.toml"), &text(*digest, expires)).unwrap()
        };
        let digest = format!("sha256:{}", digest.to_string().repeat(64));
        let wanted = Wanted {
            procedure: "pg-tidy",
            spec: "./tidy.wasm",
            digest: &digest,
            target,
            purpose: Purpose::Run,
        };
        let now: jiff::Timestamp = "2027-01-01T00:00:00Z".parse().unwrap();
        select(
            files.iter().enumerate().map(parse).collect(),
            wanted,
            Millis::from(now),
        )
    }

    const VALID: &str = "2027-02-01T00:00:00Z";
    const LATER: &str = "2027-03-01T00:00:00Z";
    const PAST: &str = "2026-02-01T00:00:00Z";

    #[test]
    fn all_valid_files_for_the_digest_count_together() {
        let granted = chosen(
            &[('a', VALID), ('a', LATER), ('b', VALID), ('a', PAST)],
            'a',
            "orders",
        )
        .unwrap();
        assert_eq!(granted.capabilities.database.len(), 4);
        assert_eq!(granted.budget.effects, Some(5));
        assert_eq!(granted.expires.unwrap().timestamp().to_string(), VALID);
        assert_eq!(granted.files.len(), 2);
        assert!(granted.files[0].starts_with("grants/0.toml sha256:"));
        let wanted = Wanted {
            procedure: "pg-tidy",
            spec: "pg-tidy",
            digest: "",
            target: "orders",
            purpose: Purpose::Run,
        };
        let author = Budget {
            effects: Some(200),
            calls: Some(9),
            ..Budget::default()
        };
        let effective = granted
            .effective(wanted, Capabilities::default(), &author)
            .unwrap();
        assert_eq!(
            (effective.budget.effects, effective.budget.calls),
            (Some(5), Some(9))
        );
    }

    #[test]
    fn a_refusal_says_what_there_is_instead() {
        let refusal = chosen(&[], 'a', "orders").unwrap_err();
        assert_eq!(refusal.to_string(), "`pg-tidy` has no grant for `orders`");
        assert_eq!(
            refusal.hint(),
            "windlass grant ./tidy.wasm --target orders",
            "what was typed is what can be typed again"
        );
        let refusal = chosen(&[('b', VALID)], 'a', "orders").unwrap_err();
        assert_eq!(
            refusal.to_string(),
            "`pg-tidy` has no grant for `orders`: `grants/0.toml` is for 0.1.0, sha256:bbbbbb…bb, and this component is sha256:aaaaaa…aa"
        );
        let refusal = chosen(&[('a', PAST)], 'a', "orders").unwrap_err();
        assert_eq!(
            refusal.to_string(),
            "the grant of `pg-tidy` for `orders`, `grants/0.toml`, expired at 2026-02-01T00:00:00Z"
        );
        let refusal = chosen(&[('a', VALID)], 'a', "ledger").unwrap_err();
        assert_eq!(
            refusal.to_string(),
            "`pg-tidy` has no grant for `ledger`: `grants/0.toml` is for `orders` only"
        );
        assert_eq!(short("sha256:x"), "sha256:x");
    }
}

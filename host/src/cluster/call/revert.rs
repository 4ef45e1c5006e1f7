//! How changes are taken back.

use crate::cluster::field::{FieldChange, MARK, Path, shown};
use crate::cluster::object::Object;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;

/// How a change is taken back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "revert", rename_all = "kebab-case")]
pub enum Revert {
    /// Give fields back what they had, where they still are what the run set.
    RestoreFields {
        /// Logical name.
        cluster: String,
        /// The object by name.
        object: Object,
        /// And by uid, for certainty.
        uid: String,
        /// What the run did, as it was done.
        changes: Vec<FieldChange>,
        /// The mark that the object had before; run and effect, which the mark it got tells, are those of the undo.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mark: Option<String>,
        /// What was applied to the object before, where that has to be so again: what is put back as a mere value would stay for ever, though
        /// no manifest says it any more.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        applied: Option<Box<Value>>,
    },
    /// Delete the job that the effect made; run and effect, which its name is made of, are those of the undo.
    DeleteJob {
        /// Logical name.
        cluster: String,
        /// The cron job that it is from.
        cron_job: Object,
    },
    /// Delete the object that the effect made; run and effect, which its mark tells, are those of the undo.
    DeleteMade {
        /// Logical name.
        cluster: String,
        /// The object.
        object: Object,
        /// Its contents, as they were made.
        made: Value,
    },
    /// Make the object again that the effect deleted.
    MakeAgain {
        /// Logical name.
        cluster: String,
        /// The object.
        object: Object,
        /// Which one it was.
        uid: String,
        /// What it was.
        manifest: Value,
        /// Who wrote which of its fields, as `managedFields` has it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        writers: Option<Box<Value>>,
    },
}

impl Revert {
    /// The logical name of the cluster.
    pub fn cluster(&self) -> &str {
        match self {
            Self::RestoreFields { cluster, .. }
            | Self::DeleteJob { cluster, .. }
            | Self::DeleteMade { cluster, .. }
            | Self::MakeAgain { cluster, .. } => cluster,
        }
    }
}

impl fmt::Display for Revert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RestoreFields { changes, .. } => {
                let own = changes.iter().filter(|change| !is_mark(change));
                let texts: Vec<_> = own
                    .map(|change| match &change.before {
                        Some(value) => format!("set {} to {}", change.path, shown(Some(value))),
                        None => format!("remove {}", change.path),
                    })
                    .collect();
                f.write_str(&texts.join(", "))
            }
            Self::DeleteJob { cron_job, .. } => write!(f, "delete the job of {cron_job}"),
            Self::DeleteMade { object, .. } => write!(f, "delete {object}"),
            Self::MakeAgain { object, .. } => write!(f, "make {object} again"),
        }
    }
}

/// Whether the change is the mark, which says who did the others.
pub fn is_mark(change: &FieldChange) -> bool {
    change.path == Path::annotation(MARK)
}

//! Whether the files of grants still say what they said when a run began: what people take away in between holds no longer.

use crate::call::Effect;
use std::fmt;
use std::sync::Arc;

/// Asks the files. The default says yes for ever: for leave that rests on no file.
#[derive(Clone, Default)]
pub struct Kept(Option<Covers>);

type Covers = Arc<dyn Fn(&Effect) -> bool + Send + Sync>;

impl Kept {
    /// What this answers. It is asked before each change, and may read files for it.
    pub fn while_so(covers: impl Fn(&Effect) -> bool + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(covers)))
    }

    /// Whether the files as they are now cover the change. Reads them.
    pub fn covers(&self, effect: &Effect) -> bool {
        self.0.as_ref().is_none_or(|covers| covers(effect))
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Kept").field(&self.0.is_some()).finish()
    }
}

/// The same question, not the same answer.
impl PartialEq for Kept {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        }
    }
}

//! Whether the grant files still cover a change. People can remove or narrow a grant while a run works.

use crate::call::Effect;
use std::fmt;
use std::sync::Arc;

/// Reads the grant files again. The default always covers: it is for capabilities that come from no file.
#[derive(Clone, Default)]
pub struct Kept(Option<Covers>);

type Covers = Arc<dyn Fn(&Effect) -> bool + Send + Sync>;

impl Kept {
    /// Uses this function. The gate calls it before each change; it can read files.
    pub fn while_so(covers: impl Fn(&Effect) -> bool + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(covers)))
    }

    /// Whether the files, as they are now, cover the change. Reads them.
    pub fn covers(&self, effect: &Effect) -> bool {
        self.0.as_ref().is_none_or(|covers| covers(effect))
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Kept").field(&self.0.is_some()).finish()
    }
}

/// Equal if both ask the same function.
impl PartialEq for Kept {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        }
    }
}

//! Whole procedures one after another, as the page of a runbook has them: what each leaves is what the next one finds.

mod backend;
mod nodes;

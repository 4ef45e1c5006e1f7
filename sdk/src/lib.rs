//! Write windlass maintenance procedures in Rust.
//!
//! A procedure is a type that implements [`Procedure`], exported with [`export!`] from a `cdylib` crate. It reaches the outside only
//! through [`Run`] and [`Database`]; windlass checks, records, plans and undoes each call, so the procedure contains none of that.
//!
//! A complete procedure:
//!
//! ```
//! #![forbid(unsafe_code)]
//!
//! use windlass_sdk::{Error, Finding, Procedure, Run, parameters::Size, text};
//!
//! /// What an operator can choose. The comments become the descriptions that `windlass inspect` shows.
//! #[derive(serde::Deserialize, schemars::JsonSchema)]
//! #[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
//! struct Parameters {
//!     /// Tables smaller than this are left alone.
//!     min_size: Size,
//! }
//!
//! impl Default for Parameters {
//!     fn default() -> Self {
//!         Self { min_size: Size::megabytes(10) }
//!     }
//! }
//!
//! struct PgNeverAnalyzed;
//!
//! impl Procedure for PgNeverAnalyzed {
//!     type Parameters = Parameters;
//!
//!     fn run(parameters: Parameters, run: &Run) -> Result<String, Error> {
//!         run.step("look for tables without statistics");
//!         let tables = run.database().tables()?;
//!         let large = tables.iter().filter(|t| parameters.min_size.reached_by(t.total_bytes));
//!         let finding = Finding::of_each(large, |table| {
//!             let name = text::name(&table.name);
//!             match table.last_analyze {
//!                 Some(_) => Finding::pass(name),
//!                 None => Finding::fail(format!("{name} was never analyzed")),
//!             }
//!         });
//!         run.check("every large table has statistics", finding);
//!         Ok(format!("{} looked at", text::count(tables.len(), "table")))
//!     }
//! }
//!
//! windlass_sdk::export!(PgNeverAnalyzed);
//! # fn main() {}
//! ```
//!
//! Three habits make parameters safe: `deny_unknown_fields`, so that a misspelt one is refused instead of ignored; `default`, so that
//! each one has a value that is right for most; and a doc comment on each, because it is what operators read.
//!
//! A component imports what it calls and nothing more. [`Database`] has reading and maintaining methods; a procedure that calls no
//! maintaining one does not import `database-maintain`, and its import list proves that it cannot change anything.
//!
//! Compiled for another target than `wasm32-unknown-unknown` there is no host: calling a method of [`Run`] or [`Database`] panics.
//! Everything else works, so keep decisions in functions of their own and test them with plain `cargo test`.
#![forbid(unsafe_code)]

pub mod cluster;
pub mod database;
pub mod evidence;
pub mod notify;
pub mod parameters;
pub mod probe;
pub mod sample;
pub mod text;

/// For [`export!`] only: authors use the typed modules.
#[doc(hidden)]
pub mod bindings;
mod component;
mod error;
mod finding;
mod run;

pub use bindings::windlass::procedure::types::{Level, Verdict};
pub use cluster::Cluster;
pub use database::Database;
pub use error::{Denial, Error, Kind};
pub use finding::Finding;
pub use probe::Endpoint;
pub use run::Run;

/// Milliseconds since 1970-01-01 00:00 UTC.
pub type Instant = u64;

/// A maintenance task.
///
/// It has to be deterministic: windlass resumes a run that broke off by starting the procedure anew and answering each call from the
/// journal. Time, randomness and everything else from outside therefore come from [`Run`]. Rust's own maps iterate in an order that
/// is the same each time inside a component, but prefer `BTreeMap` where the order of calls depends on it.
pub trait Procedure {
    /// What an operator can choose. Its JSON Schema is embedded in the component when it is built.
    type Parameters: serde::de::DeserializeOwned + schemars::JsonSchema;

    /// Does the work. The answer is one sentence for the report. An error fails the run, and windlass takes back what was done.
    fn run(parameters: Self::Parameters, run: &Run) -> Result<String, Error>;
}

/// Makes the crate a component that runs this [`Procedure`]. Call it once, at the root of a `cdylib` crate.
///
/// On targets other than WebAssembly it only checks that the type is a procedure.
#[macro_export]
macro_rules! export {
    ($procedure:ty) => {
        #[doc(hidden)]
        #[cfg(target_family = "wasm")]
        struct WindlassComponent;

        #[cfg(target_family = "wasm")]
        impl $crate::__private::Guest for WindlassComponent {
            fn parameters_schema() -> ::std::string::String {
                $crate::__private::schema::<$procedure>()
            }

            fn run() -> ::std::result::Result<::std::string::String, ::std::string::String> {
                $crate::__private::run::<$procedure>()
            }
        }

        #[cfg(target_family = "wasm")]
        $crate::bindings::export_component!(
            WindlassComponent with_types_in $crate::bindings
        );

        #[cfg(not(target_family = "wasm"))]
        const _: fn() -> ::std::string::String = $crate::__private::schema::<$procedure>;
    };
}

/// For [`export!`] only.
#[doc(hidden)]
pub mod __private {
    pub use crate::bindings::exports::windlass::procedure::procedure::Guest;
    pub use crate::component::{run, schema};
}

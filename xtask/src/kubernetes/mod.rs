//! A real Kubernetes with simulated kubelets: built from `tests/testbed`, started on loopback, gone when its owner is gone.
//!
//! [`Kubebed`] is the program, [`Cluster`] is a running one, or the one that `WINDLASS_TEST_KUBECONFIG` names.

mod build;
mod cluster;
mod control;
mod credentials;
mod error;
mod flags;
mod given;
mod requests;

pub use build::Kubebed;
pub use cluster::{Cluster, Options};
pub use credentials::User;
pub use error::Error;
pub use requests::Request;

/// Names the kubeconfig of a cluster to use: one that may be thrown away, and has what `tests/testbed` has.
pub const VARIABLE: &str = "WINDLASS_TEST_KUBECONFIG";

//! The cluster room: what `wit/cluster.wit` promises, done on Kubernetes.
//!
//! | effect | undo | in doubt: asks the server |
//! |---|---|---|
//! | set image, scale, pause, proceed, roll back, annotate | the fields get back what they had, unless another hand changed them | does the object's mark name this effect |
//! | restart | the template gets back what it had, which replaces the pods once more | the mark |
//! | cordon, uncordon | as above; the annotation `windlass.dev/cordoned`, a field like any other, tells whose cordon it is | the mark |
//! | label a node | the fields get back what they had | the mark |
//! | drain | not needed: controllers start replacements | are the pods that were recorded still there |
//! | divert, restore | the fields get back what they had | the mark |
//! | job from a cron job | the job is deleted | is there a job of its name, with its mark |
//! | delete a job | impossible | is it there |
//! | apply, declare | what was made is deleted; what was changed gets its fields back | the mark |
//! | prune | the object is made again as it was | is it there |
//! | patch | the fields get back what they had | the mark |
//! | renew a certificate | not needed | the condition Issuing, and the revision |
//!
//! An effect on an object is a list of field changes ([`field`]): what each field had, and what it gets. That one idea is the plan's diff, the
//! undo, and the answer to whether another hand was there. The mark, an annotation that is written by the same request, tells whose effect it was.

pub mod call;
pub mod client;
mod drain;
pub mod field;
pub mod manifest;
pub mod object;
pub mod quota;
mod rollout;
pub mod scope;
mod wit;

pub use call::{Effect, Read, Revert};
pub use client::{Client, Target, TargetError};
pub use scope::{Scope, Verb};

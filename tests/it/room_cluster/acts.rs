//! Effects one by one, under the number that the engine would give them.

use super::{Bench, effect, refused};
use crate::world::Namespace;
use serde::de::DeserializeOwned;
use serde_json::Value;
use windlass::call::{Applied, ApplyFailure, Prepared};
use windlass::clock::Clock;
use windlass::cluster::call::{Change, Look};
use windlass::contract::ErrorKind;
use windlass::contract::cluster_types::Namespaced;
use windlass::engine::ChangePermit;
use windlass::journal::Store;
use xtask::kubernetes::User;

impl Bench {
    /// For the administrator, with what the text describes.
    pub(super) fn having(yaml: &str) -> Self {
        let bench = Self::new(Namespace::new());
        if !yaml.is_empty() {
            bench.namespace.apply(yaml);
        }
        bench
    }

    /// For the user who may do nothing.
    pub(super) fn without_rights() -> Self {
        let mut bench = Self::new(Namespace::new());
        bench.log_in(User::Windlass);
        bench
    }

    pub(super) fn named(&self, name: &str) -> Namespaced {
        Namespaced {
            namespace: self.namespace.name().into(),
            name: name.into(),
        }
    }

    #[track_caller]
    pub(super) fn facts<T: DeserializeOwned>(&self, look: Look) -> T {
        self.read(look).unwrap()
    }

    pub(super) fn numbered(&self, number: u64) -> ChangePermit {
        let store = Store::in_memory(Clock::system()).unwrap();
        ChangePermit::for_test(self.permit(None), store, number)
    }

    #[expect(clippy::result_large_err, reason = "as the room has it")]
    pub(super) fn apply_as(
        &self,
        number: u64,
        change: &Change,
        prepared: &Prepared,
    ) -> Result<Applied, ApplyFailure> {
        let (permit, effect) = (self.numbered(number), effect(change));
        let applied = self.room.apply(&permit, &effect, prepared);
        self.runtime.block_on(applied)
    }

    /// Prepares and applies, as the first effect of the run.
    #[track_caller]
    pub(super) fn act(&self, change: &Change) -> (Applied, Prepared) {
        let prepared = self.prepare(change).unwrap();
        (self.apply_as(1, change, &prepared).unwrap(), prepared)
    }

    /// What the room asked of the API server about this namespace since the mark: verbs in their order.
    pub(super) fn requests(&self, mark: u64) -> Vec<String> {
        let requests = self.namespace.cluster().requests(mark).into_iter();
        let ours = requests.filter(|request| {
            request.uri.contains(self.namespace.name()) && !request.agent.starts_with("kube")
        });
        ours.map(|request| request.verb).collect()
    }

    /// Lets the user who may do nothing do this.
    pub(super) fn allow(&self, verb: &str, resource: &str) {
        self.namespace.allow(&format!(
            "
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {{name: some}}
rules: [{{apiGroups: ['*'], resources: [{resource}], verbs: [{verb}]}}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: some}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: some}}
subjects: [{{apiGroup: rbac.authorization.k8s.io, kind: User, name: windlass}}]
"
        ));
    }
}

/// The message of a failure that certainly changed nothing.
#[track_caller]
pub(super) fn failed(result: Result<Applied, ApplyFailure>, kind: ErrorKind) -> String {
    let failure = result.unwrap_err();
    assert!(!failure.in_doubt, "{failure:?}");
    refused(Err::<(), _>(failure.error), kind)
}

/// An object without what the server keeps for itself.
pub(super) fn bare(mut object: Value) -> Value {
    let metadata = object["metadata"].as_object_mut().unwrap();
    for name in ["managedFields", "resourceVersion", "generation"] {
        metadata.remove(name);
    }
    object
}

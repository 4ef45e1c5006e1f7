//! What the server stores of what was asked for. Pure.

use super::{FieldChange, Path, changes};
use serde_json::Value;

impl Path {
    /// Whether one of both leads into the other, or both to the same.
    fn meets(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).all(|(one, other)| one == other)
    }
}

/// What was asked for, as the server answers it: it writes values its own way, and defaults and admission change more than was asked for. What is
/// so already by the server's own writing is no change.
pub fn stored(found: &Value, asked: &[FieldChange], answer: &Value) -> Vec<FieldChange> {
    let own = asked.iter().map(|change| FieldChange {
        set: change.path.get(answer).cloned(),
        ..change.clone()
    });
    let is_own = |path: &Path| asked.iter().any(|change| change.path.meets(path));
    let mut all: Vec<_> = own.collect();
    let others = changes(found, answer).into_iter();
    all.extend(others.filter(|other| !is_own(&other.path)));
    all.retain(|change| !change.is_none());
    all
}

#[cfg(test)]
mod tests {
    use super::{FieldChange, Path, stored};
    use serde_json::json;

    #[test]
    fn what_is_stored_is_what_the_server_answers() {
        let found = json!({"spec": {"cpu": "1", "type": "Recreate"}});
        let answer = json!({"spec": {"cpu": "1", "memory": "1Gi", "type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}});
        let asked = [
            ("cpu", "1000m"),
            ("memory", "1024Mi"),
            ("type", "RollingUpdate"),
        ]
        .map(|(name, value)| Path::of(&["spec", name]).change(&found, Some(json!(value))));
        let lines: Vec<String> = stored(&found, &asked, &answer)
            .iter()
            .map(FieldChange::to_string)
            .collect();
        assert_eq!(
            lines,
            [
                "spec.memory: – → 1Gi",
                "spec.type: Recreate → RollingUpdate",
                r#"spec.rollingUpdate: – → {"maxSurge":1}"#
            ]
        );
    }
}

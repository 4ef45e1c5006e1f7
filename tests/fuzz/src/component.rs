//! Components, before anything of them is compiled or runs.

use windlass::plugin::{Component, ComponentError, PACKAGE, PACKAGE_VERSION, is_name};

/// A component's bytes.
///
/// # Panics
///
/// If one is refused without a reason; if one is accepted that imports something beside windlass and WASI, or an interface of another
/// version; if its facts, which reviewers are shown, cannot be told.
pub fn component(data: &[u8]) {
    match Component::from_bytes(data.to_vec()) {
        Ok(component) => is_as_told(&component, data),
        Err(error) => {
            assert!(!error.to_string().is_empty());
            if let ComponentError::Refused(problems) = &error {
                assert!(!problems.is_empty(), "refused without a reason");
            }
        }
    }
}

fn is_as_told(component: &Component, data: &[u8]) {
    assert_eq!(component.bytes(), data);
    assert!(is_name(component.name()), "{}", component.name());
    for import in component.imports() {
        let ours = import.package == PACKAGE && import.version == PACKAGE_VERSION;
        assert!(ours || import.is_wasi(), "{}", import.name());
    }
    let facts = serde_json::to_value(component.facts()).expect("facts can be told");
    assert!(facts.is_object());
}

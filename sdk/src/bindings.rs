//! Generated from `wit/`, whose comments document it.
#![expect(clippy::pedantic, reason = "generated code")]

wit_bindgen::generate!({
    path: "../wit",
    world: "everything",
    pub_export_macro: true,
    export_macro_name: "export_component",
    default_bindings_module: "windlass_sdk::bindings",
    additional_derives: [PartialEq],
    additional_derives_ignore: ["error-kind", "denial", "verdict", "level", "table-kind", "leftover", "maintenance", "withholder", "unknown-bloat", "xmin-holder-kind", "expectation", "workload-kind", "manager-kind", "rollout-state", "job-outcome", "certificate-state", "route-kind"],
});

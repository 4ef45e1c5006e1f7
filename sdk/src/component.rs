//! What a component does when the host calls it.

use crate::bindings::windlass::procedure::run as host;
use crate::{Procedure, Run};
use std::panic::PanicHookInfo;

/// JSON Schema of the procedure's parameters.
pub fn schema<P: Procedure>() -> String {
    let settings = schemars::generate::SchemaSettings::draft2020_12().with(|settings| {
        // One flat document: whoever reads it needs no resolver of references.
        settings.inline_subschemas = true;
    });
    let schema = settings
        .into_generator()
        .into_root_schema_for::<P::Parameters>();
    schema.as_value().to_string()
}

/// Reads the parameters and does the work.
pub fn run<P: Procedure>() -> Result<String, String> {
    // Before anything of the author runs, reading the parameters included: a panic is otherwise a bare trap without a word.
    std::panic::set_hook(Box::new(report_panic));
    let parameters = parse::<P::Parameters>(&host::parameters())?;
    P::run(parameters, &Run::new()).map_err(|error| error.to_string())
}

fn report_panic(info: &PanicHookInfo<'_>) {
    host::panicked(&info.to_string());
}

fn parse<T: serde::de::DeserializeOwned>(json: &str) -> Result<T, String> {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        let reason = without_position(&error.into_inner().to_string());
        if path == "." {
            format!("the parameters are not usable: {reason}")
        } else {
            format!("parameter `{path}` is not usable: {reason}")
        }
    })
}

/// The text of the parameters is made by the host on one line, so a position in it tells nobody anything.
fn without_position(message: &str) -> String {
    match message.rfind(" at line ") {
        Some(at) => message[..at].to_owned(),
        None => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::parse;
    use crate::parameters::Size;
    use serde::Deserialize;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
    struct Parameters {
        max_objects: u32,
        min_size: Option<Size>,
    }

    #[test]
    fn a_wrong_parameter_is_named() {
        let error = |json| parse::<Parameters>(json).unwrap_err();
        assert_eq!(
            error(r#"{"max-objects": "many"}"#),
            "parameter `max-objects` is not usable: invalid type: string \"many\", expected u32"
        );
        assert!(
            error(r#"{"min-size": "10 apples"}"#)
                .starts_with("parameter `min-size` is not usable: ")
        );
        assert_eq!(
            error(r#"{"max-object": 3}"#),
            "parameter `max-object` is not usable: unknown field `max-object`, expected `max-objects` or `min-size`"
        );
        assert_eq!(
            error("3"),
            "the parameters are not usable: invalid type: integer `3`, expected struct Parameters"
        );
    }

    #[test]
    fn defaults_apply() {
        assert_eq!(parse::<Parameters>("{}"), Ok(Parameters::default()));
    }
}

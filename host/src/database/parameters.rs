//! Storage parameters that may be set, and what setting and restoring them comes to. Pure.

use crate::contract::database_types::StorageParameter;
use crate::contract::{CallError, ErrorKind};

/// Parameters that change how autovacuum treats a table, and nothing about its rows. `toast.` before one means the TOAST table.
const KNOWN: &[&str] = &[
    "autovacuum_enabled",
    "autovacuum_vacuum_threshold",
    "autovacuum_vacuum_max_threshold",
    "autovacuum_vacuum_scale_factor",
    "autovacuum_vacuum_insert_threshold",
    "autovacuum_vacuum_insert_scale_factor",
    "autovacuum_analyze_threshold",
    "autovacuum_analyze_scale_factor",
    "autovacuum_vacuum_cost_delay",
    "autovacuum_vacuum_cost_limit",
    "autovacuum_freeze_min_age",
    "autovacuum_freeze_max_age",
    "autovacuum_freeze_table_age",
    "autovacuum_multixact_freeze_min_age",
    "autovacuum_multixact_freeze_max_age",
    "autovacuum_multixact_freeze_table_age",
];

/// Those that are not for a TOAST table, which is never analyzed.
const NOT_OF_TOAST: &[&str] = &[
    "autovacuum_analyze_threshold",
    "autovacuum_analyze_scale_factor",
];

/// Those that older servers do not know, with the first major version that does.
const SINCE: &[(&str, u32)] = &[("autovacuum_vacuum_max_threshold", 18)];

const TOAST: &str = "toast.";

const LONGEST_VALUE: usize = 32;

/// A parameter to set, or, without a value, to reset.
pub(crate) type Setting = (String, Option<String>);

/// Refuses parameters that are not about autovacuum, values of an odd shape, and names given twice.
pub(crate) fn check(settings: &[Setting]) -> Result<(), CallError> {
    let invalid = |message: String| Err(CallError::new(ErrorKind::Invalid, message));
    if settings.is_empty() {
        return invalid("no parameter is given".into());
    }
    for (at, (name, value)) in settings.iter().enumerate() {
        if !KNOWN.contains(&bare(name)) {
            return invalid("only autovacuum parameters of a table can be set".into());
        }
        if is_of_toast(name) && NOT_OF_TOAST.contains(&bare(name)) {
            return invalid(format!("there is no parameter `{name}`"));
        }
        if settings[..at].iter().any(|(earlier, _)| earlier == name) {
            return invalid(format!("parameter `{name}` is given twice"));
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
        if let Some(value) = value
            && (value.is_empty() || value.len() > LONGEST_VALUE || !value.chars().all(plain))
        {
            return invalid(format!("the value of `{name}` is not a number or a word"));
        }
    }
    Ok(())
}

/// Refuses parameters that a server of the major version does not know.
pub(crate) fn check_known(settings: &[Setting], major: u32) -> Result<(), CallError> {
    for (name, _) in settings {
        let since = SINCE.iter().find(|(known, _)| *known == bare(name));
        if let Some((_, since)) = since.filter(|(_, since)| major < *since) {
            return Err(CallError::new(
                ErrorKind::Invalid,
                format!("the server is PostgreSQL {major}; `{name}` is known from {since} on"),
            ));
        }
    }
    Ok(())
}

/// Whether the parameter is one of the TOAST table.
pub(crate) fn is_of_toast(name: &str) -> bool {
    name.starts_with(TOAST)
}

fn bare(name: &str) -> &str {
    name.strip_prefix(TOAST).unwrap_or(name)
}

/// The value of a parameter, if it is set.
pub(crate) fn value<'a>(parameters: &'a [StorageParameter], name: &str) -> Option<&'a str> {
    parameters
        .iter()
        .find(|parameter| parameter.name == name)
        .map(|parameter| parameter.value.as_str())
}

/// What is set for the names of the settings.
pub(crate) fn of_names(
    parameters: &[StorageParameter],
    settings: &[Setting],
) -> Vec<StorageParameter> {
    let named = |(name, _): &Setting| {
        value(parameters, name).map(|value| StorageParameter {
            name: name.clone(),
            value: value.to_owned(),
        })
    };
    settings.iter().filter_map(named).collect()
}

/// Whether the parameters are what the settings say.
pub(crate) fn agree(parameters: &[StorageParameter], settings: &[Setting]) -> bool {
    settings
        .iter()
        .all(|(name, wanted)| value(parameters, name) == wanted.as_deref())
}

/// Whether the parameters are what was recorded for the names of the settings.
pub(crate) fn as_before(
    parameters: &[StorageParameter],
    settings: &[Setting],
    before: &[StorageParameter],
) -> bool {
    settings
        .iter()
        .all(|(name, _)| value(parameters, name) == value(before, name))
}

/// The statements that bring the settings about: one for those with a value, one for those without.
pub(crate) fn statements(table: &str, settings: &[Setting]) -> Vec<String> {
    let set: Vec<_> = settings
        .iter()
        .filter_map(|(name, value)| value.as_ref().map(|value| format!("{name} = '{value}'")))
        .collect();
    let reset: Vec<_> = settings
        .iter()
        .filter(|(_, value)| value.is_none())
        .map(|(name, _)| name.as_str())
        .collect();
    let mut statements = Vec::new();
    if !set.is_empty() {
        statements.push(format!("ALTER TABLE {table} SET ({})", set.join(", ")));
    }
    if !reset.is_empty() {
        statements.push(format!("ALTER TABLE {table} RESET ({})", reset.join(", ")));
    }
    statements
}

/// What is to be done to take settings back.
#[derive(Debug, PartialEq)]
pub(crate) struct Restoration {
    /// What to set and reset.
    pub(crate) settings: Vec<Setting>,
    /// Names that another hand changed since; they stay as they are.
    pub(crate) left_alone: Vec<String>,
}

/// Decides name by name: what the run set goes back to what was before; what is as before needs nothing; the rest is another's.
pub(crate) fn restoration(
    current: &[StorageParameter],
    set: &[Setting],
    before: &[StorageParameter],
) -> Restoration {
    let mut restoration = Restoration {
        settings: Vec::new(),
        left_alone: Vec::new(),
    };
    for (name, ours) in set {
        let now = value(current, name);
        let then = value(before, name);
        if now == then {
            continue;
        }
        if now == ours.as_deref() {
            restoration
                .settings
                .push((name.clone(), then.map(str::to_owned)));
        } else {
            restoration.left_alone.push(name.clone());
        }
    }
    restoration
}

/// `name = value` or `reset name`, for people.
pub(crate) fn text(settings: &[Setting]) -> String {
    let one = |(name, value): &Setting| match value {
        Some(value) => format!("{name} = {value}"),
        None => format!("reset {name}"),
    };
    settings.iter().map(one).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn setting(name: &str, value: Option<&str>) -> Setting {
        (name.to_owned(), value.map(str::to_owned))
    }

    fn parameter(name: &str, value: &str) -> StorageParameter {
        StorageParameter {
            name: name.into(),
            value: value.into(),
        }
    }

    const SCALE: &str = "autovacuum_vacuum_scale_factor";
    const COST: &str = "toast.autovacuum_vacuum_cost_delay";

    #[test]
    fn only_autovacuum_parameters_with_plain_values_pass() {
        check(&[setting(SCALE, Some("0.02")), setting(COST, None)]).unwrap();
        check(&[setting("autovacuum_enabled", Some("off"))]).unwrap();
        for wrong in [
            vec![],
            vec![setting("fillfactor", Some("70"))],
            vec![setting("toast.fillfactor", None)],
            vec![setting("toast.autovacuum_analyze_threshold", Some("1"))],
            vec![setting("autovacuum_x); DROP TABLE a; --", None)],
            vec![setting(SCALE, Some("0.1'"))],
            vec![setting(SCALE, Some(""))],
            vec![setting(SCALE, Some(&"1".repeat(33)))],
            vec![setting(SCALE, Some("1")), setting(SCALE, None)],
        ] {
            assert_eq!(
                check(&wrong).unwrap_err().kind,
                ErrorKind::Invalid,
                "{wrong:?}"
            );
        }
    }

    #[test]
    fn what_the_server_does_not_know_is_refused() {
        for name in [
            "autovacuum_vacuum_max_threshold",
            "toast.autovacuum_vacuum_max_threshold",
        ] {
            let settings = [setting(SCALE, None), setting(name, Some("1"))];
            check_known(&settings, 18).unwrap();
            assert!(
                check_known(&settings, 17)
                    .unwrap_err()
                    .message
                    .contains(name)
            );
        }
    }

    #[test]
    fn setting_and_resetting_are_two_statements() {
        let settings = [setting(SCALE, Some("0.02")), setting(COST, None)];
        assert_eq!(
            statements("\"s\".\"t\"", &settings),
            [
                "ALTER TABLE \"s\".\"t\" SET (autovacuum_vacuum_scale_factor = '0.02')",
                "ALTER TABLE \"s\".\"t\" RESET (toast.autovacuum_vacuum_cost_delay)",
            ]
        );
    }

    #[test]
    fn what_was_absent_is_absent_again() {
        let set = [setting(SCALE, Some("0.02")), setting(COST, Some("1"))];
        let current = [
            parameter(SCALE, "0.02"),
            parameter(COST, "1"),
            parameter("fillfactor", "70"),
        ];
        let restored = restoration(&current, &set, &[parameter(COST, "2")]);
        assert_eq!(
            restored.settings,
            [setting(SCALE, None), setting(COST, Some("2"))]
        );
        assert!(restored.left_alone.is_empty());
    }

    #[test]
    fn another_hands_change_stays() {
        let set = [setting(SCALE, Some("0.02")), setting(COST, Some("1"))];
        let restored = restoration(&[parameter(SCALE, "0.5"), parameter(COST, "1")], &set, &[]);
        assert_eq!(restored.settings, [setting(COST, None)]);
        assert_eq!(restored.left_alone, [SCALE]);
        let removed = restoration(&[parameter(COST, "1")], &set, &[parameter(SCALE, "0.1")]);
        assert_eq!(removed.left_alone, [SCALE]);
    }

    fn parameters() -> impl Strategy<Value = Vec<StorageParameter>> {
        proptest::collection::btree_map(proptest::sample::select(KNOWN), "[0-3]", 0..4).prop_map(
            |map| {
                map.iter()
                    .map(|(name, value)| parameter(name, value))
                    .collect()
            },
        )
    }

    proptest! {
        /// After setting and restoring, the table is as before, and restoring again does nothing.
        #[test]
        fn restoring_undoes_setting(
            before in parameters(),
            wanted in proptest::collection::btree_map(proptest::sample::select(KNOWN), proptest::option::of("[0-3]"), 1..4),
        ) {
            let set: Vec<Setting> = wanted.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
            let recorded = of_names(&before, &set);
            let mut current = before.clone();
            apply(&mut current, &set);
            prop_assert!(agree(&current, &set));
            let back = restoration(&current, &set, &recorded);
            prop_assert!(back.left_alone.is_empty());
            apply(&mut current, &back.settings);
            prop_assert!(as_before(&current, &set, &recorded));
            prop_assert!(restoration(&current, &set, &recorded).settings.is_empty());
        }
    }

    fn apply(parameters: &mut Vec<StorageParameter>, settings: &[Setting]) {
        for (name, value) in settings {
            parameters.retain(|parameter| parameter.name != *name);
            if let Some(value) = value {
                parameters.push(parameter(name, value));
            }
        }
    }
}

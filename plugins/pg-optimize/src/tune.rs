//! Tables whose autovacuum starts too late. Pure.

use crate::choose::{Choice, Left, has_dead_rows};
use crate::parameters::Parameters;
use windlass_sdk::database::{Maintenance, ServerFacts, StorageParameter, TableFacts, TableKind};
use windlass_sdk::text;

pub(crate) const SCALE_FACTOR: &str = "autovacuum_vacuum_scale_factor";

/// Tables whose autovacuum starts too late, by what is set on them or else on the server. What already starts as early stays.
pub(crate) fn tunings<'a>(
    tables: &'a [TableFacts],
    server: &ServerFacts,
    parameters: &Parameters,
) -> Choice<'a, TableFacts> {
    let mut choice = Choice::none();
    let late = tables.iter().filter(|table| {
        table.kind == TableKind::Table
            && parameters.min_size.reached_by(table.heap_bytes)
            && has_dead_rows(table, parameters.tune_above, parameters)
    });
    for table in late {
        match starts_at(table, server) {
            Ok(factor) if factor > f64::from(parameters.tune_to) / 100.0 => {
                let what = Maintenance::SetParameters;
                choice.choose(table, text::name(&table.name), table.withheld(what), what);
            }
            Ok(_) => {}
            Err(why) => choice.left.push(Left::alone(text::name(&table.name), why)),
        }
    }
    choice
}

/// The share of dead rows at which autovacuum begins with the table, or why there is none.
fn starts_at(table: &TableFacts, server: &ServerFacts) -> Result<f64, &'static str> {
    if setting(&table.parameters, "autovacuum_enabled").is_some_and(is_off) {
        return Err("autovacuum is switched off for it, so tuning it would do nothing");
    }
    setting(&table.parameters, SCALE_FACTOR)
        .or_else(|| setting(&server.autovacuum, SCALE_FACTOR))
        .and_then(|value| value.parse().ok())
        .ok_or("when autovacuum begins with it is unknown, so tuning it might make that later")
}

fn setting<'a>(parameters: &'a [StorageParameter], name: &str) -> Option<&'a str> {
    let parameter = parameters.iter().find(|parameter| parameter.name == name);
    parameter.map(|parameter| parameter.value.as_str())
}

fn is_off(value: &str) -> bool {
    matches!(value, "false" | "off" | "no" | "0" | "f")
}

/// The value for so many percent.
pub(crate) fn scale_factor(percent: u8) -> String {
    format!("{}", f64::from(percent) / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::table;
    use windlass_sdk::sample;

    #[test]
    fn autovacuum_is_only_made_earlier() {
        let with = |name: &str, parameters: &[(&str, &str)]| {
            let mut table = table(name, 100_000, 50_000);
            let parameter = |(name, value): &(&str, &str)| StorageParameter {
                name: (*name).to_owned(),
                value: (*value).to_owned(),
            };
            table.parameters = parameters.iter().map(parameter).collect();
            table
        };
        let tables = [
            with("plain", &[]),
            with("late", &[(SCALE_FACTOR, "0.1")]),
            with("early", &[(SCALE_FACTOR, "0.01")]),
            with("same", &[(SCALE_FACTOR, "0.02")]),
            with("off", &[("autovacuum_enabled", "false")]),
            table("clean", 100_000, 10_000),
        ];
        let with_default = |factor: &str| ServerFacts {
            autovacuum: vec![StorageParameter {
                name: SCALE_FACTOR.to_owned(),
                value: factor.to_owned(),
            }],
            ..sample::server()
        };
        let choice = tunings(&tables, &sample::server(), &Parameters::default());
        let chosen: Vec<&str> = choice
            .chosen
            .iter()
            .map(|table| table.name.name.as_str())
            .collect();
        assert_eq!(chosen, ["plain", "late"]);
        assert_eq!(choice.left.len(), 1);
        // The server's own is earlier: setting it on a table would make it later.
        let server = with_default("0.01");
        let choice = tunings(&tables, &server, &Parameters::default());
        let chosen: Vec<&str> = choice
            .chosen
            .iter()
            .map(|table| table.name.name.as_str())
            .collect();
        assert_eq!(chosen, ["late"]);
        let unknown = tunings(&tables[..1], &with_default("?"), &Parameters::default());
        assert_eq!((unknown.chosen.len(), unknown.left.len()), (0, 1));
        assert_eq!(scale_factor(2), "0.02");
    }
}

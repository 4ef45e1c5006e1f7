//! What differs from run to run, replaced by what does not, so that the rest can be compared word by word.

use regex_lite::Regex;
use std::sync::LazyLock;

/// Patterns and what is written instead, in the order in which they are tried. Two spaces and more become two: columns are as wide as
/// what is in them.
static RULES: LazyLock<Vec<(Regex, &'static str)>> = LazyLock::new(|| {
    [
        // A whole digest, a shortened one, that of a plan.
        (r"sha256:[0-9a-f]{64}", "sha256:[digest]"),
        (r"\b[0-9a-f]{4,16}…[0-9a-f]{2,}\b", "[digest]"),
        (r"\b[0-9a-f]{64}\b", "[digest]"),
        (r"\b([Pp])lan(\s+)[0-9a-f]{6,12}\b", "${1}lan$2[digest]"),
        // A run: the day and the time of day.
        (r"\b\d{6}-[0-9a-hjkmnp-tv-z]{3,7}\b", "[run]"),
        (
            r"\bwindlass (show|resume|undo) [0-9a-hjkmnp-tv-z]{7}\b",
            "windlass $1 [run]",
        ),
        // Points in time.
        (
            r"\b\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?( ?Z| ?UTC|[+-]\d{2}:?\d{2})?",
            "[time]",
        ),
        (r"\b\d{4}-\d{2}-\d{2}\b", "[day]"),
        (r"\b\d{2}:\d{2}(:\d{2}(\.\d+)?)?\b( UTC)?", "[time]"),
        // Spans of time.
        (
            r"\b\d+(\.\d+)? ?(h|min|s|ms|µs)( \d+ ?(min|s|ms))*\b",
            "[span]",
        ),
        // Sizes.
        (r"~?\b\d[\d,]*(\.\d+)? ?(bytes|[kKMGT]i?B|B)\b", "[size]"),
        // Processes.
        (r"\b(pid|session|backend) \d+\b", "$1 [pid]"),
        (r"PostgreSQL \d+\.\d+", "PostgreSQL [version]"),
        (r"  +", "  "),
        (r"──+", "──"),
        (r"--------+", "-----"),
        (r" +\n", "\n"),
    ]
    .into_iter()
    .map(|(pattern, instead)| (Regex::new(pattern).unwrap(), instead))
    .collect()
});

/// Replaces a world's own names, then everything that a pattern finds.
pub(super) fn redact(text: &str, own: &[(&str, &str)]) -> String {
    let mut text = text.to_owned();
    for (name, instead) in own {
        text = text.replace(name, instead);
    }
    for (pattern, instead) in RULES.iter() {
        text = pattern.replace_all(&text, *instead).into_owned();
    }
    text
}

#[test]
fn what_differs_is_replaced_and_nothing_else() {
    for (text, redacted) in [
        (
            "run 251121-k3f  pg-optimize on orders",
            "run [run]  pg-optimize on orders",
        ),
        ("sha256:3f9c12…a1   Repairs", "sha256:[digest]  Repairs"),
        (
            "Nothing was changed.  Plan 7b21e4 is in plan.json.",
            "Nothing was changed.  Plan [digest] is in plan.json.",
        ),
        (
            " 2  reindex     public.accounts  86 MB    ~31 MB   not needed",
            " 2  reindex  public.accounts  [size]  [size]  not needed",
        ),
        (
            "succeeded in 5 min 41 s: 4 effects",
            "succeeded in [span]: 4 effects",
        ),
        (
            "2025-11-21 12:00:00.5 UTC, 2025-11-21T12:00:00Z",
            "[time], [time]",
        ),
        (
            "session 4711, idle in transaction for 42 min",
            "session [pid], idle in transaction for [span]",
        ),
        (
            "parameters max-objects (200) · min-size (10 MB)",
            "parameters max-objects (200) · min-size ([size])",
        ),
        (
            "at [project]/windlass.toml:14:3",
            "at [project]/windlass.toml:14:3",
        ),
        ("4 effects, 0 undone", "4 effects, 0 undone"),
    ] {
        assert_eq!(redact(text, &[]), redacted);
    }
}

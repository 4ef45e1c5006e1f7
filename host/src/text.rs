//! stub until the journal branch is merged
/// Control and bidi characters escaped.
pub fn printable(text: &str) -> std::borrow::Cow<'_, str> {
    text.chars()
        .flat_map(|c| {
            if c.is_control()
                || ('\u{200b}'..='\u{202e}').contains(&c)
                || ('\u{2060}'..='\u{206f}').contains(&c)
            {
                c.escape_unicode().collect::<Vec<_>>()
            } else {
                vec![c]
            }
        })
        .collect()
}

/// Stub.
pub fn duration(d: std::time::Duration) -> String {
    format!("{d:?}")
}

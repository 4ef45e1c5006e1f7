//! Where an error says that it is.

/// Panics unless the error's text begins with the file's name, a line and a column that the text has, one place behind its end
/// included, or with the name alone where the whole is meant.
pub(crate) fn is_in(error: &str, name: &str, text: &str) {
    let rest = error
        .strip_prefix(name)
        .and_then(|rest| rest.strip_prefix(':'))
        .unwrap_or_else(|| panic!("`{name}` is not named: {error}"));
    if rest.starts_with(' ') {
        return;
    }
    let mut numbers = rest.splitn(3, ':').map(str::parse::<usize>);
    let (Some(Ok(line)), Some(Ok(column))) = (numbers.next(), numbers.next()) else {
        panic!("no line and column: {error}");
    };
    let lines: Vec<_> = text.split('\n').collect();
    assert!(
        (1..=lines.len()).contains(&line),
        "there is no such line: {error}"
    );
    let columns = lines[line - 1].chars().count() + 1;
    assert!(
        (1..=columns).contains(&column),
        "there is no such column: {error}"
    );
}

//! Statements counted where they arrive: in the server's log.

/// What each line of the log begins with. Fields end with characters that names in tests do not have.
pub(super) const PREFIX: &str = "%m [%p] %d|%a| ";

/// One statement that a server was about to execute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// Process id of the session.
    pub pid: u32,
    /// The session's database.
    pub database: String,
    /// The `application_name` of the session at that time.
    pub application: String,
    /// The text, with its own line breaks.
    pub text: String,
}

/// Statements of a log, in their order.
pub(super) fn parse(log: &str) -> Vec<Statement> {
    let mut statements: Vec<Statement> = Vec::new();
    let mut open = false;
    for line in log.lines() {
        if let Some(more) = line.strip_prefix('\t') {
            if let (true, Some(last)) = (open, statements.last_mut()) {
                last.text.push('\n');
                last.text.push_str(more);
            }
            continue;
        }
        let statement = parse_line(line);
        open = statement.is_some();
        statements.extend(statement);
    }
    statements
}

fn parse_line(line: &str) -> Option<Statement> {
    let (_, rest) = line.split_once(" [")?;
    let (pid, rest) = rest.split_once("] ")?;
    let (database, rest) = rest.split_once('|')?;
    let (application, rest) = rest.split_once("| ")?;
    let message = rest.strip_prefix("LOG:  ")?;
    let text = message.strip_prefix("statement: ").or_else(|| {
        let (_, text) = message.strip_prefix("execute ")?.split_once(": ")?;
        Some(text)
    })?;
    Some(Statement {
        pid: pid.parse().ok()?,
        database: database.to_owned(),
        application: application.to_owned(),
        text: text.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn both_protocols_and_continued_lines() {
        let log = "2026-01-01 00:00:00.000 UTC [7] orders|windlass/1| LOG:  statement: SELECT 1,\n\t2\n\
                   2026-01-01 00:00:00.000 UTC [8] orders|psql| LOG:  execute s0: VACUUM t\n\
                   2026-01-01 00:00:00.000 UTC [8] orders|psql| ERROR:  no such table\n\
                   \tnot a statement\n";
        let found = parse(log);
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].text, "SELECT 1,\n2");
        assert_eq!(
            (found[0].pid, found[0].application.as_str()),
            (7, "windlass/1")
        );
        assert_eq!(
            (found[1].text.as_str(), found[1].database.as_str()),
            ("VACUUM t", "orders")
        );
    }
}

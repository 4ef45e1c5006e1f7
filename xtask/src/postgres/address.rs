//! Connection URLs.

use super::Error;

/// The URL of a database on this machine.
pub fn url_on_loopback(port: u16, user: &str, password: &str, database: &str) -> String {
    format!(
        "postgres://{}:{}@127.0.0.1:{port}/{}",
        escaped(user),
        escaped(password),
        escaped(database)
    )
}

/// The same URL for another database of the same server.
pub fn with_database(url: &str, database: &str) -> Result<String, Error> {
    let rest = ["postgres://", "postgresql://"]
        .iter()
        .find_map(|scheme| url.strip_prefix(scheme))
        .ok_or(Error::NotUrl)?;
    let scheme = &url[..url.len() - rest.len()];
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let server = place.split('/').next().unwrap_or_default();
    let mark = if query.is_empty() { "" } else { "?" };
    Ok(format!(
        "{scheme}{server}/{}{mark}{query}",
        escaped(database)
    ))
}

/// The same URL for another user.
pub fn with_user(url: &str, user: &str, password: &str) -> Result<String, Error> {
    let (scheme, rest) = url.split_once("://").ok_or(Error::NotUrl)?;
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (place, rest) = rest.split_at(end);
    let server = place.rsplit_once('@').map_or(place, |(_, server)| server);
    let (user, password) = (escaped(user), escaped(password));
    Ok(format!("{scheme}://{user}:{password}@{server}{rest}"))
}

/// Percent-encodes what has a meaning in a URL.
fn escaped(part: &str) -> String {
    use std::fmt::Write as _;
    part.bytes().fold(String::new(), |mut text, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use super::{url_on_loopback, with_database, with_user};

    #[test]
    fn what_has_a_meaning_is_encoded() {
        let url = url_on_loopback(1, "o'brien", "p@ss/word", "a b");
        assert_eq!(url, "postgres://o%27brien:p%40ss%2Fword@127.0.0.1:1/a%20b");
        let config: postgres::Config = url.parse().unwrap();
        assert_eq!(config.get_password(), Some(b"p@ss/word".as_slice()));
    }

    #[test]
    fn only_the_user_is_replaced() {
        let with = |url| with_user(url, "w", "p/q").unwrap();
        assert_eq!(
            with("postgres://u:p@h:1/x?a=b"),
            "postgres://w:p%2Fq@h:1/x?a=b"
        );
        assert_eq!(with("postgresql://h?a=b@c"), "postgresql://w:p%2Fq@h?a=b@c");
    }

    #[test]
    fn only_the_database_is_replaced() {
        let with = |url| with_database(url, "orders").unwrap();
        assert_eq!(
            with("postgres://u:p@h:1/x?a=b"),
            "postgres://u:p@h:1/orders?a=b"
        );
        assert_eq!(with("postgresql://h"), "postgresql://h/orders");
        assert!(with_database("host=h dbname=x", "orders").is_err());
    }
}

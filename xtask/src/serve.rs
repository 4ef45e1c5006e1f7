//! `cargo xtask serve`: a PostgreSQL to try things on.

use crate::trouble::Trouble;
use std::io::Read as _;
use xtask::postgres::{Binaries, NEWEST, OLDEST, Options, Server};

/// Starts a server, prints its URL, and stops it when standard input ends.
pub(crate) fn serve(major: Option<&str>) -> Result<(), Trouble> {
    let binaries = match major {
        Some(text) => {
            let major = text.parse().ok();
            let supported = major.filter(|major| (OLDEST..=NEWEST).contains(major));
            let wrong = || Trouble::NotMajor(text.to_owned());
            Binaries::major(supported.ok_or_else(wrong)?)?
        }
        None => Binaries::find()?,
    };
    let server = Server::start(&binaries, &Options::default())?;
    println!("{}", server.admin_url());
    eprintln!(
        "PostgreSQL {} runs until standard input ends (Ctrl-D)",
        server.version()
    );
    // An unreadable input has ended too.
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    Ok(())
}

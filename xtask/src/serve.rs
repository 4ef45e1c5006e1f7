//! `cargo xtask serve`: a PostgreSQL to try things on.

use crate::trouble::Trouble;
use std::io::Read as _;
use xtask::postgres::{Binaries, Options, Server};

/// Starts a server, prints its URL, and stops it when standard input ends.
pub(crate) fn serve(major: Option<&str>) -> Result<(), Trouble> {
    let binaries = match major {
        Some(text) => {
            let wrong = |_| Trouble::NotMajor(text.to_owned());
            Binaries::major(text.parse().map_err(wrong)?)?
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

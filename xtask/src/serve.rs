//! `cargo xtask serve`: a PostgreSQL to try things on.

use std::error::Error;
use std::io::Read as _;
use xtask::postgres::{Binaries, Options, Server};

/// Starts a server, prints its URL, and stops it when standard input ends.
pub(crate) fn serve(major: Option<String>) -> Result<(), Box<dyn Error>> {
    let binaries = match major {
        Some(major) => Binaries::major(major.parse()?)?,
        None => Binaries::find()?,
    };
    let server = Server::start(&binaries, &Options::default())?;
    println!("{}", server.admin_url());
    eprintln!(
        "PostgreSQL {} runs until its standard input ends",
        server.version()
    );
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

//! Drops what the suite made on a server that is not its own. It is started by the suite, and waits for the end of its standard input, which is
//! the suite's end, however that comes about.
#![forbid(unsafe_code)]

use std::io::Read as _;

/// `DATABASE_URL` names the server; the argument is the mark in the names of what is to be dropped.
#[expect(
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "the suite talks to this program through its environment"
)]
fn main() {
    let (Ok(url), Some(mark)) = (std::env::var("DATABASE_URL"), std::env::args().nth(1)) else {
        eprintln!("sweeper: no server and no mark");
        return;
    };
    // An input that cannot be read has ended too.
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    if let Err(error) = xtask::postgres::sweep(&url, &mark) {
        eprintln!(
            "what the suite made is still on the server: {}",
            error.story()
        );
    }
}

//! `cargo xtask cluster`: a Kubernetes to try things on.

use crate::setup;
use crate::trouble::Trouble;
use std::io::Read as _;
use xtask::kubernetes::{Cluster, Options, User};

/// Starts a cluster, prints what a shell needs to speak to it, and ends it when standard input ends.
pub(crate) fn cluster() -> Result<(), Trouble> {
    let kubebed = setup::kubebed()?;
    let cluster = Cluster::start(&kubebed, &Options::default())?;
    println!(
        "export KUBECONFIG={}",
        cluster.kubeconfig(User::Admin).display()
    );
    eprintln!(
        "Kubernetes {} runs until standard input ends (Ctrl-D); without a kubectl of your own: alias kubectl='{} kubectl'",
        kubebed.version(),
        kubebed.program().display()
    );
    // An unreadable input has ended too.
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    Ok(())
}

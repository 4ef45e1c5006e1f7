//! The author's page is true: what it shows compiles, passes its test and becomes a component.
#![expect(
    clippy::disallowed_methods,
    reason = "makes a folder as an author would, and starts cargo in it"
)]
#![expect(clippy::unwrap_used, reason = "a test, its helpers included")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use windlass_build::{Request, build};

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}

/// The fenced block after the line that begins with the file's name.
fn block<'a>(page: &'a str, file: &str) -> &'a str {
    let (_, after) = page.split_once(&format!("\n`{file}`")).unwrap();
    let (_, after) = after.split_once("\n```").unwrap();
    let (_, after) = after.split_once('\n').unwrap();
    after.split_once("\n```").unwrap().0
}

#[test]
fn the_example_of_the_page_works() {
    let workspace = workspace();
    let page = fs::read_to_string(workspace.join("docs/author.md")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    fs::create_dir(dir.join("src")).unwrap();
    for file in ["plugin.toml", "src/lib.rs"] {
        fs::write(dir.join(file), block(&page, file)).unwrap();
    }
    let checkout = workspace.to_str().unwrap();
    let manifest = block(&page, "Cargo.toml").replace("../windlass/", &format!("{checkout}/"));
    fs::write(dir.join("Cargo.toml"), manifest).unwrap();
    // The versions that are here already; an author gets the newest.
    fs::copy(workspace.join("Cargo.lock"), dir.join("Cargo.lock")).unwrap();

    let request = Request {
        show_compiler: false,
        ..Request::new(dir, workspace.join("target/plugins"))
    };
    let built = build(&request).unwrap();
    assert_eq!(built.name, "pg-fresh-statistics");

    let tested = Command::new(env!("CARGO"))
        .args(["test", "--lib", "--quiet", "--target-dir"])
        .arg(workspace.join("target/author"))
        .current_dir(dir)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&tested.stdout);
    assert!(
        tested.status.success(),
        "{}",
        String::from_utf8_lossy(&tested.stderr)
    );
    assert!(said.contains("1 passed"), "{said}");
}

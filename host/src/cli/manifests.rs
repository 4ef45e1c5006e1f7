//! Manifests of the command line: a file, or a folder of them, read into a parameter.

use super::context::Context;
use super::failure::Failure;
use crate::cluster::manifest::yaml;
use crate::folder::{FileError, Folder};
use serde_json::Value;

/// How files of manifests end.
const ENDS: [&str; 3] = ["json", "yaml", "yml"];

/// Reads what `--set NAME=@PATH` names: one file, or the files of a folder in the order of their names, those of folders in it left out.
pub(super) fn read(context: &Context, name: &str, text: &str) -> Result<Value, Failure> {
    let Some(path) = text.strip_prefix('@').filter(|path| !path.is_empty()) else {
        let usage = format!("`--set {name}` is a file or a folder of manifests");
        return Err(Failure::usage(usage).hint(format!("--set {name}=@PATH")));
    };
    let whole = context.here.join(path);
    let files = if whole.is_dir() {
        let folder = Folder::open(&whole)?;
        let mut names = Vec::new();
        for end in ENDS {
            names.extend(folder.names(end)?);
        }
        names.sort();
        if names.is_empty() {
            let usage = format!("`{path}` has no manifests");
            let hint = "files of manifests end with .yaml, .yml or .json";
            return Err(Failure::usage(usage).hint(hint));
        }
        let read = |name: String| {
            let text = folder.read_text(&name)?;
            Ok((name, text))
        };
        let files: Result<Vec<_>, FileError> = names.into_iter().map(read).collect();
        files?
    } else {
        let (folder, file) = Folder::of_file(&whole)?;
        let text = folder.read_text(&file)?;
        vec![(file, text)]
    };
    yaml::read(&files).map_err(|error| {
        Failure::usage(format!("the manifests of `{path}` are not taken")).cause(error.to_string())
    })
}

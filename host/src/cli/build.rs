//! `windlass build`: the author's command.

use super::context::Context;
use super::failure::{Exit, Failure};
use crate::folder;
use crate::plugin::{Component, Manifest};
use serde_json::json;
use std::path::{Path, PathBuf};
use windlass_build::{BuildError, Built, Procedure, Request, build, digest, embed};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The folder of the procedure, with its Cargo.toml and plugin.toml
    #[arg(default_value = ".")]
    dir: PathBuf,
    /// Where to write the component, instead of NAME-VERSION.wasm here
    #[arg(long, short, value_name = "FILE")]
    output_file: Option<PathBuf>,
    /// Embed the manifest into this component instead of compiling: one that another language's tools made
    #[arg(long, value_name = "FILE")]
    component: Option<PathBuf>,
    /// JSON Schema of the parameters of that component; it has none otherwise
    #[arg(long, value_name = "FILE", requires = "component")]
    parameters: Option<PathBuf>,
    /// Fetch nothing from the network
    #[arg(long)]
    offline: bool,
    /// Fail if Cargo.lock would have to change
    #[arg(long)]
    locked: bool,
}

pub(super) fn execute(context: &Context, args: &Args) -> Result<Exit, Failure> {
    let dir = context.here.join(&args.dir);
    check_manifest(context, &dir.join("plugin.toml"))?;
    let built = match &args.component {
        Some(component) => embedded(context, args, &dir, component)?,
        None => build(&Request {
            offline: args.offline,
            locked: args.locked,
            ..Request::new(&dir, dir.join("target/windlass"))
        })?,
    };
    // What could not be used afterwards is not written in the first place.
    let component = Component::from_bytes(built.component.clone())?;
    let name = format!("{}-{}.wasm", built.name, built.version);
    let path = context
        .here
        .join(args.output_file.clone().unwrap_or_else(|| name.into()));
    folder::write(&path, &built.component, true)?;
    let shown = context.shown(&path);
    if context.printer.is_json() {
        let document = json!({
            "name": built.name,
            "version": built.version,
            "digest": component.digest(),
            "file": path.to_string_lossy(),
            "size": built.component.len(),
        });
        context.printer.json("windlass.build/1", &document)?;
    } else {
        context.printer.text(format_args!(
            "{} {}  {}",
            component.title(),
            built.version,
            component.digest()
        ))?;
        context.printer.text(format_args!(
            "{shown}, {} kB",
            built.component.len().div_ceil(1024)
        ))?;
    }
    context
        .printer
        .note(format_args!("Next: windlass inspect {}", spec(&shown)));
    Ok(Exit::Succeeded)
}

/// A component of another language with the folder's manifest in it.
fn embedded(
    context: &Context,
    args: &Args,
    dir: &Path,
    component: &Path,
) -> Result<Built, Failure> {
    let manifest = dir.join("plugin.toml");
    let text = String::from_utf8_lossy(&folder::read(&manifest, 1 << 20)?).into_owned();
    let schema = match &args.parameters {
        None => json!({ "type": "object", "properties": {}, "additionalProperties": false }),
        Some(file) => serde_json::from_slice(&folder::read(&context.here.join(file), 1 << 20)?)
            .map_err(|error| {
                Failure::usage(format!("`{}` is no JSON Schema", file.display()))
                    .cause(error.to_string())
            })?,
    };
    let Procedure { name, version } = Procedure::of(&manifest, &text).map_err(BuildError::from)?;
    let bytes = folder::read(&context.here.join(component), 256 << 20)?;
    let component = embed(&bytes, &text, &schema).map_err(BuildError::from)?;
    Ok(Built {
        name,
        version,
        digest: digest(&component),
        component,
    })
}

/// A mistake in it is told before minutes are spent on the compiler.
fn check_manifest(context: &Context, path: &Path) -> Result<(), Failure> {
    let bytes = folder::read(path, 1 << 20)?;
    let shown = context.shown(path);
    Manifest::check_keys(&shown, &String::from_utf8_lossy(&bytes)).map_err(|error| {
        let hint = error.hint().map(str::to_owned);
        Failure::of(Exit::Usage, &error).hint_if(hint)
    })
}

/// The path so that it is not taken for the name of a built-in procedure.
fn spec(shown: &str) -> String {
    let is_path = shown.contains('/') || Path::new(shown).extension().is_some_and(|e| e == "wasm");
    if is_path {
        shown.to_owned()
    } else {
        format!("./{shown}")
    }
}

//! The program that a cluster is: built by Go once, and kept below the target directory for as long as its sources stay the same.

use super::Error;
use crate::shell::{self, Failure};
use sha2::{Digest as _, Sha256};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What Kubernetes says that it was built with: without these it calls itself v0.0.0, which its clients refuse.
const STAMPED: [&str; 2] = [
    "k8s.io/component-base/version",
    "k8s.io/client-go/pkg/version",
];
/// `notest` and `grpcnotrace` leave out what is only for tests and traces of its libraries.
const TAGS: &str = "selinux,notest,grpcnotrace";

/// The program that holds etcd, the control plane, KWOK and kubectl.
#[derive(Clone, Debug)]
pub struct Kubebed {
    program: PathBuf,
    version: String,
}

impl Kubebed {
    /// The one that is kept, if it is of these sources, else a new one. Building takes minutes and says so through `say`; another process
    /// that wants it meanwhile waits. Looking takes milliseconds.
    pub fn built(say: &dyn Fn(&str)) -> Result<Self, Error> {
        let module = Module::read(crate::workspace().join("tests/testbed"))?;
        let store = crate::target().join("testbed");
        fs::create_dir_all(&store).map_err(Error::file(&store))?;
        let lock = store.join("lock");
        // Held until the file is closed.
        let held = File::create(&lock).map_err(Error::file(&lock))?;
        held.lock().map_err(Error::file(&lock))?;
        let program = store.join("kubebed");
        let go = module.go();
        if !module.is_in(&program, go.as_ref().ok()) {
            say("builds the Kubernetes of the suite; the first time takes minutes");
            module.build(&go?, &program)?;
        }
        let version = module.version;
        Ok(Self { program, version })
    }

    /// Where it is.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Of Kubernetes: 1.36.3.
    pub fn version(&self) -> &str {
        &self.version
    }
}

/// The sources.
struct Module {
    folder: PathBuf,
    digest: String,
    /// Of Kubernetes.
    version: String,
    /// The oldest Go that will do.
    needs: String,
}

impl Module {
    fn read(folder: PathBuf) -> Result<Self, Error> {
        let path = folder.join("go.mod");
        let text = fs::read_to_string(&path).map_err(Error::file(&path))?;
        let version = named(&text, "k8s.io/kubernetes v");
        let version = version.ok_or_else(|| Error::Module(path.clone(), "k8s.io/kubernetes"))?;
        let needs = named(&text, "go ").ok_or(Error::Module(path, "go"))?;
        Ok(Self {
            digest: digest(&folder)?,
            folder,
            version,
            needs,
        })
    }

    /// What `go version` says here: where it may, it has fetched the version that go.mod asks for.
    fn go(&self) -> Result<String, Error> {
        let said = shell::output(Command::new("go").arg("version").current_dir(&self.folder));
        let found = match said {
            Ok(said) => said.trim().to_owned(),
            Err(Failure::Start(..)) => return Err(Error::NoGo),
            Err(Failure::Failed { output, .. }) => output,
        };
        let version = found.strip_prefix("go version go");
        if version.is_some_and(|version| numbers(version) >= numbers(&self.needs)) {
            return Ok(found);
        }
        let needed = self.needs.clone();
        Err(Error::OldGo { needed, found })
    }

    /// Whether the program is of these sources, and of this Go. Where there is no Go, whatever built it will do.
    fn is_in(&self, program: &Path, go: Option<&String>) -> bool {
        let Ok(stamp) = fs::read_to_string(program.with_extension("stamp")) else {
            return false;
        };
        let (digest, built_by) = stamp.split_once('\n').unwrap_or((&stamp, ""));
        digest == self.digest && go.is_none_or(|go| go == built_by) && program.is_file()
    }

    fn build(&self, go: &str, program: &Path) -> Result<(), Error> {
        let building = program.with_extension("building");
        let mut command = Command::new("go");
        command
            .args([
                "build",
                "-trimpath",
                "-buildvcs=false",
                "-tags",
                TAGS,
                "-ldflags",
                &self.ldflags(),
                "-o",
            ])
            .args([&building, &self.folder])
            .env("CGO_ENABLED", "0")
            .current_dir(&self.folder);
        shell::output(&mut command).map_err(Error::Build)?;
        // A cluster that runs keeps its old program.
        fs::rename(&building, program).map_err(Error::file(program))?;
        let stamp = program.with_extension("stamp");
        fs::write(&stamp, format!("{}\n{go}", self.digest)).map_err(Error::file(&stamp))
    }

    fn ldflags(&self) -> String {
        let version = &self.version;
        let mut parts = version.split('.');
        let (major, minor) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""));
        let stamps = STAMPED.map(|package| {
            format!(
                " -X {package}.gitVersion=v{version} -X {package}.gitMajor={major} -X {package}.gitMinor={minor} -X {package}.gitTreeState=clean"
            )
        });
        format!("-s -w{}", stamps.concat())
    }
}

/// What is behind these words at the beginning of a line.
fn named(text: &str, words: &str) -> Option<String> {
    let mut lines = text.lines().map(str::trim);
    let rest = lines.find_map(|line| line.strip_prefix(words))?;
    rest.split_whitespace().next().map(str::to_owned)
}

/// The numbers that a version begins with.
fn numbers(version: &str) -> Vec<u32> {
    let number = version.split_whitespace().next().unwrap_or_default();
    let parts = number.split('.');
    parts.map_while(|part| part.parse().ok()).collect()
}

/// Of what is compiled: the module's own sources, and the versions and digests of what it takes.
fn digest(folder: &Path) -> Result<String, Error> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(Error::file(folder))? {
        let path = entry.map_err(Error::file(folder))?.path();
        let kind = path.extension().and_then(|kind| kind.to_str());
        if kind.is_some_and(|kind| ["go", "mod", "sum"].contains(&kind)) {
            names.push(path);
        }
    }
    names.sort();
    let mut digest = Sha256::new();
    // How it is built is part of what is built.
    digest.update(include_bytes!("build.rs"));
    for path in names {
        let bytes = fs::read(&path).map_err(Error::file(&path))?;
        digest.update(path.file_name().unwrap_or_default().as_encoded_bytes());
        digest.update(bytes.len().to_le_bytes());
        digest.update(&bytes);
    }
    Ok(hex::encode(digest.finalize()))
}

#[cfg(test)]
mod tests {
    use super::{Module, named, numbers};

    #[test]
    fn versions_are_read_from_a_module() {
        let text = "module kubebed\n\ngo 1.26.0\n\nrequire (\n\tk8s.io/kubernetes v1.36.3\n)\n";
        assert_eq!(named(text, "go ").as_deref(), Some("1.26.0"));
        let kubernetes = named(text, "k8s.io/kubernetes v");
        assert_eq!(kubernetes.as_deref(), Some("1.36.3"));
        assert_eq!(named(text, "k8s.io/kubectl v"), None);
    }

    #[test]
    fn a_go_that_is_too_old_or_missing_says_what_to_install() {
        let module = Module {
            folder: std::env::temp_dir(),
            digest: String::new(),
            version: "1.36.3".to_owned(),
            needs: "999.0".to_owned(),
        };
        let error = module.go().unwrap_err();
        assert!(
            error.hint().unwrap().starts_with("install Go"),
            "{}",
            error.story()
        );
    }

    #[test]
    fn an_older_go_is_older() {
        assert!(numbers("1.26.8 linux/amd64") >= numbers("1.26.0"));
        assert!(numbers("1.9.7 linux/amd64") < numbers("1.26.0"));
        assert!(numbers("devel") < numbers("1.26.0"));
    }
}

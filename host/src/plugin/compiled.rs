//! Components compiled to machine code, kept between processes. Compiled code is trusted code: the folder is ours alone, a file's name is
//! the component's digest and the compiler's fingerprint, and its content is checked before it is loaded.

use cap_std::fs::{Dir, MetadataExt as _, OpenOptions, OpenOptionsExt as _};
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::fmt;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{Read as _, Write as _};
use std::sync::{Arc, Mutex, PoisonError};
use wasmtime::Engine;
use wasmtime::component::Component;

/// Bytes of the digest in front of the code.
const SEAL: usize = 32;

/// The cache. Without a folder each process compiles anew. Clones share what they hold in memory.
#[derive(Clone, Default)]
pub struct CompiledCache {
    folder: Option<Arc<Dir>>,
    /// What this process has loaded, by the name of its file.
    loaded: Arc<Mutex<HashMap<String, Component>>>,
}

impl fmt::Debug for CompiledCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CompiledCache")
            .field("folder", &self.folder)
            .finish_non_exhaustive()
    }
}

impl CompiledCache {
    /// Keeps compiled components in the folder, if it is one that nobody else can write to.
    pub fn new(folder: Dir) -> Self {
        let ours = folder
            .dir_metadata()
            .is_ok_and(|meta| is_private(meta.uid(), meta.mode()));
        Self {
            folder: ours.then(|| Arc::new(folder)),
            loaded: Arc::default(),
        }
    }

    /// The component, compiled: from the cache if there, else compiled and kept. A cache that cannot be used is passed over.
    pub(crate) fn load(
        &self,
        engine: &Engine,
        digest: &str,
        bytes: &[u8],
    ) -> wasmtime::Result<Component> {
        let name = file_name(engine, digest);
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(component) = loaded.get(&name) {
            return Ok(component.clone());
        }
        let component = self.load_file(engine, &name, bytes)?;
        loaded.insert(name, component.clone());
        Ok(component)
    }

    fn load_file(&self, engine: &Engine, name: &str, bytes: &[u8]) -> wasmtime::Result<Component> {
        if let Some(component) = self
            .folder
            .as_ref()
            .and_then(|folder| read(folder, name, engine))
        {
            return Ok(component);
        }
        let component = Component::new(engine, bytes)?;
        if let Some(folder) = &self.folder
            && let Err(error) = keep(folder, name, &component)
        {
            tracing::debug!(%error, "the compiled component was not kept");
        }
        Ok(component)
    }
}

fn is_private(owner: u32, mode: u32) -> bool {
    owner == rustix::process::geteuid().as_raw() && mode & 0o022 == 0
}

fn file_name(engine: &Engine, digest: &str) -> String {
    let mut hasher = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    let component = digest.trim_start_matches("sha256:");
    format!("{component}-{:016x}.cwasm", hasher.finish())
}

/// The compiled component, if the file is ours, whole and fits the engine.
fn read(folder: &Dir, name: &str, engine: &Engine) -> Option<Component> {
    let mut options = OpenOptions::new();
    options
        .read(true)
        .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed());
    let mut file = folder.open_with(name, &options).ok()?;
    let meta = file.metadata().ok()?;
    if !meta.is_file() || !is_private(meta.uid(), meta.mode()) {
        return None;
    }
    let mut content = Vec::new();
    file.read_to_end(&mut content).ok()?;
    let (seal, code) = content.split_at_checked(SEAL)?;
    if Sha256::digest(code).as_slice() != seal {
        return None;
    }
    // SAFETY: the code was written by `keep` below from a component that wasmtime compiled: the folder and the file belong to this
    // user and nobody else can write to them, the seal shows that the file is whole, and wasmtime checks that its own fingerprint
    // matches.
    #[expect(
        unsafe_code,
        reason = "loading compiled code is trusting it; see above for why it can be trusted"
    )]
    unsafe { Component::deserialize(engine, code) }.ok()
}

/// Writes aside and renames, so that nobody meets half a file.
fn keep(folder: &Dir, name: &str, component: &Component) -> wasmtime::Result<()> {
    let code = component.serialize()?;
    let aside = format!("{name}.{}", std::process::id());
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = folder.open_with(&aside, &options)?;
    file.write_all(&Sha256::digest(&code))?;
    file.write_all(&code)?;
    folder.rename(&aside, folder, name)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use cap_std::ambient_authority;
    use cap_std::fs::{Permissions, PermissionsExt as _};

    const COMPONENT: &[u8] = b"(component)";

    struct Place {
        path: tempfile::TempDir,
        engine: Engine,
    }

    impl Place {
        fn new() -> Self {
            Self {
                path: tempfile::tempdir().unwrap(),
                engine: Engine::default(),
            }
        }

        fn dir(&self) -> Dir {
            Dir::open_ambient_dir(self.path.path(), ambient_authority()).unwrap()
        }

        fn load(&self) {
            let bytes = wat::parse_bytes(COMPONENT).unwrap();
            CompiledCache::new(self.dir())
                .load(&self.engine, "sha256:00", &bytes)
                .unwrap();
        }

        fn file(&self) -> String {
            file_name(&self.engine, "sha256:00")
        }

        fn is_taken(&self) -> bool {
            read(&self.dir(), &self.file(), &self.engine).is_some()
        }
    }

    #[test]
    fn what_was_compiled_is_kept_and_taken() {
        let place = Place::new();
        assert!(!place.is_taken());
        place.load();
        assert!(place.is_taken());
        place.load();
    }

    #[test]
    fn a_changed_file_is_not_taken_and_is_replaced() {
        let place = Place::new();
        place.load();
        let mut content = place.dir().read(place.file()).unwrap();
        let last = content.len() - 1;
        content[last] ^= 1;
        place.dir().write(place.file(), content).unwrap();
        assert!(!place.is_taken());
        place.load();
        assert!(place.is_taken());
    }

    #[test]
    fn a_file_that_others_can_write_is_not_taken() {
        let place = Place::new();
        place.load();
        place
            .dir()
            .set_permissions(place.file(), Permissions::from_mode(0o666))
            .unwrap();
        assert!(!place.is_taken());
    }

    #[test]
    fn a_link_is_not_followed() {
        let place = Place::new();
        place.load();
        place
            .dir()
            .rename(place.file(), &place.dir(), "elsewhere")
            .unwrap();
        place.dir().symlink("elsewhere", place.file()).unwrap();
        assert!(!place.is_taken());
    }

    #[test]
    fn a_folder_that_others_can_write_is_not_used() {
        let place = Place::new();
        place
            .dir()
            .set_permissions(".", Permissions::from_mode(0o777))
            .unwrap();
        place.load();
        assert!(place.dir().entries().unwrap().next().is_none());
    }

    #[test]
    fn another_compiler_does_not_take_it() {
        let place = Place::new();
        place.load();
        let mut config = wasmtime::Config::new();
        config.epoch_interruption(true);
        let other = Engine::new(&config).unwrap();
        assert_ne!(file_name(&other, "sha256:00"), place.file());
        assert!(read(&place.dir(), &place.file(), &other).is_none());
    }
}

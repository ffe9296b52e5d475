//! The user's cache folder, `$XDG_CACHE_HOME/gatewaystack` or `~/.cache/gatewaystack`, which outlives clones.
//! In: a name that holds the version, and how to fill a folder. Out: the filled folder, whole or not at all.

use std::{
    env, fs,
    fs::File,
    path::{Path, PathBuf},
    process,
};

use anyhow::{Context, Result};

/// The folder `name` of the cache, filled by `fill` where it isn't there yet. Two processes don't fill it at
/// once, and a process that is ended in the middle leaves nothing that counts as installed.
pub fn install(name: &str, fill: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    install_below(&folder()?, name, fill)
}

fn install_below(cache: &Path, name: &str, fill: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    let finished = cache.join(name);
    if finished.is_dir() {
        return Ok(finished);
    }
    fs::create_dir_all(cache).with_context(|| format!("can't make {}", cache.display()))?;
    let lock_path = cache.join(format!("{name}.lock"));
    let lock = File::create(&lock_path).with_context(|| format!("can't write {}", lock_path.display()))?;
    lock.lock().with_context(|| format!("can't lock {}", lock_path.display()))?;
    // Somebody else may have filled it while we waited.
    if finished.is_dir() {
        return Ok(finished);
    }
    let unfinished = cache.join(format!("{name}.unfinished-{}", process::id()));
    remove(&unfinished)?;
    fs::create_dir(&unfinished).with_context(|| format!("can't make {}", unfinished.display()))?;
    let filled = fill(&unfinished).and_then(|()| {
        fs::rename(&unfinished, &finished).with_context(|| format!("can't make {}", finished.display()))
    });
    if filled.is_err() {
        remove(&unfinished)?;
    }
    filled.map(|()| finished)
}

fn folder() -> Result<PathBuf> {
    let absolute = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")));
    Ok(base
        .context("neither XDG_CACHE_HOME nor HOME is set: no folder to keep tools in")?
        .join("gatewaystack"))
}

fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("can't remove {}", folder.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::{env, fs, path::PathBuf, process, sync::atomic::AtomicU32, sync::atomic::Ordering};

    use anyhow::bail;

    use super::install_below;

    fn empty_cache() -> PathBuf {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        env::temp_dir().join(format!("gatewaystack-cache-test-{}-{number}", process::id()))
    }

    #[test]
    fn what_is_installed_is_not_installed_again() {
        let cache = empty_cache();
        let folder =
            install_below(&cache, "tool-1", |folder| Ok(fs::write(folder.join("tool"), "x")?)).unwrap();
        assert_eq!(fs::read_to_string(folder.join("tool")).unwrap(), "x");
        assert_eq!(install_below(&cache, "tool-1", |_| bail!("again")).unwrap(), folder);
        fs::remove_dir_all(cache).unwrap();
    }

    #[test]
    fn a_failed_installation_leaves_nothing_and_is_tried_again() {
        let cache = empty_cache();
        let failed = install_below(&cache, "tool-1", |folder| {
            fs::write(folder.join("half"), "x")?;
            bail!("no network")
        });
        assert_eq!(failed.unwrap_err().to_string(), "no network");
        let names: Vec<_> = fs::read_dir(&cache).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["tool-1.lock"]);
        install_below(&cache, "tool-1", |_| Ok(())).unwrap();
        fs::remove_dir_all(cache).unwrap();
    }

    #[test]
    fn threads_that_ask_at_once_install_once() {
        let cache = empty_cache();
        let count = AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    install_below(&cache, "tool-1", |_| {
                        count.fetch_add(1, Ordering::SeqCst);
                        Ok(())
                    })
                    .unwrap()
                });
            }
        });
        assert_eq!(count.into_inner(), 1);
        fs::remove_dir_all(cache).unwrap();
    }
}

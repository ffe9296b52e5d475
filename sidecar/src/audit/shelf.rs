//! Where a log lies that is written: the files of a folder, or the rows of a table. In: what is put there,
//! by the paths of the log (C2SP tlog-tiles). What was put is safe once it is settled.

use crate::ledger::database::{Home, Use};
use crate::ledger::sql::postgres::AUDIT;
use crate::ledger::sql::{self, Db, cells};
use crate::private;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

/// What a checkpoint and a key are written to first: in the folder around, for the log's has the log alone.
const SCRATCH: &str = "audit.new";

/// In a data folder.
const FOLDER: &str = "audit";

/// The log's folder in a data folder.
pub fn folder(data: &Path) -> PathBuf {
    data.join(FOLDER)
}

/// The place of a log.
pub enum Shelf {
    Folder {
        data: PathBuf,
        folder: PathBuf,
        /// Files to be brought to the disk before a checkpoint, and folders that name them.
        fresh: BTreeSet<PathBuf>,
    },
    /// Over a connection that has the lock of the one who writes: without it nothing can be put.
    Table(Db),
}

fn text(error: sql::Error) -> String {
    format!("the audit log: {error}")
}

/// What lies at a path of a table.
///
/// # Errors
/// The database's.
pub fn row(db: &Db, path: &str) -> sql::Result<Option<Vec<u8>>> {
    db.first("SELECT bytes FROM tile WHERE path = ?1", cells![path], |row| row.get(0))
}

/// What the partial tiles of a tile have in front.
fn partial(path: &str) -> String {
    format!("{path}.p/")
}

impl Shelf {
    /// That of a ledger. Before anything is put there it has to be held.
    ///
    /// # Errors
    /// The database's.
    pub fn of(home: &Home) -> Result<Self, String> {
        if home.is_shared() {
            return home.open(Use::Desk).map(Self::Table);
        }
        let data = home.folder.clone();
        Ok(Self::Folder { folder: folder(&data), data, fresh: BTreeSet::new() })
    }

    /// Whether it is this process's alone; `false`: another sidecar writes it. Whoever serves a folder has
    /// its lock already.
    ///
    /// # Errors
    /// The database's.
    pub fn hold(&self) -> Result<bool, String> {
        let Self::Table(db) = self else { return Ok(true) };
        db.postgres().map_or(Ok(true), |db| db.borrow_mut().hold(AUDIT)).map_err(text)
    }

    /// Puts a tile there; one that is full stays as it is.
    ///
    /// # Errors
    /// The disk's.
    pub fn put(&mut self, path: &str, bytes: &[u8]) -> Result<(), String> {
        let (data, folder, fresh) = match self {
            Self::Table(db) => {
                let sql = "INSERT INTO tile VALUES (?1, ?2) ON CONFLICT (path) DO UPDATE SET bytes = ?2";
                return db.execute(sql, cells![path, bytes]).map(drop).map_err(text);
            }
            Self::Folder { data, folder, fresh } => (data, folder, fresh),
        };
        let path = folder.join(path);
        let failed = |e: std::io::Error| format!("{}: {e}", path.display());
        if let Some(around) = path.parent() {
            if !around.exists() {
                private::folder(around).map_err(failed)?;
                // Those around it may be new, too.
                let new = around.ancestors().take_while(|folder| folder.starts_with(&*data));
                fresh.extend(new.map(Path::to_owned));
            }
            fresh.insert(around.to_owned());
        }
        let mut file = private::file(&path).map_err(failed)?;
        file.set_len(0).and_then(|()| file.write_all(bytes)).map_err(failed)?;
        fresh.insert(path);
        Ok(())
    }

    /// Brings what was put to the disk.
    ///
    /// # Errors
    /// The disk's.
    pub fn settle(&mut self) -> Result<(), String> {
        match self {
            Self::Folder { fresh, .. } => std::mem::take(fresh).iter().try_for_each(|path| sync(path)),
            Self::Table(_) => Ok(()),
        }
    }

    /// Puts a file there that takes the place of another at once.
    ///
    /// # Errors
    /// The disk's.
    pub fn replace(&mut self, path: &str, bytes: &str) -> Result<(), String> {
        match self {
            Self::Folder { data, folder, .. } => replace(&data.join(SCRATCH), &folder.join(path), bytes),
            Self::Table(_) => self.put(path, bytes.as_bytes()),
        }
    }

    /// Whether something lies at a path.
    ///
    /// # Errors
    /// The database's.
    pub fn has(&self, path: &str) -> Result<bool, String> {
        match self {
            Self::Folder { folder, .. } => Ok(folder.join(path).exists()),
            Self::Table(db) => {
                db.one("SELECT EXISTS (SELECT 1 FROM tile WHERE path = ?1)", cells![path]).map_err(text)
            }
        }
    }

    /// Takes away what lies at a path; `false`: nothing did.
    ///
    /// # Errors
    /// The disk's.
    pub fn remove(&self, path: &str) -> Result<bool, String> {
        let folder = match self {
            Self::Table(db) => {
                return db
                    .execute("DELETE FROM tile WHERE path = ?1", cells![path])
                    .map(|gone| gone > 0)
                    .map_err(text);
            }
            Self::Folder { folder, .. } => folder,
        };
        let path = folder.join(path);
        match fs::remove_file(&path) {
            Ok(()) => Ok(true),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(false),
            Err(error) => Err(format!("{}: {error}", path.display())),
        }
    }

    /// The partial tiles that there are of a tile, by the last part of their paths.
    ///
    /// # Errors
    /// The database's.
    pub fn partials(&self, path: &str) -> Result<Vec<String>, String> {
        let before = partial(path);
        match self {
            Self::Table(db) => db
                .all("SELECT path FROM tile WHERE starts_with(path, ?1)", cells![before], |row| {
                    let path: String = row.get(0)?;
                    Ok(path.get(before.len()..).unwrap_or_default().to_owned())
                })
                .map_err(text),
            Self::Folder { folder, .. } => {
                let Ok(entries) = folder.join(&before).read_dir() else { return Ok(Vec::new()) };
                Ok(entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect())
            }
        }
    }

    /// Takes away one of them.
    ///
    /// # Errors
    /// The disk's.
    pub fn remove_partial(&self, path: &str, name: &str) -> Result<(), String> {
        self.remove(&format!("{}{name}", partial(path))).map(drop)
    }

    /// Takes away all of them.
    ///
    /// # Errors
    /// The disk's.
    pub fn remove_partials(&self, path: &str) -> Result<(), String> {
        let before = partial(path);
        match self {
            Self::Table(db) => db
                .execute("DELETE FROM tile WHERE starts_with(path, ?1)", cells![before])
                .map(drop)
                .map_err(text),
            Self::Folder { folder, .. } => match fs::remove_dir_all(folder.join(&before)) {
                Err(error) if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                    Err(format!("{}: {error}", folder.join(&before).display()))
                }
                _ => Ok(()),
            },
        }
    }
}

/// Puts a file in the place of another at once; `scratch` is what it is written to before.
///
/// # Errors
/// The disk's.
pub fn replace(scratch: &Path, path: &Path, text: &str) -> Result<(), String> {
    let failed = |e: std::io::Error| format!("{}: {e}", path.display());
    let mut file = private::file(scratch).map_err(failed)?;
    file.set_len(0).and_then(|()| file.write_all(text.as_bytes())).map_err(failed)?;
    file.sync_all().and_then(|()| fs::rename(scratch, path)).map_err(failed)?;
    path.parent().map_or(Ok(()), sync)
}

fn sync(path: &Path) -> Result<(), String> {
    let failed = |e: std::io::Error| format!("{}: {e}", path.display());
    // A folder can be synced where it can be opened.
    if cfg!(not(unix)) && path.is_dir() {
        return Ok(());
    }
    File::open(path).and_then(|file| file.sync_all()).map_err(failed)
}

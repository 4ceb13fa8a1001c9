//! Private databases that survive a stop at any moment.

use std::fs::File;
use std::path::{Path, PathBuf};

use redb::backends::FileBackend;
use redb::{Database, ReadTransaction, ReadableDatabase as _, TableDefinition, WriteTransaction};

use super::error::{BookError, Failed};

/// Pages kept in memory: an index of a hundred nights is larger, but what one asks for lies together.
const CACHE_BYTES: usize = 4 * 1024 * 1024;

/// `format`, and what else a file has one of.
pub(super) const META: TableDefinition<'static, &'static str, &'static [u8]> =
    TableDefinition::new("meta.v1");

/// A database and its path, for errors.
#[derive(Debug)]
pub(super) struct Side {
    pub(super) path: PathBuf,
    pub(super) database: Database,
    pub(super) format: u64,
}

impl Side {
    /// Opens a file, or makes it with its tables: under another name first, so that one that is not complete is never opened.
    pub(super) fn open(
        path: &Path,
        format: u64,
        create: impl FnOnce(&WriteTransaction) -> Result<(), Failed>,
    ) -> Result<Self, BookError> {
        let file = |error| BookError::File {
            path: path.to_path_buf(),
            error,
        };
        if !path.try_exists().map_err(file)? {
            let mut begun = path.as_os_str().to_owned();
            begun.push(".new");
            let begun = PathBuf::from(begun);
            let mut options = File::options();
            options.read(true).write(true).create(true).truncate(true);
            // Results are secret until they are revealed.
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            let new = Self::with(&begun, format, options.open(&begun).map_err(file)?)?;
            new.write(|transaction| {
                let format = format.to_le_bytes();
                transaction
                    .open_table(META)?
                    .insert("format", &format[..])?;
                create(transaction)
            })?;
            drop(new);
            std::fs::rename(&begun, path).map_err(file)?;
            if let Some(directory) = path.parent().filter(|_| cfg!(unix)) {
                let synced = File::open(directory).and_then(|directory| directory.sync_all());
                synced.map_err(file)?;
            }
        }
        let opened = File::options().read(true).write(true).open(path);
        let opened = opened.map_err(file)?;
        if opened.metadata().map_err(file)?.len() == 0 {
            // redb would make a new database of it.
            return Err(BookError::Damaged {
                path: path.to_path_buf(),
                reason: "it is empty".to_owned(),
            });
        }
        let opened = Self::with(path, format, opened)?;
        opened.check_format()?;
        Ok(opened)
    }

    fn with(path: &Path, format: u64, file: File) -> Result<Self, BookError> {
        let mut builder = Database::builder();
        builder.set_cache_size(CACHE_BYTES);
        let backend = FileBackend::new(file);
        let database = backend.and_then(|backend| builder.create_with_backend(backend));
        let database = database.map_err(|error| BookError::of(path, error))?;
        let path = path.to_path_buf();
        Ok(Self {
            path,
            database,
            format,
        })
    }

    fn check_format(&self) -> Result<(), BookError> {
        let found = self.read(|reading| {
            let row = reading.open_table(META)?.get("format")?;
            let format = row.and_then(|row| row.value().try_into().ok());
            Ok(format.map(u64::from_le_bytes))
        })?;
        match found {
            Some(found) if found == self.format => Ok(()),
            Some(found) => Err(BookError::Version {
                path: self.path.clone(),
                found,
                known: self.format,
            }),
            None => Err(self.damaged("it states no format")),
        }
    }

    pub(super) fn damaged(&self, reason: impl Into<String>) -> BookError {
        BookError::Damaged {
            path: self.path.clone(),
            reason: reason.into(),
        }
    }

    /// Reads in one transaction.
    pub(super) fn read<T>(
        &self,
        read: impl FnOnce(&ReadTransaction) -> Result<T, Failed>,
    ) -> Result<T, BookError> {
        let done = self.database.begin_read().map_err(Failed::from);
        let done = done.and_then(|reading| read(&reading));
        done.map_err(|failed| BookError::of(&self.path, failed))
    }

    /// Writes all or nothing. Durable on return.
    pub(super) fn write<T>(
        &self,
        write: impl FnOnce(&WriteTransaction) -> Result<T, Failed>,
    ) -> Result<T, BookError> {
        let done = self.database.begin_write().map_err(Failed::from);
        let done = done.and_then(|mut transaction| {
            // A start after a crash then reads as little as any other.
            transaction.set_quick_repair(true);
            let done = write(&transaction)?;
            transaction.commit()?;
            Ok(done)
        });
        done.map_err(|failed| BookError::of(&self.path, failed))
    }

    /// Compares every page with its checksum.
    pub(super) fn check_pages(&mut self) -> Result<(), BookError> {
        let checked = self.database.check_integrity();
        let is_whole = checked.map_err(|error| BookError::of(&self.path, error))?;
        is_whole
            .then_some(())
            .ok_or_else(|| self.damaged("pages were not in order"))
    }
}

//! Preloaded into a program (`LD_PRELOAD`), keeps beside a folder of its files what a power cut would leave of them.
//!
//! `POWERCUT_DISK` names a folder with three others in it: `live`, whose files the program uses; `durable`, what is
//! left of them when the power goes at this moment; `synced`, the contents that `durable` links to, by the file they
//! are of.
//! What is modelled:
//!
//! - A file has the content that it had at its own last `fsync` or `fdatasync`, and all of it: writes since then are
//!   gone. One that was never synced is empty, or not there.
//! - Names, renames and removals are durable when their directory is synced. Syncing a file makes besides, if
//!   `POWERCUT_NAMES` is `ordered`, everything durable that happened to names before, as ext4 and XFS do, otherwise the
//!   name that the file has then, as btrfs does.
//! - A content is replaced as a whole: whoever cuts the power in the middle of a sync finds what was there before. Names
//!   change one after the other, new ones first.
//!
//! `POWERCUT_SLOW`, an extension of files, has each sync of such a file take a second, wherever the file is.
//!
//! Not modelled: folders that are renamed, hard links, `msync`, `sync`, `O_SYNC`. Writes that reach the disk although
//! nobody asked for them are for whoever cuts the power to mix in. Nothing is really synced, so a run costs the disk
//! little.

use std::ffi::{CStr, OsString, c_int};
use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, UNIX_EPOCH};

/// # Safety
///
/// That of `fsync(2)`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fsync(fd: c_int) -> c_int {
    sync(fd, c"fsync")
}

/// # Safety
///
/// That of `fdatasync(2)`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fdatasync(fd: c_int) -> c_int {
    sync(fd, c"fdatasync")
}

fn sync(fd: c_int, name: &CStr) -> c_int {
    static SLOW: OnceLock<Option<OsString>> = OnceLock::new();
    if let Some(slow) = SLOW.get_or_init(|| std::env::var_os("POWERCUT_SLOW"))
        && fs::read_link(format!("/proc/self/fd/{fd}")).is_ok_and(|path| path.extension() == Some(slow))
    {
        thread::sleep(Duration::from_secs(1));
    }
    static DISK: OnceLock<Option<Disk>> = OnceLock::new();
    let disk = DISK.get_or_init(|| {
        let ordered = std::env::var_os("POWERCUT_NAMES").is_some_and(|names| names == "ordered");
        Some(Disk { folder: std::env::var_os("POWERCUT_DISK")?.into(), ordered })
    });
    match disk.as_ref().and_then(|disk| Some((disk, disk.name_of(fd)?))) {
        Some((disk, path)) => match disk.sync(fd, &path) {
            Ok(()) => 0,
            Err(error) => {
                eprintln!("powercut: {}: {error}", path.display());
                std::process::abort();
            }
        },
        // SAFETY: the next definition of this name is that of the C library, of the same type.
        None => unsafe {
            let real: extern "C" fn(c_int) -> c_int = std::mem::transmute(libc::dlsym(libc::RTLD_NEXT, name.as_ptr()));
            real(fd)
        },
    }
}

struct Disk {
    folder: PathBuf,
    ordered: bool,
}

impl Disk {
    /// The name within `live` of an open file, unless it is elsewhere.
    fn name_of(&self, fd: c_int) -> Option<PathBuf> {
        let path = fs::read_link(format!("/proc/self/fd/{fd}")).ok()?;
        path.strip_prefix(self.folder.join("live")).ok().map(Path::to_path_buf)
    }

    fn sync(&self, fd: c_int, name: &Path) -> io::Result<()> {
        let opened = fs::metadata(format!("/proc/self/fd/{fd}"))?;
        let _turn = self.turn()?;
        if opened.is_dir() {
            self.add_names(name, false)?;
            return self.drop_names(name, false);
        }
        self.sync_content(fd, &opened)?;
        if self.ordered {
            self.add_names(Path::new(""), true)?;
            return self.drop_names(Path::new(""), true);
        }
        // A file that was removed meanwhile, or replaced by another one, has no name to keep.
        match fs::metadata(self.folder.join("live").join(name)) {
            Ok(named) if key(&named)? == key(&opened)? => self.link(&key(&opened)?, name),
            _ => Ok(()),
        }
    }

    /// One at a time in all processes, until the file is closed.
    fn turn(&self) -> io::Result<File> {
        let file = OpenOptions::new().create(true).append(true).open(self.folder.join("turn"))?;
        file.lock()?;
        Ok(file)
    }

    fn sync_content(&self, fd: c_int, opened: &Metadata) -> io::Result<()> {
        let fresh = self.folder.join("content");
        io::copy(&mut File::open(format!("/proc/self/fd/{fd}"))?, &mut File::create(&fresh)?)?;
        fs::rename(fresh, self.folder.join("synced").join(key(opened)?))
    }

    /// Adds to the names in a folder those that are there now, one after the other; if deep, in all folders below.
    fn add_names(&self, name: &Path, deep: bool) -> io::Result<()> {
        fs::create_dir_all(self.folder.join("durable").join(name))?;
        // The program goes on meanwhile: what it removes now is skipped.
        for entry in fs::read_dir(self.folder.join("live").join(name)).into_iter().flatten().flatten() {
            let name = name.join(entry.file_name());
            match entry.metadata() {
                Ok(found) if found.is_file() => self.link(&key(&found)?, &name)?,
                Ok(found) if found.is_dir() && deep => self.add_names(&name, deep)?,
                Ok(found) if found.is_dir() => fs::create_dir_all(self.folder.join("durable").join(name))?,
                _ => {}
            }
        }
        Ok(())
    }

    /// Removes the names in a folder that are there no more.
    fn drop_names(&self, name: &Path, deep: bool) -> io::Result<()> {
        for entry in fs::read_dir(self.folder.join("durable").join(name))? {
            let entry = entry?;
            let name = name.join(entry.file_name());
            let (gone, is_dir) = (!self.folder.join("live").join(&name).exists(), entry.file_type()?.is_dir());
            match (gone, is_dir) {
                (true, true) => fs::remove_dir_all(entry.path())?,
                (true, false) => fs::remove_file(entry.path())?,
                (false, true) if deep => self.drop_names(&name, deep)?,
                (false, _) => {}
            }
        }
        Ok(())
    }

    /// Makes a name mean the content that a file was synced with, or an empty one.
    fn link(&self, key: &str, name: &Path) -> io::Result<()> {
        let (content, durable) = (self.folder.join("synced").join(key), self.folder.join("durable").join(name));
        let synced = match fs::metadata(&content) {
            Ok(synced) => synced,
            Err(_) => File::create(&content)?.metadata()?,
        };
        if fs::metadata(&durable).is_ok_and(|there| there.ino() == synced.ino()) {
            return Ok(());
        }
        if let Some(parent) = durable.parent() {
            fs::create_dir_all(parent)?;
        }
        let fresh = self.folder.join("link");
        match fs::remove_file(&fresh) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => fs::hard_link(content, &fresh)?,
        }
        fs::rename(fresh, durable)
    }
}

/// What tells a file from every other one, also from a later one that was given its number.
fn key(file: &Metadata) -> io::Result<String> {
    let born = file.created()?.duration_since(UNIX_EPOCH).map_err(io::Error::other)?;
    Ok(format!("{}-{}", file.ino(), born.as_nanos()))
}

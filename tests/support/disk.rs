//! A disk to be filled.

use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// A disk of a few megabytes, if one can be made here.
pub struct SmallDisk(TempDir);

impl SmallDisk {
    pub fn new() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let made = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=12m", "tmpfs"])
            .arg(folder.path())
            .stderr(Stdio::null())
            .status();
        if made.is_ok_and(|status| status.success()) {
            return Some(Self(folder));
        }
        println!("skipped: a full disk: nothing can be mounted here");
        None
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

//! Systems whose kernels are not asked.

use std::io;
use std::path::Path;

use super::{Event, Mount, Number};
use crate::store::port::Wake;

pub(in crate::store::directory::watch) const fn is_told_of(_folder: &Path) -> bool {
    false
}

pub(in crate::store::directory::watch) const fn mounts() -> Vec<Mount> {
    Vec::new()
}

/// This system has no notifications, so no value of this type exists.
#[derive(Debug)]
pub(in crate::store::directory::watch) enum Kernel {}

impl Kernel {
    pub fn new() -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub fn add(&self, _folder: &Path, _each_write: bool) -> io::Result<Number> {
        match *self {}
    }

    pub fn remove(&self, _folder: Number) {
        match *self {}
    }

    pub fn read(&self, _each: &mut dyn FnMut(Event)) {
        match *self {}
    }

    pub fn wake(&mut self, _wake: Wake) -> io::Result<()> {
        match *self {}
    }
}

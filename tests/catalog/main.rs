//! Reading catalogs: what is good, and every way of getting it wrong.

mod faults;
mod good;
mod never;
mod samples;

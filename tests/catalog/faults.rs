//! Every kind of fault, with its place.
use crate::samples::*;
#[test]
fn x() {
    reading(&edited(&[]));
    let _ = good();
}

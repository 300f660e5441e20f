//! Lines whose stored documents could not be read when the server started.

use std::os::unix::fs::symlink;
use std::path::PathBuf;

use super::*;

/// A server that was restarted, and could not read the segment of its line. It is in `kept` meanwhile.
fn unread() -> (Place, Promoter, Handle, PathBuf) {
    let place = Place::with(&["1.8.4"]);
    let (mut promoter, shared) = place.promoter();
    place.settle(&mut promoter);
    drop(promoter);
    let publication = shared.publication.load_full().unwrap();
    let stored = publication.parts().next().unwrap().stored().unwrap().sha256.to_string();
    let segment = place.path("state/segments").join(stored);
    fs::rename(&segment, place.path("kept")).unwrap();
    // Root, as whom tests may run, may read all that is a file.
    symlink(&segment, &segment).unwrap();
    let (mut promoter, shared) = place.promoter();
    place.settle(&mut promoter);
    assert_eq!(degraded(&shared), [DegradedKind::LineRefused]);
    assert!(detail(&shared).contains("cannot be read, so nothing is answered"), "{}", detail(&shared));
    (place, promoter, shared, segment)
}

#[test]
fn a_segment_that_could_not_be_read_at_the_start_is_read_again() {
    let (place, mut promoter, shared, segment) = unread();
    fs::rename(place.path("kept"), &segment).unwrap();
    place.until(&mut promoter, || degraded(&shared).is_empty());
    assert_eq!(latest(&shared, "1.8-preproduction"), "1.8.4");
}

#[test]
fn a_segment_that_could_not_be_read_and_turns_out_to_be_gone_is_lost() {
    let (place, mut promoter, shared, segment) = unread();
    fs::remove_file(&segment).unwrap();
    place.until(&mut promoter, || detail(&shared).contains("`tidegate recover --anew 1.8"));
}

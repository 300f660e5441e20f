//! Stops while something cannot be read.

use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;

use super::stops::{pause, stop, yank};
use super::*;

/// Puts something there that cannot be read.
type Broken = fn(&Path);

#[test]
fn stops_are_taken_and_served_while_payloads_or_roles_cannot_be_read() {
    let looped: Broken = |path| symlink(path, path).unwrap();
    // Root, as whom tests may run, may read all that is a file.
    let socket: Broken = |path| drop(UnixListener::bind(path).unwrap());
    let cases: [(&str, Broken, DegradedKind); 5] = [
        ("payloads", looped, DegradedKind::LineRefused),
        ("payloads", |path| fs::write(path, "").unwrap(), DegradedKind::LineRefused),
        ("payloads/1.8.3/release.json", looped, DegradedKind::LineRefused),
        ("channels/trust/targets.json", socket, DegradedKind::ReadFailing),
        ("channels/trust/1.root.json", socket, DegradedKind::ReadFailing),
    ];
    for (file, broken, kind) in cases {
        let place = Place::with(&["1.8.3", "1.8.4", "1.8.5"]);
        let (mut promoter, shared) = place.promoter();
        place.settle(&mut promoter);
        fs::rename(place.path(file), place.path("kept")).unwrap();
        broken(&place.path(file));
        folder::yank(&place, "channels/1.8/1.8.5.yaml");
        place.settle(&mut promoter);
        assert_eq!(degraded(&shared), [kind], "{file}: {}", detail(&shared));
        assert_eq!(latest(&shared, "1.8-preproduction"), "1.8.4", "{file}");
        stop(&place, &yank("1.8.4"));
        stop(&place, &pause("1.8-preproduction"));
        place.settle(&mut promoter);
        assert_eq!(channel(&shared, "1.8-preproduction")["paused"]["reason"], "eats data", "{file}");
        assert_eq!(latest(&shared, "1.8-preproduction"), "1.8.3", "{file}");
        fs::remove_file(place.path(file)).unwrap();
        fs::rename(place.path("kept"), place.path(file)).unwrap();
        place.settle(&mut promoter);
        assert_eq!(degraded(&shared), [], "{file}: {}", detail(&shared));
    }
}

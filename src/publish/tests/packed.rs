//! Publications as they are stored.

use super::*;
use crate::publish::pack::PackError;

#[test]
fn a_packed_publication_comes_back_as_it_was() {
    let now = t("2018-01-01");
    let mut world = world(now);
    let first = world.publish(None, now).publication;
    let second = world.publish(Some(&first), now + RENEW_AFTER).publication;
    let packed = Packed::of(&second);
    let back = packed.unpack().unwrap();
    assert_eq!((back.version, back.made, back.expires), (second.version, second.made, second.expires));
    assert_eq!(back.offers(), second.offers());
    assert_eq!(back.channels.identity, second.channels.identity);
    assert_eq!(back.retired.len(), second.retired.len());
    let known = ["1.7.9", "1.7.14", "1.8.4", "1.8.5", "1.8.9", "1.7.10", "2.0.0", "0.1.0"];
    for channel in second.channel_names() {
        assert_eq!(back.channel(channel).unwrap().identity, second.channel(channel).unwrap().identity);
        for version in known {
            let body = |publication: &Publication| {
                publication.update(channel, &v(version), None).unwrap().identity.clone()
            };
            assert_eq!(body(&back), body(&second));
        }
    }
    assert_eq!(paths(&back), paths(&second));
    // It is as good a base for the next publication as the one it was made from.
    assert!(!world.publish(Some(&back), now + RENEW_AFTER + TimeDelta::minutes(1)).signed);

    let unpack = |head: Vec<u8>| Packed { head, ..packed.clone() }.unpack();
    for cut in [0, 10, packed.head.len() / 2, packed.head.len() - 1] {
        assert!(unpack(packed.head[..cut].to_vec()).is_err(), "{cut}");
    }
    let mut flipped = packed.head.clone();
    flipped[packed.head.len() / 2] ^= 1;
    assert!(matches!(unpack(flipped), Err(PackError::Digest)));
}

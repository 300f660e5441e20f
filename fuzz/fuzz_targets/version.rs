//! Texts as versions: what is parsed is displayed as it was, and the order is total.
#![no_main]

use std::cmp::Ordering;

use libfuzzer_sys::fuzz_target;
use tidegate::domain::version::Version;
use tidegate::formats::tuf::names;

fuzz_target!(|text: &str| {
    let versions: Vec<Version> = text
        .split('\n')
        .take(4)
        .filter_map(|text| Version::parse(text).ok().inspect(|v| check(text, v)))
        .collect();
    for a in &versions {
        for b in &versions {
            assert_eq!(a.cmp(b), b.cmp(a).reverse(), "`{a}` and `{b}`");
            assert_eq!(a == b, a.cmp(b) == Ordering::Equal, "`{a}` and `{b}`");
            for c in &versions {
                assert!(a > b || b > c || a <= c, "`{a}` <= `{b}` <= `{c}`");
            }
        }
    }
});

fn check(text: &str, version: &Version) {
    assert_eq!(version.to_string(), text);
    let again = Version::parse(&version.identity()).expect("without its `v` it is a version too");
    assert_eq!(again, *version);
    assert_eq!(again.cmp(version), Ordering::Equal);
    let asked = text.replace('+', " ");
    assert_eq!(Version::parse_query(&asked).as_ref(), Ok(version));
    assert!(!names::release_target(version).contains(['/', '\\', '\0']));
}

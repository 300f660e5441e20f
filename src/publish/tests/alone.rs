//! Lines fail alone.

use super::*;

#[test]
fn a_new_line_that_no_key_signs_for_yet_offers_nothing_and_stops_nobody() {
    let now = t("2018-01-01");
    let mut world = world(now);
    let first = world.publish(None, now).publication;
    world.lines.push(line("1.9", Some("1.8")).with(release("1.9.0", &[])));
    let outcome = world.publish(Some(&first), now + TimeDelta::hours(1));
    assert!(outcome.refused.is_empty());
    let second = outcome.publication;
    assert_eq!(manifest(&second, "1.9-preproduction").latest, None);
    assert_eq!(explained(&second, "1.9.0")["next"]["gates"][0]["state"], "blocks");
    assert_eq!(answer(&second, "1.8-production", "1.8.4"), answer(&first, "1.8-production", "1.8.4"));
}

#[test]
fn a_line_whose_role_expired_takes_no_other_with_it() {
    let now = t("2018-01-01");
    let mut world = world(now);
    let versions = [v("1.7.9"), v("1.7.14")];
    let long_ago = now - TimeDelta::days(364);
    let old = sign_releases(&world.trust, &world.lines[0], &versions, &world.keys.release, long_ago, |_| {});
    let old = old.unwrap();
    world.resign(old.roles);
    world.manifests.extend(old.manifests);
    let first = world.publish(None, now).publication;
    let expired = now + TimeDelta::days(2);
    let second = world.publish(Some(&first), expired).publication;
    assert_eq!(manifest(&second, "1.8-production").issued, expired);
    for publication in [first, second] {
        assert!(publication.expires > expired, "the others are good for longer");
    }
}

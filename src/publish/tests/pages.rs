//! The console's pages are made with each publication.

use super::*;
use crate::domain::degraded::DegradedKind;
use crate::domain::not_promoting::NotPromoting;

fn text(document: &Document) -> &str {
    std::str::from_utf8(&document.identity).unwrap()
}

fn pages(publication: &Publication) -> [&str; 4] {
    let pages = publication.pages.as_ref().unwrap();
    [&pages.board, &pages.calendar, &pages.feed, &pages.trust].map(|page| text(page))
}

/// A line with a release that soaks, one that is held, and texts that are markup.
fn world(now: Time) -> World {
    let held = release("1.8.4", &["2018-01-02"]).held_at("2018-01-03");
    let mut one = line("1.8", None).with(held).with(release("1.8.5", &["2018-01-04"]));
    one.title = Some("<b>Example</b>".to_owned());
    World::new(vec![one.frozen("2018-02-01", "2018-02-08", &[]), line("1.9", Some("1.8"))], now)
}

#[test]
fn the_pages_say_what_is_held_what_comes_and_when_nothing_does() {
    let now = t("2018-01-10");
    let mut world = world(now);
    let published = world.publish(None, now).publication;
    let [board, calendar, feed, trust] = pages(&published);
    assert!(board.contains("Needs somebody (1)") && board.contains("etcd loses quorum"), "{board}");
    assert!(board.contains("Coming (1)") && board.contains("datetime=\"2018-01-18T00:00:00Z\""), "{board}");
    assert!(board.contains("&lt;b&gt;Example&lt;/b&gt;") && !board.contains("<b>Example"), "{board}");
    assert!(!board.contains(crate::console::board::HOLE));
    assert!(calendar.contains("Freezes (1)") && calendar.contains("end of year"), "{calendar}");
    assert!(feed.contains("SUMMARY:1.8.5 enters 1.8-production"), "{feed}");
    assert!(trust.contains(&world.keys.root.public().id().to_string()[..12]), "{trust}");

    let channel = published.page(&"1.8-production".parse().unwrap()).unwrap();
    assert!(text(channel).contains("On the way here (2)"));
}

#[test]
fn the_board_of_the_next_publication_has_what_changed_and_what_stayed() {
    let now = t("2018-01-10");
    let mut world = world(now);
    let first = world.publish(None, now).publication;
    assert_eq!(pages(&world.publish(Some(&first), now).publication), pages(&first));

    world.lines[0].releases.get_mut(&v("1.8.5")).unwrap().hold = Some(Box::new(event(now, "slow <nodes>")));
    let next = world.publish(Some(&first), now).publication;
    let [board, ..] = pages(&next);
    assert!(board.contains("Needs somebody (2)") && board.contains("slow &lt;nodes&gt;"), "{board}");
    let whole = world.publish(None, now).publication;
    assert_eq!(pages(&next)[..3], pages(&whole)[..3]);
}

#[test]
fn while_nothing_can_be_published_the_pages_say_what_is_served() {
    let now = t("2018-01-10");
    let mut world = world(now);
    let first = world.publish(None, now).publication;
    world.lines[0].stages[1].paused = Some(event(now, "datacentre move"));
    let catalog = world.catalog();
    let decided = Decided::of(&catalog, &world.faulty, Some(&first), now);
    let why = NotPromoting::Failing(DegradedKind::SigningFailing);
    let amended = amended(&first, &decided, Some(why), None);
    assert_eq!(pages(&amended), pages(&first));
    assert!(text(&amended.promotions).contains("signing_failing"));
}

#[test]
fn what_is_stored_has_its_pages() {
    let now = t("2018-01-10");
    let published = world(now).publish(None, now).publication;
    let stored = Packed::of(&published).unpack().unwrap();
    assert_eq!(pages(&stored), pages(&published));
    let name = "1.8-production".parse().unwrap();
    assert_eq!(stored.page(&name).unwrap().identity, published.page(&name).unwrap().identity);
}

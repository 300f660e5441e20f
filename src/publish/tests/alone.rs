//! Lines fail alone, also where one of them claims what another one has.

use super::*;

/// A line of another name, with the prefix and channels of its own name.
pub(super) fn renamed(mut line: Line, name: &str) -> Line {
    line.name = LineName::parse(name).unwrap();
    for stage in &mut line.stages {
        stage.channel = ChannelName::of(&line.name, &stage.name).unwrap();
    }
    line
}

#[test]
fn a_line_that_takes_a_kept_lines_channel_or_versions_is_refused_and_the_others_go_on() {
    let now = t("2018-01-01");
    let changes: [Break; 4] = [
        ("a channel", |world| {
            let mut nine = line("1.9", Some("1.8"));
            nine.stages[1].channel = name("1.8-production");
            world.lose("1.8");
            world.lines.push(nine);
        }),
        ("an alias", |world| {
            let mut nine = line("1.9", Some("1.8"));
            nine.stages[1].aliases = vec![name("1.8-production")];
            world.lose("1.8");
            world.lines.push(nine);
        }),
        ("versions", |world| {
            let eight = world.lose("1.8");
            world.faulty.clear();
            world.lines.push(renamed(eight.with(release("1.8.9", &["2018-01-01"])), "1.9"));
        }),
        ("a part of its versions", |world| {
            let mut eight = world.lose("1.8");
            let prefix = crate::domain::line::Prefix::parse("1.8.4").unwrap();
            eight.releases.retain(|version, _| prefix.accepts(version));
            world.lines.push(Line { prefix, ..renamed(eight, "1.9") });
        }),
    ];
    for (what, change) in changes {
        let mut world = world(now);
        let first = world.publish(None, now).publication;
        change(&mut world);
        // The other line goes on meanwhile.
        world.release("1.7.14").yank =
            Some(Box::new(crate::domain::release::Yank { event: event(now, "breaks DNS"), to: None }));
        let outcome = world.publish(Some(&first), now + TimeDelta::hours(1));
        let refused: Vec<&str> = outcome.refused.keys().map(LineName::as_str).collect();
        assert_eq!(refused, ["1.8", "1.9"], "{what}");
        let second = outcome.publication;
        assert_eq!(manifest(&second, "1.8-production").line.as_str(), "1.8", "{what}");
        let asked = |publication| answer(publication, "1.8-production", "1.7.9");
        assert_eq!(asked(&first)["code"], "minor_gate", "{what}");
        assert_eq!(asked(&second)["target"]["version"], "1.8.4", "{what}");
        assert_eq!(manifest(&second, "1.7-production").latest, Some(v("1.7.9")), "{what}");
        assert!(second.channel(&name("1.9-preproduction")).is_none(), "{what}");
    }
}

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
fn a_yank_or_a_pause_reaches_clusters_though_its_line_is_refused() {
    let now = t("2018-01-01");
    let mut world = world(now);
    let line = world.lines.iter_mut().find(|line| line.name.as_str() == "1.8").unwrap();
    *line = line.clone().with(release("1.8.3", &["2017-11-01", "2017-11-15"]));
    let mut world = World::new(world.lines, now);
    let first = world.publish(None, now).publication;
    // The line steps back: what was published in it changed.
    world.release("1.8.5").entries[0].as_mut().unwrap().since -= TimeDelta::hours(1);
    let later = now + TimeDelta::hours(1);
    world.release("1.8.4").yank =
        Some(Box::new(crate::domain::release::Yank { event: event(later, "breaks DNS"), to: None }));
    let outcome = world.publish(Some(&first), later);
    assert_eq!(outcome.refused.len(), 1);
    assert_eq!(manifest(&outcome.publication, "1.8-production").latest, Some(v("1.8.3")));
    assert_eq!(answer(&outcome.publication, "1.8-production", "1.8.4")["code"], "yanked");

    let eight = world.lines.iter_mut().find(|line| line.name.as_str() == "1.8").unwrap();
    eight.stages[1].paused = Some(event(later, "an outage"));
    let paused = world.publish(Some(&outcome.publication), later + TimeDelta::hours(1)).publication;
    assert_eq!(answer(&paused, "1.8-production", "1.8.3")["code"], "paused");
    assert!(manifest(&paused, "1.8-production").paused.is_some());
}

#[test]
fn a_stage_that_is_renamed_under_its_channels_name_is_refused() {
    let now = t("2018-01-01");
    let mut world = world(now);
    let first = world.publish(None, now).publication;
    let eight = world.lines.iter_mut().find(|line| line.name.as_str() == "1.8").unwrap();
    eight.stages[1].name = "prod".parse().unwrap();
    let outcome = world.publish(Some(&first), now + TimeDelta::hours(1));
    assert_eq!(outcome.refused.len(), 1);
    assert_eq!(manifest(&outcome.publication, "1.8-production").stage.as_str(), "production");
    let again = world.publish(Some(&outcome.publication), now + TimeDelta::hours(2));
    assert_eq!(again.refused.len(), 1);
}

#[test]
fn what_is_said_about_a_refused_line_tells_of_its_fault_and_promises_no_promotion() {
    let now = t("2018-01-01");
    let mut world = world(now);
    let first = world.publish(None, now).publication;
    assert_eq!(explained(&first, "1.8.5")["state"], "waiting");
    assert_eq!(answer(&first, "1.8-production", "1.8.4")["coming"]["version"], "1.8.5");
    // The line steps back: what was published in it changed.
    world.release("1.8.5").entries[0].as_mut().unwrap().since -= TimeDelta::hours(1);
    let second = world.publish(Some(&first), now + TimeDelta::days(60)).publication;
    let explained = explained(&second, "1.8.5");
    assert_eq!((&explained["state"], &explained["line_refused"]), (&"blocked".into(), &"steps_back".into()));
    assert_eq!(explained["next"], serde_json::Value::Null);
    assert_eq!(
        explained["message"],
        "`1.8.5` is in `1.8-preproduction` and will not be promoted until a fault of line `1.8` is mended (its soak goes on meanwhile): its files take back what was published"
    );
    assert_eq!(explained["commands"][0]["command"], "tidegate status");
    let answer = answer(&second, "1.8-production", "1.8.4");
    assert_eq!(answer["line_refused"], "steps_back");
    assert_eq!(
        answer["message"],
        "up to date: this is the latest in `1.8-production`; nothing new comes in line `1.8` until the vendor mends a fault in its catalog: its files take back what was published"
    );
}

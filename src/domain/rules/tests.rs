use chrono::TimeDelta;

use super::super::catalog::Catalog;
use super::super::change::{Change, ChangeError};
use super::super::channel::{ChannelName, LineName, StageName};
use super::super::line::Line;
use super::super::policy::{Freeze, Soak};
use super::super::release::{Entry, Release, SCHEDULE};
use super::super::testing::{catalog, event, line, release, t, v};
use super::*;

fn stage(name: &str) -> StageName {
    StageName::parse(name).unwrap()
}

fn name(text: &str) -> LineName {
    LineName::parse(text).unwrap()
}

fn days(n: i64) -> TimeDelta {
    TimeDelta::days(n)
}

/// The line 1.8 with a release that soaked for as long as it must.
fn eighteen() -> Line {
    line("1.8", None).with(release("1.8.4", &["2018-01-01", "2018-01-15"]))
}

/// A line after a change of it.
fn edited(mut line: Line, edit: impl FnOnce(&mut Line)) -> Line {
    edit(&mut line);
    line
}

/// The line 1.8 after a change of its release.
fn with(edit: impl FnOnce(&mut Release)) -> Line {
    edited(eighteen(), |line| edit(line.releases.get_mut(&v("1.8.4")).unwrap()))
}

/// Looks for one broken rule at one place of line 1.8, and for the catalog without that line.
fn check(lines: impl IntoIterator<Item = Line>, at: At, rule: Rule) {
    let (catalog, broken) = Catalog::assemble(lines.into_iter().collect(), &Unusable::new());
    assert_eq!(broken, [Broken { line: name("1.8"), at, rule }]);
    assert_eq!(catalog.line(&name("1.8")), None);
}

fn in_release(version: &str, part: Part) -> At {
    At::Release(v(version), part)
}

fn entry(since: &str, by: &str, reason: Option<&str>) -> Entry {
    Entry::new(t(since), by.to_owned(), reason.map(str::to_owned))
}

#[test]
fn lines_that_keep_the_rules_make_a_catalog() {
    let lines = [line("1.7", None), line("1.8", Some("1.7")), line("1.9", Some("1.8"))];
    assert_eq!(catalog(lines).lines().count(), 3);
}

#[test]
fn the_rules_of_stages_and_soaks() {
    use Urgency::{Normal, Security};
    let (production, pre) = (|| stage("production"), || stage("preproduction"));
    let soak = |normal: (i64, i64), security: (i64, i64), why: [bool; 2]| {
        let [why, security_why] = why.map(|given| given.then(|| "small fleet".to_owned()));
        let soak = |(min, max)| Soak { min: days(min), max: days(max) };
        let policy = super::super::policy::SoakPolicy {
            normal: soak(normal),
            security: soak(security),
            why,
            security_why,
        };
        edited(eighteen(), |line| line.stages[1].soak = Some(policy))
    };
    let limit = |urgency, limit| At::SoakLimit { stage: 1, urgency, limit };
    let unusual = |urgency, limit, bound| Rule::UnusualSoak {
        stage: production(),
        urgency,
        limit: days(limit),
        bound: days(bound),
    };
    check([soak((10, 28), (14, 28), [false; 2])], limit(Normal, Limit::Min), unusual(Normal, 10, 14));
    check([soak((10, 28), (14, 28), [false, true])], limit(Normal, Limit::Min), unusual(Normal, 10, 14));
    check([soak((14, 35), (14, 35), [false; 2])], limit(Normal, Limit::Max), unusual(Normal, 35, 28));
    check([soak((14, 28), (3, 28), [false; 2])], limit(Security, Limit::Min), unusual(Security, 3, 14));
    for allowed in [
        soak((10, 35), (10, 35), [true, false]),
        soak((14, 28), (3, 14), [true, false]),
        soak((14, 28), (3, 14), [false, true]),
    ] {
        catalog([allowed]);
    }
    check(
        [soak((21, 14), (21, 14), [false; 2])],
        limit(Normal, Limit::Min),
        Rule::SoakBackwards {
            stage: production(),
            urgency: Normal,
            soak: Soak { min: days(21), max: days(14) },
            inherited: None,
        },
    );
    for (normal, inherited) in [((35, 28), Limit::Max), ((14, 10), Limit::Min)] {
        let (min, max) = (days(normal.0), days(normal.1));
        check(
            [soak(normal, normal, [false; 2])],
            limit(Normal, Limit::Min),
            Rule::SoakBackwards {
                stage: production(),
                urgency: Normal,
                soak: Soak { min, max },
                inherited: Some(inherited),
            },
        );
    }
    check([soak((14, 4000), (14, 28), [true, true])], limit(Normal, Limit::Max), Rule::Duration(days(4000)));
    let mut first = eighteen();
    first.stages[0].soak = first.stages[1].soak.clone();
    check([first], At::Soak(0), Rule::FirstSoak(pre()));
    check([edited(eighteen(), |line| line.stages[1].soak = None)], At::Stage(1), Rule::NoSoak(production()));
    check([edited(line("1.8", None), |line| line.stages.clear())], At::Stages, Rule::NoStages);
    check(
        [edited(line("1.8", None), |line| line.stages[1].name = pre())],
        At::Stage(1),
        Rule::StageTwice { stage: pre(), first: 0 },
    );
}

#[test]
fn the_other_rules_of_a_line() {
    let freeze = |from, until| Freeze {
        from: t(from),
        until: t(until),
        reason: "end of year".to_owned(),
        except: Vec::new(),
    };
    check(
        [edited(eighteen(), |line| line.freezes.push(freeze("2018-12-24", "2018-12-24")))],
        At::Freeze(0),
        Rule::FreezeBackwards,
    );
    let long = |length| "x".repeat(length);
    for (reason, rule) in [
        (" ".to_owned(), Rule::EmptyText),
        (long(1001), Rule::LongText { length: 1001, most: 1000 }),
        ("a\nb".to_owned(), Rule::SeveralLines),
        ("\u{202e}a".to_owned(), Rule::ControlCharacter),
        ("\u{61c}a".to_owned(), Rule::ControlCharacter),
    ] {
        let paused = edited(eighteen(), |line| line.stages[1].paused = Some(event(t("2018-01-01"), &reason)));
        check([paused], At::Pause(stage("production")), rule.clone());
        let retired = edited(eighteen(), |line| line.retired = Some(event(t("2018-01-01"), &reason)));
        check([retired], At::Text("retired"), rule);
    }
    check(
        [edited(eighteen(), |line| line.title = Some(long(201)))],
        At::Text("title"),
        Rule::LongText { length: 201, most: 200 },
    );
}

#[test]
fn the_rules_of_what_a_release_is() {
    check(
        [line("1.8", None).with(release("1.9.4", &[]))],
        in_release("1.9.4", Part::Version),
        Rule::ForeignVersion { line: name("1.8"), version: v("1.9.4"), prefix: eighteen().prefix },
    );
    let at = |part| in_release("1.8.4", part);
    check([with(|one| one.payloads = [].into())], at(Part::Payloads), Rule::NoPayload);
    check(
        [with(|one| one.payloads = [one.payloads[0].clone(), one.payloads[0].clone()].into())],
        at(Part::Payload(1)),
        Rule::PayloadTwice { file: "payload.json".to_owned(), first: 0 },
    );
    for (file, size, arch, rule) in [
        ("../x", 1, None, Rule::NotAFileName("../x".to_owned())),
        ("x", 0, None, Rule::Size(0)),
        ("x", 1 << 53, None, Rule::Size(1 << 53)),
        ("x", 1, Some("ARM 64"), Rule::NotAnArch("ARM 64".to_owned())),
    ] {
        let edit = |one: &mut Release| {
            let payload = &mut std::sync::Arc::make_mut(&mut one.payloads)[0];
            (payload.file, payload.size, payload.arch) = (file.to_owned(), size, arch.map(str::to_owned));
        };
        check([with(edit)], at(Part::Payload(0)), rule);
    }
    let link = "javascript:alert(1)";
    check(
        [with(|one| one.links = [("notes".to_owned(), link.to_owned())].into())],
        at(Part::Text("links")),
        Rule::NotALink(link.to_owned()),
    );
    for (link, is_refused) in [
        ("https://u:pw@h", true),
        ("http://u@h/x", true),
        ("https://h/@a?b@c", false),
        ("https://h?u@h", false),
    ] {
        assert_eq!(super::text::link(link), is_refused.then_some(Rule::LinkWithUser), "{link}");
    }
    for bad in ["release notes", "\"notes\"", "a\\b", "wow!", "größe"] {
        let labels = |text: &str| [(bad.to_owned(), text.to_owned())].into();
        let rule = || Rule::NotALabel(bad.to_owned());
        check([with(|one| one.components = labels("3.1"))], at(Part::Text("components")), rule());
        check([with(|one| one.links = labels("https://example.com/"))], at(Part::Text("links")), rule());
    }
    let empty = || " ".to_owned();
    check([with(|one| one.summary = Some(empty()))], at(Part::Text("summary")), Rule::EmptyText);
    check(
        [with(|one| one.components = [("etcd".to_owned(), empty())].into())],
        at(Part::Text("components")),
        Rule::EmptyText,
    );
    check(
        [with(|one| one.hold = Some(Box::new(event(t("2019-01-01"), " "))))],
        at(Part::Text("hold")),
        Rule::EmptyText,
    );
}

#[test]
fn the_rules_of_releases_that_name_each_other() {
    let at = |part| in_release("1.8.4", part);
    let replaces = |version: &str| with(|one| one.replaces = Some(v(version)));
    let no_such = |reference| Rule::NoSuchRelease { line: name("1.8"), reference, version: v("1.8.3") };
    check([replaces("1.8.4")], at(Part::Replaces), Rule::NamesItself(Reference::Replaces));
    check([replaces("1.8.3")], at(Part::Replaces), no_such(Reference::Replaces));
    let yanked = |to| eighteen().with(release("1.8.4", &["2018-01-01"]).yanked_at("2018-01-05", to));
    check([yanked(Some("v1.8.4"))], at(Part::YankTo), Rule::NamesItself(Reference::YankTo));
    check([yanked(Some("1.8.3"))], at(Part::YankTo), no_such(Reference::YankTo));
    // A release that is there and cannot be read may be named.
    let unusable = Unusable::from([(name("1.8"), [v("1.8.3")].into())]);
    assert_eq!(Catalog::assemble(vec![replaces("1.8.3")], &unusable).1, []);

    let yank = |version: &str, to| release(version, &[]).yanked_at("2018-01-05", to);
    let circle = eighteen().with(yank("1.8.5", Some("1.8.6"))).with(yank("1.8.6", Some("1.8.5")));
    let (_, broken) = Catalog::assemble(vec![circle], &Unusable::new());
    let found: Vec<_> = broken.into_iter().map(|broken| (broken.at, broken.rule)).collect();
    let in_circle = |version, to| {
        let rule = Rule::YankedInCircle { version: v(version), to: v(to) };
        (in_release(version, Part::YankTo), rule)
    };
    assert_eq!(found, [in_circle("1.8.5", "1.8.6"), in_circle("1.8.6", "1.8.5")]);

    let barrier = || v("1.8.5");
    check(
        [eighteen().with(yank("1.8.5", None).barrier())],
        in_release("1.8.5", Part::Yank),
        Rule::NoReplacement { version: barrier(), barrier: barrier() },
    );
    check(
        [eighteen().with(yank("1.8.5", Some("1.8.4")).barrier())],
        in_release("1.8.5", Part::YankTo),
        Rule::LowerReplacement { version: barrier(), barrier: barrier(), to: v("1.8.4") },
    );
    let by_way = |to| eighteen().with(yank("1.8.5", Some("1.8.6")).barrier()).with(yank("1.8.6", to));
    check(
        [by_way(None)],
        in_release("1.8.6", Part::Yank),
        Rule::NoReplacement { version: v("1.8.6"), barrier: barrier() },
    );
    check(
        [by_way(Some("1.8.4"))],
        in_release("1.8.6", Part::YankTo),
        Rule::LowerReplacement { version: v("1.8.6"), barrier: barrier(), to: v("1.8.4") },
    );
}

#[test]
fn the_rules_of_entries() {
    let (production, pre) = (|| stage("production"), || stage("preproduction"));
    let since = || in_release("1.8.4", Part::Since(production()));
    let early = |spent, scheduled| Rule::Early {
        stage: production(),
        before: pre(),
        spent: days(spent),
        min: days(14),
        scheduled,
    };
    let entered = |second: Entry| with(|one| one.entries[1] = Some(second));
    for scheduled in [
        entry("2018-01-14", SCHEDULE, None),
        entry("2018-01-14", SCHEDULE, Some("soaked 14d")),
        entry("2018-01-14", SCHEDULE, Some("it was urgent")),
    ] {
        check([entered(scheduled)], since(), early(13, true));
    }
    check([entered(entry("2018-01-14", "ada", None))], since(), early(13, false));
    for allowed in
        [entry("2018-01-14", "ada", Some("closes a hole")), entry("2018-01-11", SCHEDULE, Some("soaked 10d"))]
    {
        catalog([entered(allowed)]);
    }
    check(
        [entered(entry("2017-12-31", "ada", Some("a slip")))],
        since(),
        Rule::EnteredBackwards { stage: production(), before: pre(), since: t("2018-01-01") },
    );
    check(
        [with(|one| one.entries[0] = None)],
        in_release("1.8.4", Part::Entry(production())),
        Rule::StageLeftOut { stage: production(), before: pre() },
    );
    let held = |at: &str| with(|one| one.hold = Some(Box::new(event(t(at), "slow"))));
    check(
        [held("2018-01-14")],
        since(),
        Rule::ScheduledWhileHeld { stage: production(), since: t("2018-01-14") },
    );
    catalog([held("2018-01-15")]);
    let by_hand = entry("2018-01-15", "ada", Some("the hold was a mistake"));
    catalog([edited(held("2018-01-14"), |line| {
        line.releases.get_mut(&v("1.8.4")).unwrap().entries[1] = Some(by_hand);
    })]);
}

/// Looks for broken rules between lines, each with its line, its place and itself.
fn check_between(lines: impl IntoIterator<Item = Line>, expected: &[(&str, At, Rule)]) {
    let (catalog, broken) = Catalog::assemble(lines.into_iter().collect(), &Unusable::new());
    let found: Vec<_> =
        broken.iter().map(|one| (one.line.as_str(), one.at.clone(), one.rule.clone())).collect();
    assert_eq!(found, expected);
    assert!(expected.iter().all(|(line, ..)| catalog.line(&name(line)).is_none()));
}

#[test]
fn the_rules_between_lines_are_broken_on_both_sides() {
    check_between([line("1.8", Some("1.7"))], &[("1.8", At::Follows, Rule::NoSuchLine(name("1.7")))]);
    let unusable = Unusable::from([(name("1.7"), BTreeSet::new())]);
    assert_eq!(Catalog::assemble(vec![line("1.8", Some("1.7"))], &unusable).1, []);
    let circle = |line, follows| {
        let rule = Rule::FollowsInCircle { line: name(line), follows: name(follows) };
        (line, At::Follows, rule)
    };
    check_between(
        [line("1.7", Some("1.8")), line("1.8", Some("1.7")), line("1.9", Some("1.8"))],
        &[circle("1.7", "1.8"), circle("1.8", "1.7")],
    );
    check_between([line("1.8", Some("1.8"))], &[circle("1.8", "1.8")]);
    let within = |line| (line, At::Name, Rule::NameWithin { outer: name("1.8"), inner: name("1.8.9") });
    check_between([line("1.8", None), line("1.8.9", None)], &[within("1.8"), within("1.8.9")]);
    let named = |text: &str, prefix| {
        edited(line("1.20", None), |line| (line.name, line.prefix) = (name(text), prefix))
    };
    let shared =
        |line, other| (line, At::Prefix, Rule::SharedVersions { line: name(line), other: name(other) });
    for prefix in ["1.8", "1.8.2"] {
        check_between(
            [line("1.8", None), named("old", Prefix::parse(prefix).unwrap())],
            &[shared("old", "1.8"), shared("1.8", "old")],
        );
    }
    let channel = |text: &str| ChannelName::parse(text).unwrap();
    let (own, alias) = (At::Channel { stage: 1, alias: None }, At::Channel { stage: 0, alias: Some(0) });
    let mut other = line("1.9", None);
    other.stages[0].aliases.push(channel("1.8-production"));
    let twice = |other: &str, at: &At| Rule::ChannelTwice {
        channel: channel("1.8-production"),
        other: name(other),
        at: Box::new(at.clone()),
    };
    check_between(
        [line("1.8", None), other],
        &[("1.8", own.clone(), twice("1.9", &alias)), ("1.9", alias.clone(), twice("1.8", &own))],
    );
}

#[test]
fn a_line_that_breaks_a_rule_leaves_the_others_in() {
    let lines = vec![line("1.7", None), line("1.8", Some("1.6")), line("1.9", Some("1.8"))];
    let (catalog, _) = Catalog::assemble(lines, &Unusable::new());
    assert_eq!(catalog.lines().map(|line| line.name.as_str()).collect::<Vec<_>>(), ["1.7", "1.9"]);
}

#[test]
fn what_was_published_never_goes_in_circles() {
    let lines = [line("1.9", Some("1.8")), line("1.8", Some("1.7")), line("1.7", Some("1.9"))];
    let catalog = Catalog::published(lines);
    let follows: Vec<_> =
        catalog.lines().map(|line| line.follows.as_ref().map(|one| one.line.as_str())).collect();
    assert_eq!(follows, [None, Some("1.7"), Some("1.8")], "the last one closes the circle");
}

#[test]
fn a_change_that_breaks_a_rule_is_refused() {
    let before = || catalog([eighteen().with(release("1.8.5", &["2018-02-01"]).barrier())]);
    let yank = |to: Option<&str>| Change::Yank {
        version: v("1.8.5"),
        yank: super::super::release::Yank { event: event(t("2018-02-02"), "slow"), to: to.map(v) },
    };
    let enter = |since, by| Change::Enter {
        version: v("1.8.5"),
        stage: stage("production"),
        entry: entry(since, by, None),
    };
    let pause = |reason: &str| Change::Pause {
        line: name("1.8"),
        stage: stage("production"),
        pause: event(t("2018-02-02"), reason),
    };
    let add = |version| Change::Add { line: name("1.8"), release: Box::new(release(version, &[])) };
    for (change, rule) in [
        (yank(None), "NoReplacement"),
        (yank(Some("1.8.4")), "LowerReplacement"),
        (yank(Some("1.8.9")), "NoSuchRelease"),
        (enter("2018-02-10", SCHEDULE), "Early"),
        (enter("2018-01-10", "ada"), "EnteredBackwards"),
        (pause(" "), "EmptyText"),
        (add("1.9.0"), "ForeignVersion"),
    ] {
        let Err(ChangeError::Broken { line, broken }) = change.apply(before()) else {
            panic!("{change:?} is refused")
        };
        assert_eq!((line, broken.len()), (name("1.8"), 1));
        assert!(format!("{:?}", broken[0].rule).starts_with(rule), "{broken:?}");
    }
    for change in [enter("2018-02-15", SCHEDULE), pause("an outage"), add("1.8.6")] {
        assert!(change.apply(before()).is_ok(), "{change:?}");
    }
}

#[test]
fn a_circle_is_its_members_and_not_those_who_lead_into_it() {
    let next = HashMap::from([(1, 2), (2, 3), (3, 2), (4, 4), (5, 6)]);
    assert_eq!(circles(&next), HashSet::from([2, 3, 4]));
}

#[test]
fn circles_are_found_behind_a_long_chain_and_each_item_is_visited_once() {
    // Walking the chain anew from each of its items would take minutes.
    let mut next: HashMap<u32, u32> = (0..100_000).map(|item| (item, item + 1)).collect();
    assert!(circles(&next).is_empty());
    next.insert(100_000, 99_998);
    next.insert(200_000, 200_000);
    let expected = [99_998, 99_999, 100_000, 200_000].into();
    assert_eq!(circles(&next), expected);
}

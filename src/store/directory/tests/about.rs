//! What a catalog that is read for one topic has in common with the whole one.

use super::*;
use crate::domain::catalog::ChannelRef;
use crate::domain::channel::ChannelName;
use crate::domain::line::Line;
use crate::domain::topic::Topic;

impl Fixture {
    fn about(&self, topic: &Topic) -> Arc<dyn CatalogStore> {
        Arc::new(self.open()).about(topic)
    }
}

fn of(release: &str) -> Topic {
    Topic::Release(version(release))
}

fn pause(line: &str) -> Change {
    let (line, stage) = (line.parse().unwrap(), "production".parse().unwrap());
    let pause = Event::new("2018-01-10T00:00:00Z".parse().unwrap(), "ann".to_owned(), "slow".to_owned());
    Change::Pause { line, stage, pause }
}

#[test]
fn only_the_releases_of_the_lines_that_a_topic_can_be_in_are_read() {
    let fixture = Fixture::new();
    fixture.write("1.8/line.yaml", "format: 1\nline: \"1.8\"\nfollows: { line: \"1.7\", grace: 7d }\n");
    for line in ["1.7", "1.8"] {
        for patch in [1, 2] {
            let folder = fixture.folder.path().join(format!("payloads/{line}.{patch}"));
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("release.json"), "{}").unwrap();
        }
        fs::create_dir_all(fixture.catalog().join("trust")).unwrap();
        fixture.write(&format!("trust/releases-{line}.json"), "{}");
    }
    fixture.write("trust/targets.json", "{}");
    let files = |topic: &Topic| -> Vec<String> {
        let directory = Directory { topic: Some(topic.clone()), ..fixture.open() };
        let listing = directory.list(&mut directory.cache(), later()).unwrap();
        listing.files.keys().map(ToString::to_string).collect()
    };
    let own = |lines: &[&str]| {
        let mut expected: Vec<String> =
            ["1.7/line.yaml", "1.8/line.yaml", "trust/targets.json"].map(str::to_owned).into();
        for line in lines {
            expected.push(format!("trust/releases-{line}.json"));
            for patch in [1, 2] {
                expected.push(format!("{line}/{line}.{patch}.yaml"));
                expected.push(format!("payloads:/{line}.{patch}/release.json"));
            }
        }
        expected.sort();
        expected
    };
    let channel = Topic::Channel("1.8-production".parse().unwrap());
    for (topic, lines) in [
        (of("1.7.1"), &["1.7"][..]),
        (of("1.8.2"), &["1.8"]),
        (Topic::ReleaseAndEntry(version("1.8.2")), &["1.7", "1.8"]),
        (Topic::ReleaseAndEntry(version("1.7.2")), &["1.7"]),
        (channel, &["1.8"]),
        (Topic::Line("1.8".parse().unwrap()), &["1.8"]),
        (of("2.0.0"), &[]),
    ] {
        assert_eq!(files(&topic), own(lines), "{topic:?}");
    }
}

#[test]
fn a_change_elsewhere_does_not_refuse_a_commit_and_one_in_the_same_line_does() {
    for (path, is_refused) in
        [("1.7/1.7.1.yaml", false), ("1.8/1.8.2.yaml", true), ("1.7/line.yaml", true), ("policy.yaml", true)]
    {
        let fixture = Fixture::new();
        fixture.write("policy.yaml", "format: 1\n");
        let store = fixture.about(&of("1.8.1"));
        let base = store.read(later()).unwrap().revision;
        let before = fixture.text(path);
        fixture.write(path, &format!("{before}# somebody was here\n"));
        match store.commit(&base, &[hold("1.8.1")], later()) {
            Ok(revision) => {
                assert!(!is_refused, "{path}");
                assert_eq!(store.read(later()).unwrap().revision, revision);
            }
            Err(error) => assert!(is_refused && error.is_lost(), "{path}: {error}"),
        }
        assert_eq!(fixture.text("1.8/1.8.1.yaml").contains("hold:"), !is_refused, "{path}");
    }
}

#[test]
fn a_stop_is_committed_whatever_the_releases_of_other_lines_are() {
    for wreck in [
        |fixture: &Fixture| fixture.write("1.7/1.7.1.yaml", "version: [\n"),
        |fixture: &Fixture| fs::remove_file(fixture.catalog().join("1.7/1.7.1.yaml")).unwrap(),
        |fixture: &Fixture| fixture.write("1.7/1.8.1.yaml", &RELEASE.replace("VERSION", "1.8.1")),
        |fixture: &Fixture| {
            let link = fixture.catalog().join("1.7/1.7.3.yaml");
            symlink("nowhere", link).unwrap();
        },
    ] {
        let fixture = Fixture::new();
        wreck(&fixture);
        for (topic, change) in
            [(of("1.8.1"), hold("1.8.1")), (Topic::Channel("1.8-production".parse().unwrap()), pause("1.8"))]
        {
            let store = fixture.about(&topic);
            let snapshot = store.read(later()).unwrap();
            assert_eq!(snapshot.reading.faults, []);
            store.commit(&snapshot.revision, &[change], later()).unwrap();
        }
        assert!(fixture.text("1.8/1.8.1.yaml").contains("hold:"));
        assert!(fixture.text("1.8/line.yaml").contains("paused:"));
    }
}

type Wreck = Box<dyn Fn(&Fixture)>;

/// Catalogs in which it is not obvious where a release or a channel belongs.
fn puzzles() -> Vec<Fixture> {
    let release = |fixture: &Fixture, path: &str, version: &str| {
        fixture.write(path, &RELEASE.replace("VERSION", version));
    };
    let line = |fixture: &Fixture, name: &str, more: &str| {
        fs::create_dir_all(fixture.catalog().join(name)).unwrap();
        fixture.write(&format!("{name}/line.yaml"), &format!("format: 1\nline: \"{name}\"\n{more}"));
    };
    let copied = |fixture: &Fixture, to: &str| {
        fs::create_dir_all(fixture.catalog().join(to)).unwrap();
        for file in ["line.yaml", "1.8.1.yaml", "1.8.2.yaml"] {
            let (from, to) = (format!("1.8/{file}"), format!("{to}/{file}"));
            fs::copy(fixture.catalog().join(from), fixture.catalog().join(to)).unwrap();
        }
    };
    let alias = |of: &str| {
        format!(
            "stages:\n  - name: preproduction\n  - name: production\n    channel: {of}\n    aliases: [newest]\n    soak: {{ min: 14d, max: 28d }}\n"
        )
    };
    let all: Vec<Wreck> = vec![
        Box::new(|_| {}),
        Box::new(|fixture| fixture.write("policy.yaml", "format: [\n")),
        Box::new(|fixture| fixture.write("policy.yml", "format: 1\n")),
        Box::new(|fixture| fixture.write("1.8/1.8.1.yaml", "version: [\n")),
        Box::new(|fixture| fixture.write("1.8/line.yaml", "line: [\n")),
        Box::new(|fixture| fs::remove_file(fixture.catalog().join("1.8/line.yaml")).unwrap()),
        Box::new(|fixture| fixture.write("1.7/1.7.1.yaml", "version: [\n")),
        Box::new(|fixture| fixture.write("1.7/line.yaml", "line: [\n")),
        // Copies of a line, whose releases are in two folders.
        Box::new(move |fixture| copied(fixture, "1.8-before")),
        Box::new(move |fixture| copied(fixture, "old")),
        Box::new(move |fixture| {
            copied(fixture, "old");
            fs::remove_file(fixture.catalog().join("1.8/1.8.1.yaml")).unwrap();
        }),
        Box::new(move |fixture| {
            copied(fixture, "old");
            fixture.write("1.8/line.yaml", "line: [\n");
        }),
        // A line whose name does not tell its versions, alone and beside one that has the same.
        Box::new(move |fixture| {
            line(fixture, "beta", "versions: \"1.9\"\n");
            release(fixture, "beta/1.9.1.yaml", "1.9.1");
        }),
        Box::new(move |fixture| {
            line(fixture, "beta", "versions: \"1.8\"\n");
            release(fixture, "beta/1.8.1.yaml", "1.8.1");
        }),
        Box::new(move |fixture| {
            line(fixture, "beta", "versions: \"1.9\"\n");
            release(fixture, "beta/1.9.1.yaml", "1.9.1");
            fixture.write("beta/1.9.2.yaml", "version: [\n");
        }),
        Box::new(move |fixture| {
            line(fixture, "1.8.1", "");
            release(fixture, "1.8.1/1.8.1.yaml", "1.8.1");
        }),
        // Files and releases with other names than they should have.
        Box::new(move |fixture| release(fixture, "1.8/1.8.7.yaml", "1.8.6")),
        Box::new(move |fixture| release(fixture, "1.8/next.yaml", "1.8.7")),
        Box::new(move |fixture| release(fixture, "1.7/1.8.2.yaml", "1.8.2")),
        Box::new(move |fixture| release(fixture, "1.8/v1.8.3.yaml", "v1.8.3")),
        // Channels with names of their own, and names that two lines claim.
        Box::new(move |fixture| line(fixture, "1.8", &alias("eight"))),
        Box::new(move |fixture| {
            line(fixture, "1.8", &alias("eight"));
            line(fixture, "1.7", &alias("seven"));
        }),
        Box::new(move |fixture| line(fixture, "1.8", &alias("1.7-production"))),
        Box::new(move |fixture| {
            line(fixture, "1.8", &alias("eight"));
            fixture.write("1.8/1.8.1.yaml", "version: [\n");
        }),
        Box::new(move |fixture| {
            line(fixture, "1.8", &format!("{}paused: {{ nothing: {{}} }}\n", alias("eight")));
            fixture.write("1.7/1.7.1.yaml", "stages: { candidate: { since: 2018-01-01T00:00:00Z } }\n");
        }),
        Box::new(move |fixture| line(fixture, "1.8", "follows: { line: \"1.6\", grace: 7d }\n")),
        Box::new(move |fixture| {
            line(fixture, "1.8", "follows: { line: \"1.7\", grace: 7d }\n");
            line(fixture, "1.7", "follows: { line: \"1.8\", grace: 7d }\n");
        }),
    ];
    let made = all.into_iter().map(|wreck| {
        let fixture = Fixture::new();
        wreck(&fixture);
        fixture
    });
    made.collect()
}

#[test]
fn what_is_read_about_a_topic_is_what_the_whole_catalog_has_of_it() {
    let releases = ["1.7.1", "1.8.1", "1.8.2", "1.8.3", "1.8.6", "1.8.7", "1.9.1", "1.9.2", "2.0.0"];
    let channels = [
        "1.7-production",
        "1.8-production",
        "1.8-preproduction",
        "1.7-candidate",
        "beta-production",
        "old-production",
        "eight",
        "seven",
        "newest",
        "oldest",
    ];
    let mut found = 0;
    for (puzzle, fixture) in puzzles().iter().enumerate() {
        let whole = fixture.open().read(later()).unwrap().reading;
        for release in releases.map(version) {
            for topic in [Topic::Release(release.clone()), Topic::ReleaseAndEntry(release.clone())] {
                let part = fixture.about(&topic).read(later()).unwrap().reading;
                if topic.is_in(&part.catalog) {
                    found += 1;
                    let [of_part, of_whole] =
                        [&part, &whole].map(|reading| reading.catalog.stoppable_release(&release).unwrap());
                    assert_eq!(of_part, of_whole, "{puzzle} {topic:?}");
                    assert_same_line(&part, &whole, &of_whole.0.name, puzzle);
                    let follows = of_whole.0.follows.as_ref().map(|follows| &follows.line);
                    if matches!(topic, Topic::ReleaseAndEntry(_))
                        && let Some(follows) = follows
                    {
                        assert_same_line(&part, &whole, follows, puzzle);
                    }
                }
            }
        }
        for channel in channels.map(|name| name.parse::<ChannelName>().unwrap()) {
            let topic = Topic::Channel(channel.clone());
            let part = fixture.about(&topic).read(later()).unwrap().reading;
            let lines = |reading: &Reading| -> Vec<(Line, usize)> {
                let channels = reading.catalog.stoppable_channels(&channel);
                channels.into_iter().map(|ChannelRef { line, index }| (line.clone(), index)).collect()
            };
            assert_eq!(lines(&part), lines(&whole), "{puzzle} {channel}");
            for (line, _) in lines(&whole) {
                found += 1;
                assert!(topic.is_in(&part.catalog));
                assert_same_line(&part, &whole, &line.name, puzzle);
            }
        }
    }
    assert!(found > 200, "{found}");
}

fn assert_same_line(part: &Reading, whole: &Reading, line: &LineName, puzzle: usize) {
    assert_eq!(part.catalog.line(line), whole.catalog.line(line), "{puzzle} {line}");
    assert_eq!(part.catalog.salvaged(line), whole.catalog.salvaged(line), "{puzzle} {line}");
    let faults = |reading: &Reading| reading.faulty.get(line.as_str()).cloned();
    assert_eq!(faults(part), faults(whole), "{puzzle} {line}");
}

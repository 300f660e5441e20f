//! What clusters are told that name their architecture.

use super::*;
use crate::domain::payload::Payload;
use crate::domain::release::Release;

const ENTERED: &[&str] = &["2018-01-01", "2018-01-15"];

/// A release in both stages that is built for these architectures alone.
fn built(version: &str, arches: &[&str]) -> Release {
    let mut release = release(version, ENTERED);
    let payload = release.payloads[0].clone();
    let built = arches.iter().map(|arch| Payload {
        file: format!("{arch}.json"),
        arch: Some((*arch).to_owned()),
        ..payload.clone()
    });
    release.payloads = built.collect();
    release
}

/// Asks as a cluster of `arch`, of a server and with signed documents, which must say the same.
fn asked(catalog: &Catalog, channel: &str, current: &str, arch: &str) -> String {
    let now = t("2018-03-01");
    let decisions = decide(catalog, now);
    let channel = catalog.channel(&channel.parse().unwrap()).unwrap();
    let views = [Views::new(catalog, &decisions, now), Views::signed(catalog, now)];
    let [server, signed] = views.map(|views| said(&views.for_arch(arch).answer(channel, &v(current))));
    assert_eq!(server, signed);
    server
}

fn table(catalog: &Catalog, rows: &[(&str, &str, &str, &str)]) {
    for (channel, current, arch, expected) in rows {
        assert_eq!(asked(catalog, channel, current, arch), *expected, "{current} on {arch} asking {channel}");
    }
}

const ALL: &[&str] = &["amd64", "arm64"];

#[test]
fn a_cluster_is_led_to_the_highest_release_that_has_its_payload() {
    let catalog = catalog([line("1.0", None)
        .with(built("1.0.0", ALL))
        .with(built("1.0.1", ALL))
        .with(built("1.0.2", &["amd64"]))
        .with(release("1.0.3", &["2018-02-25"]))]);
    table(
        &catalog,
        &[
            ("1.0-production", "1.0.0", "amd64", "update latest: 1.0.2"),
            ("1.0-production", "1.0.0", "arm64", "update latest: 1.0.1"),
            // What has a payload for every machine has one for this.
            ("1.0-preproduction", "1.0.0", "arm64", "update latest: 1.0.3"),
            ("1.0-preproduction", "1.0.0", "s390x", "update latest: 1.0.3"),
        ],
    );
    let channel = catalog.channel(&"1.0-production".parse().unwrap()).unwrap();
    let views = Views::signed(&catalog, t("2018-03-01")).for_arch("arm64");
    let Advice::None { code: NoneCode::UpToDate, newer } = views.answer(channel, &v("1.0.1")).advice else {
        panic!("there is nothing above for this architecture")
    };
    assert_eq!(newer.unfit.map(|unfit| unfit.release.version.clone()), Some(v("1.0.2")));
}

#[test]
fn the_way_ends_at_a_barrier_without_the_payload() {
    let catalog = catalog([line("1.0", None)
        .with(built("1.0.0", ALL))
        .with(built("1.0.1", ALL))
        .with(built("1.0.2", &["amd64"]).barrier())
        .with(built("1.0.3", ALL))]);
    table(
        &catalog,
        &[
            ("1.0-production", "1.0.0", "arm64", "update barrier: 1.0.1"),
            ("1.0-production", "1.0.1", "arm64", "blocked no_payload: 1.0.2 for arm64"),
            ("1.0-production", "1.0.1", "amd64", "update barrier: 1.0.2"),
            ("1.0-production", "1.0.2", "arm64", "update latest: 1.0.3"),
        ],
    );
}

#[test]
fn a_line_is_entered_from_the_highest_release_that_has_the_payload() {
    let catalog = catalog([
        line("1.0", None)
            .with(built("1.0.0", ALL))
            .with(built("1.0.1", ALL))
            .with(built("1.0.2", &["amd64"])),
        line("1.1", Some("1.0")).with(built("1.1.0", ALL)).with(built("1.1.1", &["amd64"])),
        line("1.2", Some("1.1")).with(built("1.2.0", &["amd64"])),
    ]);
    let gate = |version: &str| {
        format!("blocked minor_gate: {version} 1.0-production, next {version} 1.0-production")
    };
    table(
        &catalog,
        &[
            ("1.1-production", "1.0.1", "arm64", "update next_line: 1.1.0"),
            ("1.1-production", "1.0.2", "amd64", "update next_line: 1.1.1"),
            ("1.1-production", "1.0.0", "arm64", &gate("1.0.1")),
            ("1.1-production", "1.0.1", "amd64", &gate("1.0.2")),
            ("1.2-production", "1.1.0", "arm64", "blocked no_payload: 1.2.0 for arm64"),
        ],
    );
}

#[test]
fn a_yanked_release_without_a_way_up_for_its_architecture_is_blocked() {
    let catalog = catalog([line("1.0", None)
        .with(built("1.0.1", ALL).yanked_at("2018-02-01", None))
        .with(built("1.0.2", &["amd64"]))]);
    table(
        &catalog,
        &[
            ("1.0-production", "1.0.1", "arm64", "blocked no_payload: 1.0.2 for arm64"),
            ("1.0-production", "1.0.1", "amd64", "update yanked: 1.0.2"),
            // A version that is not in the catalog may be below what this architecture cannot have.
            ("1.0-production", "1.0.0", "arm64", "blocked no_payload: 1.0.2 for arm64"),
        ],
    );
}

/// A release in the first stage alone.
fn soaking(mut release: Release) -> Release {
    release.entries[1] = None;
    release
}

#[test]
fn a_name_that_no_release_has_does_not_open_the_gate_further_down() {
    let catalog = catalog([
        line("1.7", None)
            .with(release("1.7.3", ENTERED))
            .with(built("1.7.9", ALL))
            .with(built("1.7.15", ALL)),
        line("1.8", Some("1.7")).with(release("1.8.1", ENTERED)),
    ]);
    let gate = |next: &str| format!("blocked minor_gate: 1.7.15 1.7-production, next {next} 1.7-production");
    table(
        &catalog,
        &[
            ("1.8-production", "1.7.9", "amd64", &gate("1.7.15")),
            ("1.8-production", "1.7.9", "x86_64", "blocked no_payload: 1.7.15 for x86_64"),
            ("1.8-production", "1.7.3", "x86_64", "blocked no_payload: 1.7.15 for x86_64"),
            ("1.8-production", "1.7.15", "x86_64", "update next_line: 1.8.1"),
            ("1.8-production", "1.7.10", "x86_64", "blocked unknown_version"),
        ],
    );
}

#[test]
fn the_gate_of_an_architecture_is_in_the_channel_of_all_others() {
    let catalog = catalog([
        line("1.7", None)
            .with(built("1.7.9", &["amd64"]))
            .with(built("1.7.15", &["amd64"]))
            .with(soaking(built("1.7.16", ALL)))
            .with(soaking(built("1.7.17", ALL))),
        line("1.8", Some("1.7")).with(built("1.8.1", &["amd64"])).with(soaking(built("1.8.2", ALL))),
        line("1.9", Some("1.8")).with(release("1.9.1", ENTERED)),
    ]);
    // What soaks is not taken from the stage before, neither in the cluster's line nor in one on the way.
    for (channel, current, through) in [
        ("1.8-production", "1.7.9", "1.7-production"),
        ("1.9-production", "1.7.9", "1.7-production"),
        ("1.9-production", "1.7.15", "1.8-production"),
    ] {
        let now = t("2018-01-16");
        let views = Views::signed(&catalog, now).for_arch("arm64");
        let channel = catalog.channel(&channel.parse().unwrap()).unwrap();
        let lacks = match views.answer(channel, &v(current)).advice {
            Advice::Blocked(Blocked::NoPayload { unfit, .. }) => {
                catalog.line_of(&unfit.release.version).unwrap().stages[1].channel.to_string()
            }
            other => panic!("{current}: {other:?}"),
        };
        assert_eq!(lacks, through);
    }
    assert_eq!(asked(&catalog, "1.9-production", "1.8.1", "arm64"), "update next_line: 1.9.1");
}

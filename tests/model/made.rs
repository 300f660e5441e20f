//! Made-up catalogs as plain values, and their YAML. All times are whole hours since 2018-01-01.

use std::fmt::Write as _;

/// Enough hours that everything that is dated in a made-up catalog lies behind.
pub const LAST: i64 = 24 * 130;

/// A generator of numbers that is the same everywhere (`SplitMix64`).
pub struct Dice(u64);

impl Dice {
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from `least` to `most`.
    pub fn number(&mut self, least: i64, most: i64) -> i64 {
        let span = u64::try_from(most - least + 1).unwrap();
        least + i64::try_from(self.next() % span).unwrap()
    }

    /// True once in `of` times.
    pub fn once_in(&mut self, of: i64) -> bool {
        self.number(1, of) == 1
    }

    fn maybe(&mut self, of: i64, least: i64, most: i64) -> Option<i64> {
        self.once_in(of).then(|| self.number(least, most))
    }
}

/// A version: the numbers of its line, its patch and its revision. It is written `1.8.4-t.2`.
pub type Version = (u64, u64, u64, u64);

#[derive(Clone)]
pub struct World {
    pub lines: Vec<Line>,
    /// What no longer counts, and since when somebody has recorded that.
    pub loosened: Vec<(String, i64)>,
}

#[derive(Clone)]
pub struct Line {
    pub name: &'static str,
    pub prefix: (u64, u64),
    /// The place of the line that it follows, and the grace.
    pub follows: Option<(usize, i64)>,
    pub stages: Vec<Stage>,
    pub freezes: Vec<Freeze>,
    pub retired: Option<i64>,
    /// In ascending order.
    pub releases: Vec<Release>,
}

/// From one hour until another, which does not belong to it.
pub type Period = (i64, i64);

#[derive(Clone)]
pub struct Stage {
    pub name: &'static str,
    /// The least and the most time in the stage before, for normal and for security releases.
    pub soak: [(i64, i64); 2],
    /// The days of the week (Monday is 0) and the hours.
    pub window: Option<(Vec<i64>, i64, i64)>,
    pub paused: Option<i64>,
    /// The pauses that have ended.
    pub resumed: Vec<Period>,
}

#[derive(Clone)]
pub struct Freeze {
    pub from: i64,
    pub until: i64,
    pub not_for_security: bool,
}

#[derive(Clone)]
pub struct Release {
    pub version: Version,
    pub security: bool,
    pub barrier: bool,
    pub entries: Vec<Option<i64>>,
    pub hold: Option<i64>,
    /// The holds that have ended.
    pub resumed: Vec<Period>,
    /// When, and what to take instead.
    pub yank: Option<(i64, Option<Version>)>,
    /// The yanks that have ended.
    pub unyanked: Vec<Period>,
    /// When a payload was missing, as a server has recorded it, and since when that lasts.
    pub unavailable: (Vec<Period>, Option<i64>),
    pub signed: bool,
    pub missing: bool,
    /// The one architecture that its payload is for; `None` if it is for all.
    pub only: Option<&'static str>,
    /// The earliest entry into the last stage that is signed.
    pub not_before: Option<i64>,
}

impl World {
    pub fn random(dice: &mut Dice) -> Self {
        let all: [(&str, (u64, u64), Option<usize>); 4] = [
            ("1.7", (1, 7), None),
            ("1.8", (1, 8), Some(0)),
            ("1.9", (1, 9), Some(1)),
            ("3.0", (3, 0), None),
        ];
        let lines = all.map(|(name, prefix, follows)| {
            let follows = follows.map(|line| (line, [0, 72, 24 * 20][dice.number(0, 2) as usize]));
            Line::random(name, prefix, follows, dice)
        });
        let mut lines = Vec::from(lines);
        // Most catalogs have payloads for every machine.
        if dice.once_in(3) {
            for release in lines.iter_mut().flat_map(|line| &mut line.releases) {
                release.only = [None, None, Some("amd64"), Some("arm64")][dice.number(0, 3) as usize];
            }
        }
        Self { lines, loosened: Vec::new() }
    }

    /// Each file's path and text.
    pub fn files(&self) -> Vec<(String, String)> {
        let mut files = Vec::new();
        if !self.loosened.is_empty() {
            let mut policy = "format: 1\nloosened:\n".to_owned();
            for (what, at) in &self.loosened {
                let _ = writeln!(
                    policy,
                    "  - {{ what: \"{what}\", at: {}, by: ada, reason: a test }}",
                    time(*at)
                );
            }
            files.push(("policy.yaml".to_owned(), policy));
        }
        for line in &self.lines {
            files.push((format!("{}/line.yaml", line.name), self.line_yaml(line)));
            for release in &line.releases {
                files.push((format!("{}/{}.yaml", line.name, text(release.version)), release.yaml(line)));
            }
        }
        files
    }

    fn line_yaml(&self, line: &Line) -> String {
        let mut yaml = format!("format: 1\nline: \"{}\"\n", line.name);
        if let Some((other, grace)) = line.follows {
            let _ = writeln!(yaml, "follows: {{ line: \"{}\", grace: {grace}h }}", self.lines[other].name);
        }
        yaml.push_str("stages:\n");
        for (place, stage) in line.stages.iter().enumerate() {
            let _ = writeln!(yaml, "  - name: {}", stage.name);
            if place > 0 {
                let [(min, max), (security_min, security_max)] = stage.soak;
                let _ = writeln!(
                    yaml,
                    "    soak: {{ min: {min}h, max: {max}h, why: a test, security: {{ min: {security_min}h, max: {security_max}h, why: a test }} }}"
                );
            }
            if let Some((days, from, until)) = &stage.window {
                let days: Vec<_> = days.iter().map(|day| DAYS[*day as usize]).collect();
                let _ = writeln!(
                    yaml,
                    "    windows: {{ days: \"{}\", hours: \"{from:02}:00-{until:02}:00\", zone: UTC }}",
                    days.join(",")
                );
            }
        }
        if !line.freezes.is_empty() {
            yaml.push_str("freezes:\n");
        }
        for freeze in &line.freezes {
            let except = if freeze.not_for_security { ", except: [security]" } else { "" };
            let (from, until) = (time(freeze.from), time(freeze.until));
            let _ = writeln!(yaml, "  - {{ from: {from}, until: {until}, reason: a test{except} }}");
        }
        if line.stages.iter().any(|stage| stage.paused.is_some()) {
            yaml.push_str("paused:\n");
        }
        for stage in &line.stages {
            if let Some(at) = stage.paused {
                let _ = writeln!(yaml, "  {}: {}", stage.name, event(at));
            }
        }
        if line.stages.iter().any(|stage| !stage.resumed.is_empty()) {
            yaml.push_str("resumed:\n");
        }
        for stage in line.stages.iter().filter(|stage| !stage.resumed.is_empty()) {
            let _ = writeln!(yaml, "  {}: {}", stage.name, ended(&stage.resumed));
        }
        if let Some(at) = line.retired {
            let _ = writeln!(yaml, "retired: {}", event(at));
        }
        yaml
    }
}

impl Line {
    fn random(
        name: &'static str,
        prefix: (u64, u64),
        follows: Option<(usize, i64)>,
        dice: &mut Dice,
    ) -> Self {
        let names: &[&str] = if dice.once_in(3) {
            &["preproduction", "candidate", "production"]
        } else {
            &["preproduction", "production"]
        };
        let stages: Vec<Stage> = names.iter().map(|name| Stage::random(name, dice)).collect();
        let mut freezes: Vec<Freeze> = (0..dice.number(0, 2))
            .map(|_| {
                let from = dice.number(0, 24 * 80);
                Freeze { from, until: from + dice.number(1, 24 * 14), not_for_security: dice.once_in(2) }
            })
            .collect();
        freezes.sort_by_key(|freeze| freeze.from);
        let mut versions: Vec<Version> = (0..dice.number(0, 7))
            .map(|_| (prefix.0, prefix.1, dice.number(0, 3) as u64, dice.number(1, 3) as u64))
            .collect();
        versions.sort_unstable();
        versions.dedup();
        let retired = dice.maybe(12, 24 * 20, 24 * 90);
        let mut releases: Vec<Release> =
            versions.iter().map(|version| Release::random(*version, stages.len(), dice)).collect();
        // A yanked barrier must name a higher release, and so must a release that replaces one. The highest
        // release has none above, so it is not yanked where it could stand for a barrier.
        let barriers = releases.iter().any(|release| release.barrier);
        for (place, release) in releases.iter_mut().enumerate() {
            if let Some(at) = dice.maybe(6, 0, 24 * 90) {
                let above = &versions[place + 1..];
                let to = (!above.is_empty()).then(|| above[dice.number(0, above.len() as i64 - 1) as usize]);
                if to.is_some() || !barriers {
                    release.yank = Some((at, to));
                }
            }
        }
        Self { name, prefix, follows, stages, freezes, retired, releases }
    }
}

impl Stage {
    fn random(name: &'static str, dice: &mut Dice) -> Self {
        let mut soak = || {
            let min = dice.number(1, 24 * 20);
            (min, min + dice.number(0, 24 * 20))
        };
        let soak = [soak(), soak()];
        let window = dice.once_in(3).then(|| {
            let days: Vec<i64> = (0..7).filter(|_| !dice.once_in(3)).collect();
            let from = dice.number(0, 22);
            (if days.is_empty() { vec![2] } else { days }, from, dice.number(from + 1, 23))
        });
        Self { name, soak, window, paused: dice.maybe(10, 0, 24 * 90), resumed: past(dice, 4) }
    }
}

impl Release {
    fn random(version: Version, stages: usize, dice: &mut Dice) -> Self {
        let mut entries = vec![None; stages];
        let missing = dice.once_in(10);
        let mut since = dice.number(0, 24 * 40);
        for entry in entries.iter_mut().take(dice.number(0, stages as i64) as usize) {
            *entry = Some(since);
            since += dice.number(0, 24 * 30);
        }
        Self {
            version,
            security: dice.once_in(4),
            barrier: dice.once_in(4),
            entries,
            hold: dice.maybe(6, 0, 24 * 90),
            resumed: past(dice, 6),
            yank: None,
            unyanked: past(dice, 8),
            unavailable: (past(dice, 8), dice.maybe(if missing { 2 } else { 12 }, 24 * 55, 24 * 90)),
            signed: !dice.once_in(10),
            missing,
            only: None,
            not_before: dice.maybe(5, 0, 24 * 90),
        }
    }

    fn yaml(&self, line: &Line) -> String {
        let mut yaml = format!("format: 1\nversion: \"{}\"\n", text(self.version));
        let only = self.only.map(|arch| format!(", arch: {arch}")).unwrap_or_default();
        let digest = "07".repeat(32);
        let _ = writeln!(yaml, "payloads:\n  - {{ file: payload.json, size: 7, sha256: {digest}{only} }}");
        if self.security {
            yaml.push_str("urgency: security\n");
        }
        if self.barrier {
            yaml.push_str("barrier: true\n");
        }
        if self.entries.iter().any(Option::is_some) {
            yaml.push_str("stages:\n");
        }
        for (stage, entry) in line.stages.iter().zip(&self.entries) {
            if let Some(since) = entry {
                let since = time(*since);
                let _ = writeln!(yaml, "  {}: {{ since: {since}, by: ada, reason: a test }}", stage.name);
            }
        }
        if let Some(at) = self.hold {
            let _ = writeln!(yaml, "hold: {}", event(at));
        }
        for (key, ended_stops) in [("resumed", &self.resumed), ("unyanked", &self.unyanked)] {
            if !ended_stops.is_empty() {
                let _ = writeln!(yaml, "{key}: {}", ended(ended_stops));
            }
        }
        let (ended_outages, outage) = &self.unavailable;
        let outages: Vec<String> = ended_outages
            .iter()
            .map(|(from, until)| format!("{{ from: {}, until: {} }}", time(*from), time(*until)))
            .chain(outage.map(|from| format!("{{ from: {} }}", time(from))))
            .collect();
        if !outages.is_empty() {
            let _ = writeln!(yaml, "unavailable: [{}]", outages.join(", "));
        }
        if let Some((at, to)) = self.yank {
            let to = to.map_or_else(String::new, |to| format!(", to: \"{}\"", text(to)));
            let _ = writeln!(yaml, "yank: {{ at: {}, by: ada, reason: a test{to} }}", time(at));
        }
        yaml
    }
}

pub const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

pub fn text((major, minor, patch, revision): Version) -> String {
    format!("{major}.{minor}.{patch}-t.{revision}")
}

/// The time of an hour in RFC 3339, without a library: the days of 2018 and the first of 2019.
pub fn time(hour: i64) -> String {
    const MONTHS: [i64; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let (mut day, hour, mut month) = (hour.div_euclid(24), hour.rem_euclid(24), 0);
    while day >= MONTHS[month % 12] {
        day -= MONTHS[month % 12];
        month += 1;
    }
    format!("{}-{:02}-{:02}T{hour:02}:00:00Z", 2018 + month / 12, month % 12 + 1, day + 1)
}

fn event(at: i64) -> String {
    format!("{{ at: {}, by: ada, reason: a test }}", time(at))
}

fn ended(periods: &[Period]) -> String {
    let items: Vec<String> = periods
        .iter()
        .map(|(from, until)| {
            format!("{{ from: {}, until: {}, by: ada, reason: a test }}", time(*from), time(*until))
        })
        .collect();
    format!("[{}]", items.join(", "))
}

/// Stops that have ended before anything is asked, once in so many times.
fn past(dice: &mut Dice, of: i64) -> Vec<Period> {
    let count = if dice.once_in(of) { dice.number(1, 3) } else { 0 };
    let mut periods: Vec<Period> = (0..count)
        .map(|_| {
            let from = dice.number(0, 24 * 40);
            (from, from + dice.number(1, 24 * 14))
        })
        .collect();
    periods.sort_unstable();
    periods
}

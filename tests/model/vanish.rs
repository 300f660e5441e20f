//! What vanishes from a made-up catalog, and what somebody recorded as meant.

use super::made::{Dice, Line, Period, World, text, time};

/// Whether no record ends a stop that began at this hour.
fn is_unended(at: i64, ended: &[Period]) -> bool {
    ended.iter().all(|(_, until)| *until < at)
}

/// The restraints in effect at an hour, each by the name under which a record takes it back.
fn restraints(line: &Line, now: i64) -> Vec<String> {
    let name = line.name;
    let mut found = Vec::new();
    for (place, stage) in line.stages.iter().enumerate() {
        let is_paused = stage.paused.is_some_and(|at| at <= now && is_unended(at, &stage.resumed));
        found.extend(is_paused.then(|| format!("pause/{name}/{}", stage.name)));
        found.extend(stage.window.is_some().then(|| format!("window/{name}/{}", stage.name)));
        found.extend((place > 0).then(|| format!("soak/{name}/{}", stage.name)));
    }
    // One that another one covers is not lost.
    let is_alone = |from: i64, until: i64| {
        line.freezes.iter().filter(|freeze| freeze.from < until && from < freeze.until).count() == 1
    };
    let freezes =
        line.freezes.iter().filter(|freeze| now < freeze.until && is_alone(freeze.from, freeze.until));
    found.extend(freezes.map(|freeze| format!("freeze/{name}/{}", time(freeze.from))));
    found.extend(line.retired.is_some_and(|at| at <= now).then(|| format!("retired/{name}")));
    for release in &line.releases {
        let version = text(release.version);
        let is_on_its_way = release.entries.last().is_some_and(Option::is_none);
        let is_held = release.hold.is_some_and(|at| at <= now && is_unended(at, &release.resumed));
        found.extend((is_held && is_on_its_way).then(|| format!("hold/{version}")));
        let is_yanked = release.yank.is_some_and(|(at, _)| at <= now && is_unended(at, &release.unyanked));
        found.extend(is_yanked.then(|| format!("yank/{version}")));
        found.extend((release.barrier && release.is_known(now)).then(|| format!("barrier/{version}")));
    }
    found
}

/// Takes a restraint away.
fn remove(line: &mut Line, what: &str) {
    let parts: Vec<&str> = what.split('/').collect();
    let [kind, name, rest @ ..] = &parts[..] else { panic!("{what}") };
    if let Some(release) = line.releases.iter_mut().find(|release| text(release.version) == **name) {
        match *kind {
            "hold" => release.hold = None,
            "yank" => release.yank = None,
            _ => release.barrier = false,
        }
    } else if line.name == *name {
        let stage = line.stages.iter_mut().find(|stage| Some(&stage.name) == rest.first());
        match (*kind, stage) {
            ("pause", Some(stage)) => stage.paused = None,
            ("window", Some(stage)) => stage.window = None,
            ("soak", Some(stage)) => stage.soak.iter_mut().for_each(|(min, _)| *min = (*min / 2).max(1)),
            ("freeze", _) => line.freezes.retain(|freeze| time(freeze.from) != *rest[0]),
            _ => line.retired = None,
        }
    }
}

/// The world as its files are after some of what restrains it has vanished, and as the rules see it: they miss
/// only what somebody recorded.
pub fn vanished(world: &World, now: i64, dice: &mut Dice) -> (World, World) {
    let (mut files, mut seen) = (world.clone(), world.clone());
    for place in 0..world.lines.len() {
        for what in restraints(&world.lines[place], now) {
            if !dice.once_in(4) {
                continue;
            }
            remove(&mut files.lines[place], &what);
            if dice.once_in(3) {
                remove(&mut seen.lines[place], &what);
                files.loosened.push((what, now));
            }
        }
    }
    (files, seen)
}

//! Rules for one line, apart from its releases.

use super::super::Time;
use super::super::channel::StageName;
use super::super::line::Line;
use super::super::policy::{SOAK_MAX, SOAK_MIN, Soak, SoakPolicy, Urgency};
use super::{At, Limit, Rule, text};

/// Checks the rules for a list of stages, from a line or from the policy. The caller passes `None` for a
/// stage that it could not read.
pub fn stages<'a>(
    all: impl IntoIterator<Item = Option<(&'a StageName, Option<&'a SoakPolicy>)>>,
) -> Vec<(At, Rule)> {
    let mut found = Vec::new();
    let mut names: Vec<Option<&StageName>> = Vec::new();
    for (place, stage) in all.into_iter().enumerate() {
        if let Some((name, soak)) = stage {
            if let Some(first) = names.iter().position(|known| *known == Some(name)) {
                found.push((At::Stage(place), Rule::StageTwice { stage: name.clone(), first }));
            }
            match soak {
                Some(_) if place == 0 => found.push((At::Soak(place), Rule::FirstSoak(name.clone()))),
                Some(policy) => found.extend(soaks(place, name, policy)),
                None => {}
            }
        }
        names.push(stage.map(|(name, _)| name));
    }
    if names.is_empty() {
        found.push((At::Stages, Rule::NoStages));
    }
    found
}

fn soaks(place: usize, stage: &StageName, policy: &SoakPolicy) -> Vec<(At, Rule)> {
    let usual = SoakPolicy::default().normal;
    let SoakPolicy { normal, security, why, security_why } = policy;
    let security_why = security_why.as_ref().or(why.as_ref());
    let mut found = soak(place, stage, Urgency::Normal, (*normal, usual), why.is_some());
    found.extend(soak(place, stage, Urgency::Security, (*security, *normal), security_why.is_some()));
    found
}

/// Checks the rules for one soak. A limit inherited from another soak is skipped, since it is reported for
/// that soak.
fn soak(
    place: usize,
    stage: &StageName,
    urgency: Urgency,
    (soak, derived_from): (Soak, Soak),
    has_reason: bool,
) -> Vec<(At, Rule)> {
    let at = |limit| At::SoakLimit { stage: place, urgency, limit };
    // A reason would not help, so this is the only fault of such a soak.
    if soak.min > soak.max && soak != derived_from {
        let inherited = match soak {
            Soak { min, .. } if min == derived_from.min => Some(Limit::Min),
            Soak { max, .. } if max == derived_from.max => Some(Limit::Max),
            _ => None,
        };
        return vec![(
            at(Limit::Min),
            Rule::SoakBackwards { stage: stage.clone(), urgency, soak, inherited },
        )];
    }
    let mut found = Vec::new();
    for (limit, value, other) in
        [(Limit::Min, soak.min, derived_from.min), (Limit::Max, soak.max, derived_from.max)]
    {
        if value == other {
            continue;
        }
        let bound = match value {
            value if value < SOAK_MIN => SOAK_MIN,
            value if value > SOAK_MAX => SOAK_MAX,
            _ => value,
        };
        if let Some(rule) = text::duration(value) {
            found.push((at(limit), rule));
        } else if bound != value && !has_reason {
            let stage = stage.clone();
            found.push((at(limit), Rule::UnusualSoak { stage, urgency, limit: value, bound }));
        }
    }
    found
}

/// Checks that a freeze ends after it begins.
pub fn freeze(from: Time, until: Time) -> Option<Rule> {
    (until <= from).then_some(Rule::FreezeBackwards)
}

/// Checks the rules for one line, apart from its releases.
pub(super) fn line(line: &Line, report: &mut impl FnMut(At, Rule)) {
    for (at, rule) in stages(line.stages.iter().map(|stage| Some((&stage.name, stage.soak.as_ref())))) {
        report(at, rule);
    }
    for (place, stage) in line.stages.iter().enumerate() {
        if place > 0 && stage.soak.is_none() {
            report(At::Stage(place), Rule::NoSoak(stage.name.clone()));
        }
        if let Some(rule) = stage.paused.as_ref().and_then(text::event) {
            report(At::Pause(stage.name.clone()), rule);
        }
        for (item, ended) in stage.resumed.iter().enumerate() {
            if let Some(rule) = text::ended(ended) {
                report(At::Resumed(stage.name.clone(), item), rule);
            }
        }
    }
    for (place, one) in line.freezes.iter().enumerate() {
        if let Some(rule) = freeze(one.from, one.until).or_else(|| text::line(&one.reason, text::REASON)) {
            report(At::Freeze(place), rule);
        }
    }
    if let Some(rule) = line.title.as_deref().and_then(|title| text::line(title, text::LINE)) {
        report(At::Text("title"), rule);
    }
    if let Some(rule) = line.retired.as_ref().and_then(text::event) {
        report(At::Text("retired"), rule);
    }
    if let Some(rule) = line.follows.as_ref().and_then(|follows| text::duration(follows.grace)) {
        report(At::Follows, rule);
    }
}

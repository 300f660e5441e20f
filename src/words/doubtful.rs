//! Warnings about what is probably a mistake.

use crate::domain::rules::doubtful::Doubtful;
use crate::domain::span::Span;

/// Says what is probably a mistake, and what to do about it.
pub fn doubtful(doubtful: &Doubtful) -> String {
    match doubtful {
        Doubtful::SortsBelow { version, other } => format!(
            "`{version}` sorts below `{other}`, so no cluster that runs `{other}` will install it: add it under a version that sorts above, such as `{other}.1`"
        ),
        Doubtful::SameButForCase { version, other } => format!(
            "`{version}` and `{other}` differ only in upper and lower case: on some systems they have the same files; use another version"
        ),
        Doubtful::ArchDropped { version, arch, before } => {
            let arch: Vec<String> = arch.iter().map(|arch| format!("`{arch}`")).collect();
            let arch = arch.join(", ");
            format!(
                "`{version}` has no payload for {arch}, which `{before}` has: clusters on {arch} cannot install it; if that is a mistake, add the release again as a new version with all payloads"
            )
        }
        Doubtful::NoShorterSoak { version, line } => format!(
            "`{version}` is a security release, but no soak of line `{line}` is shorter for those, so it soaks as long as any other: set `soak.security` in `{line}/line.yaml` or `policy.yaml`"
        ),
        Doubtful::SecuritySoakDropped { line, stage, soak, policy } => format!(
            "line `{line}` has its own `soak` for `{stage}`, which replaces the policy's: security releases soak for {} there, and not for {}; repeat `security` in the line's `soak`",
            Span(soak.min),
            Span(policy.min)
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::testing::v;
    use crate::domain::version::Version;

    #[test]
    fn the_version_that_is_suggested_sorts_above() {
        for (version, other) in
            [("1.8.0-rc10", "1.8.0-rc9"), ("1.8.0-rc.10", "1.8.0-rc9"), ("1.8.0-a.b10+x", "1.8.0-a.b9+x")]
        {
            let (version, other) = (v(version), v(other));
            let told = doubtful(&Doubtful::SortsBelow { version: version.clone(), other: other.clone() });
            let suggested = Version::parse(told.rsplit('`').nth(1).unwrap()).unwrap();
            assert!(version < other && other < suggested, "{told}");
        }
    }
}

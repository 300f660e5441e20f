//! Determines the kind of a catalog file from its path.

use crate::domain::suggest::distance;

/// A file's role in the catalog's folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// `policy.yaml`
    Policy,
    /// `FOLDER/line.yaml`
    Line { folder: Box<str> },
    /// `FOLDER/STEM.yaml`
    Release { folder: Box<str>, stem: Box<str> },
    /// A file that has no effect because its name or its folder is wrong. It is reported so that nobody
    /// expects it to work. `policy` means that it may be meant as the policy: any YAML file next to the lines'
    /// folders, and anything else with such a name.
    Stray { folder: Option<Box<str>>, policy: bool, hint: Box<str> },
    /// A file that an editor, a merge or a file manager left behind. It is ignored, with a note.
    Leftover,
    /// A file in the catalog's folder that is not part of the catalog: a tool's file, a note, or anything
    /// in `trust/`.
    Ignored,
}

/// How the names of files end that editors and merges leave behind.
const LEFTOVERS: [&str; 8] = [".orig", ".rej", ".bak", ".swp", ".swo", ".save", ".tmp", ".old"];

/// What `git mergetool` adds to the names of the two sides of a merge and what they come from, before a number.
const MERGE_TOOL: [&str; 4] = ["_backup", "_base", "_local", "_remote"];

/// The files that file managers leave behind, in lower case.
const FILE_MANAGERS: [&str; 3] = ["thumbs.db", "desktop.ini", "icon\r"];

/// Whether a file was left behind, according to its name in lower case.
fn is_leftover(name: &str) -> bool {
    let merged = name.rsplit_once('_').and_then(|(rest, end)| {
        let number = end.strip_suffix(".yaml")?;
        let is_numbered = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        Some(is_numbered && MERGE_TOOL.iter().any(|side| rest.ends_with(side)))
    });
    merged == Some(true)
        || name.starts_with('#') && name.ends_with('#')
        || LEFTOVERS.iter().any(|end| name.ends_with(end))
        || FILE_MANAGERS.contains(&name)
}

/// Whether a name in lower case is that of a YAML file.
pub(super) fn is_yaml(name: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(_, end)| ["yaml", "yml"].contains(&end))
}

impl Place {
    pub fn of(path: &str) -> Self {
        let parts: Vec<&str> = path.split('/').collect();
        let ignored = |part: &str| part.starts_with('.') || part.ends_with('~');
        let is_note = path.to_ascii_lowercase().ends_with(".md");
        if is_note || parts.iter().any(|part| ignored(part)) || parts[0] == "trust" {
            return Self::Ignored;
        }
        match parts[..] {
            ["policy.yaml"] => Self::Policy,
            [.., name] if is_leftover(&name.to_ascii_lowercase()) => Self::Leftover,
            [name] => {
                let name = name.to_ascii_lowercase();
                let stem = name.split('.').next().unwrap_or_default();
                let is_named_policy = distance(stem, "policy") <= 2;
                let hint = if is_named_policy {
                    "name it `policy.yaml`, or move it out of the catalog"
                } else {
                    "move the file into its line's folder, or out of the catalog"
                };
                Self::Stray { folder: None, policy: is_named_policy || is_yaml(&name), hint: hint.into() }
            }
            [folder, "line.yaml"] => Self::Line { folder: folder.into() },
            [folder, name] => {
                if let Some(stem) = name.strip_suffix(".yaml") {
                    return Self::Release { folder: folder.into(), stem: stem.into() };
                }
                let hint = match name.strip_suffix(".yml") {
                    Some(stem) => format!("name it `{stem}.yaml`"),
                    None => "move it out of the catalog; payload files have their own folder".to_owned(),
                };
                Self::Stray { folder: Some(folder.into()), policy: false, hint: hint.into() }
            }
            [folder, ..] => Self::Stray {
                folder: Some(folder.into()),
                policy: false,
                hint: "put the files of a line directly into its folder".into(),
            },
            [] => Self::Ignored,
        }
    }

    /// Returns the folder of the release line that the file belongs to, if any.
    pub fn folder(&self) -> Option<&str> {
        match self {
            Self::Line { folder } | Self::Release { folder, .. } => Some(folder),
            Self::Stray { folder, .. } => folder.as_deref(),
            Self::Policy | Self::Leftover | Self::Ignored => None,
        }
    }

    /// Whether a fault in the file counts as a fault in every line.
    pub const fn is_policy(&self) -> bool {
        matches!(self, Self::Policy | Self::Stray { policy: true, .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_meant_as_the_policy_concerns_every_line() {
        for meant in
            ["policy.yml", "Policy.yaml", "POLICY.YAML", "polciy.yaml", "policy", "line.yaml", "policy.txt"]
        {
            assert!(Place::of(meant).is_policy(), "{meant}");
        }
        for other in ["README", "1.8/policy.yaml", "policy.yaml.orig", "policies/line.yaml"] {
            assert!(!Place::of(other).is_policy(), "{other}");
        }
    }

    #[test]
    fn what_an_editor_or_a_merge_leaves_behind_is_no_fault() {
        for left in
            ["1.8/#1.8.4.yaml#", "1.8/1.8.4.yaml.orig", "policy.yaml.bak", "Thumbs.db", "1.8/THUMBS.DB"]
        {
            assert_eq!(Place::of(left), Place::Leftover, "{left}");
        }
        for side in ["BACKUP", "BASE", "LOCAL", "REMOTE"] {
            assert_eq!(Place::of(&format!("1.8/1.8.4_{side}_4711.yaml")), Place::Leftover, "{side}");
            assert_eq!(Place::of(&format!("policy_{side}_7.yaml")), Place::Leftover, "{side}");
        }
        for other in ["1.8/1.8.4_LOCAL_.yaml", "1.8/1.8.4_MINE_1.yaml", "1.8/1.8.4_LOCAL_1.txt"] {
            assert_ne!(Place::of(other), Place::Leftover, "{other}");
        }
    }

    #[test]
    fn what_is_beside_the_catalog_is_ignored_and_what_looks_like_it_is_not() {
        for ignored in [
            ".git/config",
            "1.8/.1.8.4.yaml.swp",
            "1.8/1.8.4.yaml~",
            "README.md",
            "1.8/NOTES.md",
            "trust/root.json",
        ] {
            assert_eq!(Place::of(ignored), Place::Ignored, "{ignored}");
        }
        for stray in
            ["1.8/1.8.4.yml", "1.8/1.8.4.yaml.new", "line.yaml", "1.8/more/1.8.4.yaml", "policy.yml", ""]
        {
            assert!(matches!(Place::of(stray), Place::Stray { .. }), "{stray}");
        }
        assert_eq!(Place::of("1.8/line.yaml"), Place::Line { folder: "1.8".into() });
    }
}

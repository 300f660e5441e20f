//! Determines the kind of a catalog file from its path.

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
    /// expects it to work. `policy` means that it looks like a misspelt policy file.
    Stray { folder: Option<Box<str>>, policy: bool, hint: Box<str> },
    /// A file in the catalog's folder that is not part of the catalog: a tool's file, a note, or anything
    /// in `trust/`.
    Ignored,
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
            ["policy.yml"] => {
                Self::Stray { folder: None, policy: true, hint: "name it `policy.yaml`".into() }
            }
            [_] => Self::Stray {
                folder: None,
                policy: false,
                hint: "move the file into its line's folder, or out of the catalog".into(),
            },
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
            Self::Policy | Self::Ignored => None,
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
            ["1.8/1.8.4.yml", "1.8/1.8.4.yaml.orig", "line.yaml", "1.8/more/1.8.4.yaml", "policy.yml", ""]
        {
            assert!(matches!(Place::of(stray), Place::Stray { .. }), "{stray}");
        }
        assert_eq!(Place::of("1.8/line.yaml"), Place::Line { folder: "1.8".into() });
    }
}

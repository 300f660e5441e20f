//! What `promote` learns from git.

use std::fs;
use std::process::{Command, Output};

use super::desk::Desk;

const FILE: &str = "channels/1.8/1.8.4.yaml";
const HOLD: &str = "hold: { at: 2018-01-02T00:00:00Z, by: ada, reason: etcd }\n";

/// A repository in which `1.8.4` is held, and would be promoted otherwise.
struct Repository {
    desk: Desk,
}

impl Repository {
    fn held() -> Self {
        Self::of(HOLD)
    }

    fn of(hold: &str) -> Self {
        let desk = Desk::new();
        let soaked = "stages:\n  preproduction: { since: 2018-01-01T00:00:00Z, by: schedule }\n";
        desk.release("1.8.4", &format!("{soaked}{hold}"));
        let repository = Self { desk };
        repository.sh("git init -q -b main");
        repository.commit();
        repository
    }

    /// A repository whose last commit lost the hold.
    fn lost() -> Self {
        let repository = Self::held();
        repository.lose();
        repository
    }

    fn command(&self, program: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Command {
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os() {
            if ["TIDEGATE_", "GIT_"].iter().any(|start| name.to_string_lossy().starts_with(start)) {
                command.env_remove(name);
            }
        }
        let global = self.desk.path("gitconfig");
        if !global.exists() {
            fs::write(&global, "[user]\n\tname = ada\n\temail = ada@example.com\n").unwrap();
        }
        command.current_dir(self.desk.path(".")).args(arguments).env("GIT_CONFIG_GLOBAL", global);
        command.env("GIT_CONFIG_SYSTEM", "/dev/null").env("USER", "ada").envs(variables.iter().copied());
        command
    }

    fn sh(&self, script: &str) {
        let output = self.command("sh", &["-ec", script], &[]).output().unwrap();
        assert!(output.status.success(), "{script}: {}", said(&output));
    }

    /// Commits the catalog as it is.
    fn commit(&self) {
        self.sh("git add channels payloads && git commit -q -m change");
    }

    fn lose(&self) {
        self.desk.edit(FILE, HOLD, "");
        self.commit();
    }

    /// Promotes in a folder, and returns the exit code and everything that is said.
    fn promote_in(&self, folder: &str, variables: &[(&str, &str)]) -> (i32, String) {
        let arguments = ["promote", "--catalog", &format!("{folder}channels")];
        let output = self.command(env!("CARGO_BIN_EXE_tidegate"), &arguments, variables).output().unwrap();
        (output.status.code().unwrap(), said(&output))
    }

    fn promote(&self) -> (i32, String) {
        self.promote_in("", &[])
    }

    fn is_promoted(&self, folder: &str) -> bool {
        self.desk.read(&format!("{folder}{FILE}")).contains("  production:")
    }

    /// Promotes, which must say that the hold still counts.
    fn stays_held(&self, folder: &str) -> String {
        let (code, told) = self.promote_in(folder, &[]);
        assert!(code == 1 && told.contains("the hold of `1.8.4` is gone"), "{told}");
        assert!(!self.is_promoted(folder));
        told
    }

    /// Runs the first command that a hint shows.
    fn follow(&self, told: &str) {
        let hint = told.split("hint: ").nth(1).unwrap_or_else(|| panic!("{told}"));
        self.sh(hint.split('`').find(|part| part.starts_with("git ")).unwrap());
    }
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn a_merge_that_takes_the_side_without_a_hold_loses_it() {
    for (onto, other) in [("main", "held"), ("held", "main")] {
        let repository = Repository::of("");
        repository.sh("git checkout -q -b held");
        let text = repository.desk.read(FILE);
        repository.desk.write(FILE, &format!("{text}{HOLD}"));
        repository.commit();
        repository.sh("git checkout -q main");
        repository.desk.write("channels/README.md", "Meanwhile.");
        repository.commit();
        repository.sh(&format!("git checkout -q {onto} && git merge -q --no-commit -s ours {other}"));
        repository.desk.write(FILE, &text);
        repository.commit();
        repository.stays_held("");
        // Nor does it matter what the branch does next.
        repository.desk.write("channels/README.md", "Later.");
        repository.commit();
        repository.stays_held("");
    }
}

#[test]
fn an_older_branch_that_still_has_a_hold_does_not_undo_the_record_that_ended_it() {
    let repository = Repository::held();
    repository.sh("git branch old");
    repository.desk.edit(FILE, HOLD, "");
    let loosen = ["catalog", "loosen", "hold/1.8.4", "--reason", "etcd is fixed"];
    repository.desk.done(&loosen);
    repository.sh("git add channels && GIT_COMMITTER_DATE=2001-01-01T00:00:00Z git commit -q -m loosen");
    repository.sh("git checkout -q old");
    repository.desk.write("channels/README.md", "Another change.");
    repository.sh("git add channels && GIT_COMMITTER_DATE=2099-01-01T00:00:00Z git commit -q -m change");
    repository.sh("git merge -q -m merge main");
    let (code, told) = repository.promote();
    assert!(code == 0 && repository.is_promoted(""), "{told}");
}

#[test]
fn what_was_lost_long_ago_is_named_with_its_commit_and_does_not_open_by_itself() {
    let repository = Repository::lost();
    let lost_in = repository.command("git", &["rev-parse", "HEAD"], &[]).output().unwrap();
    let lost_in = String::from_utf8(lost_in.stdout).unwrap().trim().to_owned();
    for commit in 0..40 {
        repository.desk.write("channels/README.md", &commit.to_string());
        repository.commit();
    }
    let told = repository.stays_held("");
    assert!(told.contains(&format!("since commit `{}`", &lost_in[..12])), "{told}");
    let data = repository.desk.json(&["promote"]);
    let [lost] = &data["lost"].as_array().unwrap()[..] else { panic!("{data}") };
    assert_eq!(lost["what"], "hold/1.8.4");
    assert_eq!(lost["commit"], *lost_in);
    repository.desk.done(&["catalog", "loosen", "hold/1.8.4", "--reason", "etcd is fixed"]);
    let (code, told) = repository.promote();
    assert!(code == 0 && repository.is_promoted(""), "{told}");
}

#[test]
fn what_a_line_with_a_fault_demands_counts_once_the_fault_is_fixed() {
    let repository = Repository::of("");
    let (line, release) = ("channels/1.8/line.yaml", repository.desk.read(FILE));
    let window = "    windows: { days: mon-thu, hours: 09:00-16:00, zone: Europe/Berlin }\n";
    let stages = "stages:\n  - name: preproduction\n  - name: production\n";
    repository.desk.write(FILE, &format!("{release}replaces: 1.8.3\n"));
    repository.desk.line("1.8", &format!("{stages}{window}"));
    repository.commit();
    repository.desk.write(FILE, &release);
    repository.commit();
    repository.desk.edit(line, window, "");
    repository.commit();
    let (code, told) = repository.promote();
    assert!(code == 1 && told.contains("of `production` in line `1.8` is gone"), "{told}");
}

#[test]
fn what_is_corrected_before_it_could_count_is_not_lost() {
    let repository = Repository::of("");
    let text = repository.desk.read("channels/policy.yaml");
    repository.desk.write("channels/policy.yaml", &text.replace("min: 14d", "min: 140d"));
    repository.commit();
    repository.desk.write("channels/policy.yaml", &text);
    repository.commit();
    let (code, told) = repository.promote();
    assert!(code == 0 && repository.is_promoted(""), "{told}");
}

const POLICY: &str = "channels/policy.yaml";

#[test]
fn a_commit_whose_policy_cannot_be_read_loses_nothing_and_demands_nothing() {
    let first = "  preproduction: { since: 2018-01-01T00:00:00Z, by: schedule }\n";
    let breaks: [fn(&Repository); 3] = [
        |repository| repository.desk.edit(POLICY, "format: 1", "format: 1\nstages: ["),
        |repository| repository.sh("mv channels/policy.yaml channels/policy.yml"),
        |repository| repository.sh("rm channels/policy.yaml && ln -s nowhere channels/policy.yaml"),
    ];
    for (place, spoil) in breaks.into_iter().enumerate() {
        // Without the policy, `production` would be the last of two stages, where a hold stops nothing, and
        // its soak would be longer.
        let repository = Repository::held();
        let (file, policy) = (repository.desk.read(FILE), repository.desk.read(POLICY));
        let policy = policy.replace("min: 14d", "min: 7d, why: tested before");
        let policy =
            format!("{policy}  - name: lts\n    soak: {{ min: 7d, max: 28d, why: tested before }}\n");
        let second = "  production: { since: 2018-02-01T00:00:00Z, by: schedule, reason: soaked 7d }\n";
        let file = file.replace(first, &format!("{first}{second}"));
        repository.desk.write(POLICY, &policy);
        repository.desk.write(FILE, &file);
        repository.sh("git add channels && git commit -q --amend -m first");
        spoil(&repository);
        repository.desk.edit(FILE, HOLD, "");
        repository.commit();
        repository.sh("rm -f channels/policy.y*");
        repository.desk.write(POLICY, &policy);
        repository.commit();
        let (code, told) = repository.promote();
        assert!(code == 1 && told.contains("the hold of `1.8.4` is gone"), "{place}: {told}");
        assert!(!told.contains("soak"), "{place}: {told}");
        assert!(!repository.desk.read(FILE).contains("  lts:"), "{place}");
    }
}

#[test]
fn a_link_is_followed_to_the_policy_and_no_line_with_another_one_is_taken_for_whole() {
    let window = "    windows: { days: mon-thu, hours: 09:00-16:00, zone: Europe/Berlin }\n";
    for (file, real, is_followed) in
        [(POLICY, "channels/.real", true), ("channels/1.8/line.yaml", "channels/1.8/.real", false)]
    {
        let repository = Repository::of("");
        let text = repository.desk.read(POLICY);
        let stages = text.strip_prefix("format: 1\n").unwrap();
        repository.desk.line("1.8", stages);
        if is_followed {
            repository.desk.line("1.8", "");
        }
        repository.sh(&format!("mv {file} {real} && ln -s .real {file}"));
        let text = repository.desk.read(real);
        repository.desk.write(real, &format!("{text}{window}"));
        repository.commit();
        repository.desk.write(real, &text);
        repository.commit();
        let (code, told) = repository.promote();
        let is_told = told.contains("of `production` in line `1.8` is gone");
        assert!(is_told == is_followed && code == i32::from(is_followed), "{file}: {told}");
        // Before and after the link, nothing is forgotten.
        repository.sh(&format!("rm {file}"));
        repository.desk.write(file, &format!("{text}{window}"));
        repository.commit();
        repository.sh(&format!("rm {file} && ln -s .real {file}"));
        repository.commit();
        let told = repository.promote().1;
        assert!(told.contains("of `production` in line `1.8` is gone"), "{file}: {told}");
    }
}

#[test]
fn a_state_that_knows_something_else_does_not_take_the_place_of_the_history() {
    let repository = Repository::lost();
    let other = r#"{"format":1,"restraints":[{"line":"1.8","soak":{"stage":"production","normal":1209600,"security":1209600}}]}"#;
    repository.desk.write("state/restraints.json", other);
    repository.stays_held("");
}

#[test]
fn a_shallow_clone_is_refused_without_the_commit_before_and_warned_of_with_it() {
    let repository = Repository::lost();
    repository.sh("git clone -q --depth 1 file://$PWD cut");
    let (code, told) = repository.promote_in("cut/", &[]);
    assert!(code == 1 && told.contains("the clone is shallow") && told.contains("fetch-depth: 0"), "{told}");
    assert!(!repository.is_promoted("cut/"));
    repository.follow(&told);
    repository.stays_held("cut/");

    repository.sh("git clone -q --depth 2 file://$PWD short");
    let told = repository.stays_held("short/");
    assert!(
        told.contains("the clone is shallow, so whatever the catalog lost before its last 2 commits"),
        "{told}"
    );
    repository.sh("git -C short fetch -q --unshallow");
    assert!(!repository.stays_held("short/").contains("shallow"));
}

#[test]
fn a_repository_without_an_earlier_commit_has_lost_nothing() {
    let desk = Desk::new();
    desk.release("1.8.4", "stages:\n  preproduction: { since: 2018-01-01T00:00:00Z, by: schedule }\n");
    let repository = Repository { desk };
    repository.sh("git init -q -b main");
    assert_eq!(repository.promote().0, 0);
    repository.sh("git add channels && git commit -q -m first && git clone -q --depth 1 file://$PWD one");
    assert_eq!(repository.promote_in("one/", &[]).0, 0);
}

#[test]
fn a_history_that_cannot_be_read_is_refused_with_a_remedy_that_helps() {
    let repository = Repository::lost();
    // Without git.
    let (code, told) = repository.promote_in("", &[("PATH", "")]);
    assert!(code == 1 && told.contains("git cannot be run") && told.contains("hint: install git"), "{told}");
    repository.stays_held("");

    // A folder of somebody else.
    let other = [("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")];
    let (code, told) = repository.promote_in("", &other);
    assert!(code == 1 && told.contains("detected dubious ownership"), "{told}");
    repository.follow(&told);
    assert!(repository.promote_in("", &other).1.contains("the hold of `1.8.4` is gone"));

    // A clone without the contents of older files, whose remote is gone.
    repository
        .sh("git config uploadpack.allowFilter true && git clone -q --filter=blob:none file://$PWD partial");
    repository.sh("mv .git away");
    let (code, told) = repository.promote_in("partial/", &[]);
    assert!(code == 1 && told.contains("promisor"), "{told}");
    repository.sh("mv away .git");
    repository.follow(&told);
    repository.sh("mv .git away");
    repository.stays_held("partial/");
}

#[test]
fn the_repository_of_a_hook_is_not_taken_for_that_of_the_catalog() {
    let repository = Repository::lost();
    repository.sh("git init -q --bare other");
    let (code, told) = repository.promote_in("", &[("GIT_DIR", "other")]);
    assert!(code == 1 && told.contains("the hold of `1.8.4` is gone"), "{told}");
}

#[test]
fn a_record_of_something_unknown_is_refused_or_warned_of_with_what_is_known() {
    let repository = Repository::lost();
    let loosen = |what: &str| repository.desk.run(&["catalog", "loosen", what, "--reason", "reviewed"]);
    for (what, expected) in [
        ("hold/1.8.5", "release `1.8.5` is not in the catalog\nhint: did you mean `1.8.4`?"),
        ("pause/1.9/production", "the catalog's lines: `1.8`"),
        ("soak/1.8/prod", "line `1.8` has no stage `prod`\nhint: name one of these stages: `preproduction`"),
        ("window/prod", "no line has a stage `prod`\nhint: name one of these stages: `preproduction`"),
    ] {
        let told = loosen(what);
        assert!(told.contains("exit 1") && told.contains(expected), "{told}");
    }
    let told = loosen("soak/1.8/preproduction");
    assert!(told.contains("exit 0") && told.contains("names nothing that is known here"), "{told}");
    assert!(told.contains("did you mean `soak/1.8/production`?"), "{told}");
    let told = loosen("hold/1.8.4");
    assert!(told.contains("exit 0") && !told.contains("warning"), "{told}");
    assert_eq!(repository.promote().0, 0);
}

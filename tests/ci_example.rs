//! The example of a CI workflow in `docs/` is run: its own commands, on a catalog in git, with rivals.
#![expect(clippy::unwrap_used, reason = "this is a test")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

/// The commands of a job's step, which bears the job's name.
fn commands(job: &str) -> String {
    step(job)["run"].as_str().unwrap().to_owned()
}

/// The variables of a job's step that may be empty: the inputs of its workflow, and what the repository sets.
fn inputs_of(job: &str) -> Vec<String> {
    let step = step(job);
    let variables = step["env"].as_object().unwrap().iter();
    variables
        .filter(|(_, value)| value.as_str().is_some_and(|value| !value.contains("secrets.")))
        .map(|(name, _)| name.clone())
        .collect()
}

fn step(job: &str) -> serde_json::Value {
    steps(job).into_iter().find(|step| step["name"] == job).unwrap()
}

fn steps(job: &str) -> Vec<serde_json::Value> {
    workflow()["jobs"][job]["steps"].as_array().unwrap().clone()
}

fn workflow() -> serde_json::Value {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/ci-example.yml")).unwrap();
    serde_saphyr::from_str(&text).unwrap()
}

/// A bare repository that everybody pushes to, and the clones around it.
struct World {
    folder: TempDir,
}

impl World {
    /// A catalog with a line and, in pre-production for 20 days, a release that is due.
    fn new() -> Self {
        let world = Self::without_releases();
        world.sh(
            &world.folder.path().join("engineer"),
            r#"
            tidegate release add 1.0.0 --payload payload.json
            ago() { date -u -d "$1" +%FT%TZ; }
            tidegate release sign 1.0.0 --key ../keys/release.pem --targets-key ../keys/targets.pem \
                --not-before production="$(ago '6 days ago')" --reason "built days ago"
            tidegate promote --backfill --at "$(ago '20 days ago')"
            git add channels payloads
            git commit --quiet --message "Add 1.0.0"
            git push --quiet origin HEAD:main
            "#,
        );
        world
    }

    /// A catalog as `init` makes it, with a line and the file of a payload beside it.
    fn without_releases() -> Self {
        let world = Self { folder: tempfile::tempdir().unwrap() };
        world.sh(world.folder.path(), "git init --quiet --bare --initial-branch main origin");
        let engineer = world.clone_as("engineer");
        world.sh(
            &engineer,
            r#"
            tidegate init --offline-keys ../keys --no-encrypt
            tidegate line add 1.0
            echo 1.0.0 > payload.json
            git add channels payloads payload.json
            git commit --quiet --message "Begin"
            git push --quiet origin HEAD:main
            "#,
        );
        world
    }

    fn clone_as(&self, name: &str) -> PathBuf {
        let script = format!(
            "git clone --quiet origin {name} && git -C {name} config user.name {name} \
             && git -C {name} config user.email {name}@example.com"
        );
        self.sh(self.folder.path(), &script);
        self.folder.path().join(name)
    }

    fn run(&self, folder: &Path, script: &str, variables: &[(&str, &str)]) -> Output {
        let bin = Path::new(env!("CARGO_BIN_EXE_tidegate")).parent().unwrap();
        let mut command = Command::new("bash");
        for (name, _) in std::env::vars_os() {
            if ["TIDEGATE_", "GIT_"].iter().any(|start| name.to_string_lossy().starts_with(start)) {
                command.env_remove(name);
            }
        }
        command
            .args(["-euo", "pipefail", "-c", script])
            .current_dir(folder)
            .env("HOME", self.folder.path())
            .env("RUNNER_TEMP", self.folder.path())
            .env("PATH", format!("{}:{}", bin.display(), std::env::var("PATH").unwrap()))
            .envs(variables.iter().copied())
            .output()
            .unwrap()
    }

    fn sh(&self, folder: &Path, script: &str) -> String {
        let output = self.run(folder, script, &[]);
        assert!(output.status.success(), "{}", said(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// What the job `promote` does in a fresh clone.
    fn promote(&self, folder: &Path, inputs: &[(&str, &str)]) -> Output {
        let key = fs::read_to_string(self.folder.path().join("keys/release.pem")).unwrap();
        // Inputs that nobody gave are empty, as those of a run by schedule are.
        let mut variables: Vec<_> = inputs_of("promote").into_iter().map(|name| (name, "")).collect();
        variables.push(("RELEASE_KEY_PEM".to_owned(), key.trim_end()));
        for (name, value) in inputs {
            let variable = variables.iter_mut().find(|(known, _)| known == name);
            variable.unwrap_or_else(|| panic!("the job has no `{name}`")).1 = value;
        }
        let variables: Vec<_> = variables.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        self.run(folder, &commands("promote"), &variables)
    }

    /// A release's file on `main`.
    fn release(&self, version: &str) -> String {
        let script = format!("git show main:channels/1.0/{version}.yaml");
        self.sh(&self.folder.path().join("origin"), &script)
    }
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn ci_promotes_what_is_due_and_then_has_nothing_to_do() {
    let world = World::new();
    let ci = world.clone_as("ci");
    let output = world.promote(&ci, &[]);
    assert!(output.status.success(), "{}", said(&output));
    assert!(world.release("1.0.0").contains("production: {"), "{}", world.release("1.0.0"));

    let output = world.promote(&ci, &[]);
    assert!(output.status.success(), "{}", said(&output));
    assert!(said(&output).contains("nothing to do"), "{}", said(&output));
}

#[test]
fn ci_adds_a_release_that_then_soaks() {
    let world = World::new();
    let ci = world.clone_as("ci");
    for _ in 0..2 {
        let output = world.promote(&ci, &[("VERSION", "1.0.1"), ("PAYLOADS", "payload.json")]);
        assert!(output.status.success(), "{}", said(&output));
    }
    let release = world.release("1.0.1");
    assert!(release.contains("preproduction: {"), "{release}");
    assert!(!release.contains(" production: {"), "{release}");
}

#[test]
fn ci_adds_the_payload_of_the_commit_that_it_was_started_for() {
    let world = World::new();
    let ci = world.clone_as("ci");
    world.sh(
        &world.folder.path().join("engineer"),
        "echo another > payload.json && git commit --quiet --all --message Another && git push --quiet origin HEAD:main",
    );
    let output = world.promote(&ci, &[("VERSION", "1.0.1"), ("PAYLOADS", "payload.json")]);
    assert!(output.status.success(), "{}", said(&output));
    let payload = world.sh(&world.folder.path().join("origin"), "git show main:payloads/1.0.1/payload.json");
    assert_eq!(payload, "1.0.0\n");
}

#[test]
fn a_catalog_without_releases_is_nothing_to_do_with_or_without_its_payload_folder() {
    let world = World::without_releases();
    let ci = world.clone_as("ci");
    for without in ["", "git rm --quiet -r payloads && git commit --quiet --message Tidy && git push --quiet"]
    {
        world.sh(&ci, without);
        let output = world.promote(&world.clone_as(&format!("ci{}", without.len())), &[]);
        assert!(output.status.success(), "{}", said(&output));
        assert!(said(&output).contains("nothing to do"), "{}", said(&output));
    }
}

#[test]
fn ci_adds_a_release_with_all_that_the_form_asks_for() {
    let world = World::new();
    let ci = world.clone_as("ci");
    world.sh(
        &ci,
        "echo arm > arm.json && git add arm.json && git commit --quiet --message Arm && git push --quiet",
    );
    let inputs = [
        ("VERSION", "1.0.1"),
        ("PAYLOADS", "payload.json arm.json"),
        ("ARCHES", "amd64 arm64"),
        ("URGENCY", "security"),
        ("BARRIER", "true"),
        ("SUMMARY", "Closes a hole; it's urgent"),
    ];
    let output = world.promote(&ci, &inputs);
    assert!(output.status.success(), "{}", said(&output));
    let release = world.release("1.0.1");
    for part in
        ["arch: amd64", "arm.json", "arch: arm64", "urgency: security", "barrier: true", "it's urgent"]
    {
        assert!(release.contains(part), "{part}: {release}");
    }
}

#[test]
fn a_release_that_cannot_be_signed_stops_no_other_and_fails_the_job() {
    let world = World::new();
    let ci = world.clone_as("ci");
    let engineer = world.folder.path().join("engineer");
    world.sh(
        &engineer,
        r"
        tidegate release add 1.0.1 --payload payload.json
        echo tampered > payloads/1.0.1/payload.json
        git add channels payloads
        git commit --quiet --message 'Add 1.0.1'
        git push --quiet origin HEAD:main
        ",
    );
    let output = world.promote(&ci, &[]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(world.release("1.0.0").contains(" production: {"), "{}", said(&output));
}

#[test]
fn a_hold_that_was_pushed_first_wins() {
    let world = World::new();
    let (ci, rival) = (world.clone_as("ci"), world.clone_as("rival"));
    // Between the job's decision and its push, once.
    let hook = ci.join(".git/hooks/pre-push");
    let script = format!(
        "#!/bin/sh\nrm \"$0\"\ncd '{}' && tidegate release hold 1.0.0 --reason 'canaries fail' \
         && git commit --quiet --all --message Hold && git push --quiet origin HEAD:main\n",
        rival.display()
    );
    fs::write(&hook, script).unwrap();
    world.sh(&ci, "chmod +x .git/hooks/pre-push");

    let output = world.promote(&ci, &[]);
    assert!(output.status.success(), "{}", said(&output));
    assert!(said(&output).contains("deciding again"), "{}", said(&output));
    let release = world.release("1.0.0");
    assert!(release.contains("canaries fail"), "{release}");
    assert!(!release.contains(" production: {"), "{release}");
}

#[test]
fn no_release_is_lost_when_many_are_added_at_once() {
    let world = World::new();
    let adds: Vec<String> = (1..=8).map(|patch| format!("1.0.{patch}")).collect();
    let promotions = std::iter::repeat_n(String::new(), 4);
    let runs: Vec<_> = adds.iter().cloned().chain(promotions).enumerate().collect();
    let clones: Vec<_> = runs.iter().map(|(run, _)| world.clone_as(&format!("ci{run}"))).collect();
    std::thread::scope(|scope| {
        for (run, version) in &runs {
            let (world, clone) = (&world, &clones[*run]);
            scope.spawn(move || {
                let payload = if version.is_empty() { "" } else { "payload.json" };
                let output = world.promote(clone, &[("VERSION", version), ("PAYLOADS", payload)]);
                assert!(output.status.success(), "{}", said(&output));
            });
        }
    });
    for version in &adds {
        assert!(world.release(version).contains("preproduction: {"), "{version}");
    }
    assert!(world.release("1.0.0").contains(" production: {"));
    let engineer = world.folder.path().join("engineer");
    world.sh(&engineer, "git pull --quiet && tidegate catalog check && tidegate verify");
}

#[test]
fn a_run_that_adds_a_release_shares_its_group_with_no_other() {
    let workflow = workflow();
    let group = workflow["jobs"]["promote"]["concurrency"]["group"].as_str().unwrap();
    assert!(group.contains("inputs.version && github.run_id"), "{group}");
    assert!(workflow["on"]["schedule"][0]["cron"].is_string(), "nothing else promotes in time");
    for job in ["check", "promote"] {
        let names: Vec<_> = steps(job).into_iter().map(|step| step["name"].clone()).collect();
        assert!(names.ends_with(&["install".into(), job.into()]), "{names:?}");
    }
}

#[test]
fn the_witness_is_asked_if_the_repository_names_one() {
    let world = World::new();
    let ci = world.clone_as("ci");
    let output = world.promote(&ci, &[("WITNESS", "http://127.0.0.1:9")]);
    assert!(said(&output).contains("cannot fetch `http://127.0.0.1:9/"), "{}", said(&output));
}

#[test]
fn the_jobs_check_out_the_whole_history_without_which_nothing_is_promoted() {
    for job in ["check", "promote"] {
        let checkout = steps(job).into_iter().find(|step| step["uses"].is_string()).unwrap();
        assert_eq!(checkout["with"]["fetch-depth"], 0, "{checkout}");
    }
    let world = World::new();
    let url = format!("file://{}/origin", world.folder.path().display());
    world.sh(world.folder.path(), &format!("git clone --quiet --depth 1 {url} shallow"));
    let output = world.run(&world.folder.path().join("shallow"), "tidegate promote", &[]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("`fetch-depth: 0`"), "{}", said(&output));
}

#[test]
fn a_pull_request_that_steps_back_fails_its_check() {
    let world = World::new();
    let branch = world.clone_as("branch");
    let check = || world.run(&branch, &commands("check"), &[("BASE", "origin/main")]);
    let again = || world.sh(&branch, "git worktree remove \"$RUNNER_TEMP/base\"");

    let output = check();
    assert!(output.status.success(), "{}", said(&output));
    again();
    // Before the first catalog there was nothing to step back from, but one that was removed was there.
    let since = |base| world.run(&branch, &commands("check"), &[("BASE", base)]);
    world.sh(&branch, "git rm -rq channels && git commit --quiet --message Removed && git tag removed && git reset --quiet --hard HEAD~1");
    world.sh(&branch, "git tag begun $(git commit-tree -m Begun $(git hash-object -t tree /dev/null))");
    assert!(since("begun").status.success());
    again();
    assert!(said(&since("removed")).contains("--against none"));
    again();
    world.sh(&branch, "rm channels/1.0/1.0.0.yaml");
    let output = check();
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("1.0.0"), "{}", said(&output));
}

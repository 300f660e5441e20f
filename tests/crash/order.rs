//! The order of system calls: write aside, fsync, rename, fsync the folder.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::place::Place;
use crate::spawn::{Server, eventually};

/// What was seen of one file, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Create,
    Write,
    Sync,
    Rename,
    SyncFolder,
}

const WRITTEN: [Step; 5] = [Step::Create, Step::Write, Step::Sync, Step::Rename, Step::SyncFolder];

/// The words before a command that is traced. The tracer stays in the background, so that the
/// command is the child that is started, stopped and waited for.
fn strace(log: &Path) -> Vec<String> {
    let found = Command::new("strace").arg("-V").stdout(Stdio::null()).status();
    assert!(found.is_ok_and(|status| status.success()), "install `strace` to run this test");
    let calls = "trace=openat,write,pwrite64,writev,fsync,fdatasync,rename,renameat,renameat2";
    ["strace", "-D", "-f", "-y", "-s", "0", "-e", calls, "-o"]
        .into_iter()
        .chain([log.to_str().unwrap(), env!("CARGO_BIN_EXE_tidegate")])
        .map(str::to_owned)
        .collect()
}

/// The steps in which a file came to be, the last time that it did, and the number of the line of
/// the trace in which it was begun and finished.
fn steps(trace: &[String], file: &Path) -> (Vec<Step>, usize, usize) {
    let file = file.canonicalize().unwrap();
    let (folder, name) = (file.parent().unwrap().to_str().unwrap(), file.file_name().unwrap());
    let aside = format!(".{}.tmp-", name.to_str().unwrap());
    let (mut steps, mut begun, mut ended) = (Vec::new(), 0, 0);
    for (number, line) in trace.iter().enumerate() {
        let is = |call: &str| line.contains(&format!(" {call}("));
        let step = if line.contains(&aside) {
            match () {
                () if is("openat") && line.contains("O_CREAT|O_EXCL") => {
                    (steps, begun) = (Vec::new(), number);
                    Step::Create
                }
                () if is("write") || is("writev") || is("pwrite64") => Step::Write,
                () if is("fsync") || is("fdatasync") => Step::Sync,
                () if line.contains(" rename") => Step::Rename,
                () => continue,
            }
        } else if is("fsync") && line.contains(&format!("<{folder}>")) && steps.last() == Some(&Step::Rename)
        {
            ended = number;
            Step::SyncFolder
        } else {
            continue;
        };
        // A long file is written in pieces.
        if step != Step::Write || steps.last() != Some(&Step::Write) {
            steps.push(step);
        }
    }
    (steps, begun, ended)
}

/// The lines of a trace that has ended, with the calls that were cut in two by another thread's made whole.
fn read(log: &Path) -> Vec<String> {
    let thread = |line: &str| line.split(' ').next().unwrap_or_default().to_owned();
    eventually("the end of the trace", || {
        let text = fs::read_to_string(log).unwrap();
        let all: BTreeSet<String> = text.lines().map(thread).collect();
        let ended = text.lines().filter(|line| line.contains("+++ exited with ")).map(thread).collect();
        if all == ended { Ok(()) } else { Err(text) }
    });
    let mut lines: Vec<String> = Vec::new();
    for line in fs::read_to_string(log).unwrap().lines() {
        let thread = thread(line);
        if !line.contains("resumed>") {
            lines.push(line.to_owned());
        } else if let Some(begun) = lines
            .iter_mut()
            .rev()
            .find(|begun| begun.starts_with(&thread) && begun.ends_with("<unfinished ...>"))
        {
            let rest = line.split_once("resumed>").unwrap().1;
            *begun = format!("{}{rest}", begun.trim_end_matches("<unfinished ...>"));
        }
    }
    lines
}

#[test]
fn a_commit_writes_aside_syncs_renames_and_syncs_the_folder() {
    let place = Place::with(&["1.8.1"]);
    for version in ["1.8.2", "1.8.3", "1.7.1"] {
        place.add(version);
    }
    place.sign();
    let log = place.path("trace");
    let mut arguments = strace(&log);
    let program = arguments.remove(0);
    let status =
        Command::new(program).args(arguments).arg("promote").current_dir(place.dir()).output().unwrap();
    assert!(status.status.success(), "{status:?}");
    let trace = read(&log);
    let mut last = 0;
    // In the order in which they were decided.
    for version in ["1.7.1", "1.8.2", "1.8.3"] {
        let file = place.file(version);
        assert!(fs::read_to_string(&file).unwrap().contains("by: schedule"));
        let (steps, begun, ended) = steps(&trace, &file);
        assert_eq!(steps, WRITTEN, "{version}: {trace:#?}");
        assert!(begun > last, "one file is done before the next is begun");
        last = ended;
    }
}

#[test]
fn a_version_is_on_disk_before_it_is_signed_and_a_publication_before_it_is_served() {
    let place = Place::with(&["1.8.1"]);
    let log = place.path("trace");
    let server = Server::traced(place.dir(), &strace(&log));
    server.until_ready();
    assert!(server.stop().success());
    let trace = read(&log);
    let of = |name: &str| {
        let (steps, begun, ended) = steps(&trace, &place.path(".tidegate").join(name));
        assert_eq!(steps, WRITTEN, "{name}: {trace:#?}");
        (begun, ended)
    };
    let (version, publication) = (of("version"), of("publication"));
    assert!(version.1 < publication.0, "{version:?} {publication:?}");
    // Every segment is on disk under its name before the head that names it is begun.
    let head = fs::read(place.path(".tidegate/publication")).unwrap();
    let mut segments = 0;
    for entry in fs::read_dir(place.path(".tidegate/segments")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if !String::from_utf8_lossy(&head).contains(&name) {
            continue;
        }
        let place = |what: &dyn Fn(&str) -> bool| trace.iter().rposition(|line| what(line)).unwrap();
        let renamed = place(&|line| line.contains(" rename") && line.contains(&name));
        let aside = trace[renamed].split('"').find(|part| part.contains(".segment.tmp-")).unwrap();
        let aside = aside.rsplit_once('/').unwrap().1;
        let synced = place(&|line| line.contains(" fsync(") && line.contains(aside));
        let written = place(&|line| line.contains(" write") && line.contains(aside));
        let folder = place(&|line| line.contains(" fsync(") && line.contains("/segments>"));
        assert!(written < synced && synced < renamed && renamed < folder, "{name}: {trace:#?}");
        assert!(version.1 < written && folder < publication.0, "{name}: {trace:#?}");
        segments += 1;
    }
    assert!(segments > 0);
    // Payloads are copied before anybody is told of them.
    let copy = trace.iter().rposition(|line| line.contains("/payloads/sha256/") && line.contains(" rename"));
    assert!(copy.is_some_and(|copy| copy < version.0), "{copy:?} {version:?}");
}

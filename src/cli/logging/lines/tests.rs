use super::*;
use std::sync::mpsc;

/// Tells of each write, and waits until it may go on.
struct Slow {
    told: mpsc::Sender<String>,
    go: mpsc::Receiver<()>,
}

impl Write for Slow {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.told.send(String::from_utf8(bytes.to_vec()).unwrap()).unwrap();
        let _ = self.go.recv();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn slow() -> (Slow, mpsc::Receiver<String>, mpsc::Sender<()>) {
    let ((told, tell), (goes, go)) = (mpsc::channel(), mpsc::channel());
    (Slow { told, go }, tell, goes)
}

/// The access log with this patience, and one worker's writer.
fn access(lines: &Lines, patience: Duration) -> (Access, Arc<dyn AccessWriter>) {
    let access = Access { patience, ..lines.access(LogFormat::Text) };
    let writer = access.writer();
    (access, writer)
}

/// Writes the line of a request for this path.
fn log(writer: &dyn AccessWriter, path: &str) {
    writer.write(&AccessLine {
        at: crate::domain::Time::UNIX_EPOCH,
        id: "",
        client: None,
        method: "GET",
        path,
        status: 200,
        bytes: 0,
        took: Duration::ZERO,
        query: &crate::http::Logged::default(),
        problem: None,
    });
}

/// The paths of all access lines, and all other lines as they are.
fn paths(written: &str) -> Vec<&str> {
    written
        .lines()
        .map(|line| line.split_once("path=\"").map_or(line, |(_, rest)| rest.split_once('"').unwrap().0))
        .collect()
}

#[test]
fn lines_of_the_access_log_are_written_together_and_before_a_later_warning() {
    let (out, tell, go) = slow();
    let (lines, flusher) = lines(out).unwrap();
    let (_, worker) = access(&lines, PATIENCE);
    lines.0.gather(b"first\n");
    assert_eq!(tell.recv().unwrap(), "first\n");
    // The writer hangs in its first write, and nobody waits for it.
    log(&*worker, "/1");
    log(&*worker, "/2");
    lines.0.gather(b"warning\n");
    drop(go);
    drop(flusher);
    assert_eq!(paths(&tell.try_iter().collect::<String>()), ["/1", "/2", "warning"]);
}

#[test]
fn nothing_is_lost_when_the_log_ends() {
    let (out, tell, go) = slow();
    drop(go);
    let (lines, flusher) = lines(out).unwrap();
    let (_, worker) = access(&lines, PATIENCE);
    for n in 0..1000 {
        log(&*worker, &format!("/{n}"));
    }
    drop(flusher);
    let all: Vec<String> = (0..1000).map(|n| format!("/{n}")).collect();
    assert_eq!(paths(&tell.try_iter().collect::<String>()), all);
}

/// A file that is slow, but works: it takes a little at a time.
struct Healthy(Arc<Mutex<Vec<u8>>>);

impl Write for Healthy {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        std::thread::yield_now();
        let some = &bytes[..bytes.len().min(5000)];
        self.0.lock().unwrap().extend_from_slice(some);
        Ok(some.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn no_line_of_many_workers_is_lost_or_torn_while_the_file_takes_them() {
    const WORKERS: usize = 4;
    const EACH: usize = 20_000;
    let written = Arc::default();
    let (lines, flusher) = lines(Healthy(Arc::clone(&written))).unwrap();
    let (access, _) = access(&lines, Duration::from_secs(600));
    std::thread::scope(|scope| {
        for worker in 0..WORKERS {
            let writer = access.writer();
            scope.spawn(move || (0..EACH).for_each(|n| log(&*writer, &format!("/{worker}/{n}"))));
        }
    });
    // The log has as long as it takes: the last lines have only a second, which a busy machine may need.
    while lock(&written).split(|byte| *byte == b'\n').count() <= WORKERS * EACH {
        std::thread::yield_now();
    }
    drop(flusher);
    assert_eq!(access.lost(), 0);
    let written = String::from_utf8(lock(&written).clone()).unwrap();
    let paths = paths(&written);
    for worker in 0..WORKERS {
        let of_worker = format!("/{worker}/");
        let found: Vec<_> = paths.iter().filter_map(|path| path.strip_prefix(&of_worker)).collect();
        assert!(found.iter().enumerate().all(|(n, found)| *found == n.to_string()), "in order");
        assert_eq!(found.len(), EACH);
    }
}

#[test]
fn a_reader_that_stalls_costs_lines_of_the_access_log_and_a_worker_waits_for_it_once() {
    let (out, tell, go) = slow();
    let (lines, flusher) = lines(out).unwrap();
    let patience = Duration::from_millis(50);
    let (access, worker) = access(&lines, patience);
    lines.0.gather(b"first\n");
    assert_eq!(tell.recv().unwrap(), "first\n");
    let mut full = 0;
    while access.lost() == 0 {
        log(&*worker, "/full");
        full += 1;
    }
    assert!(lines.0.stalled.load(Ordering::Relaxed));
    let another = access.writer();
    for _ in 0..10 {
        log(&*worker, "/lost");
    }
    assert_eq!(access.lost(), 11);
    // Each worker has room of its own, and so have all other lines.
    log(&*another, "/another");
    lines.0.gather(&vec![b'x'; RESERVE]);
    lines.0.gather(b"lost\n");
    assert_eq!(access.lost(), 12);
    drop(go);
    drop(flusher);
    let written: String = tell.try_iter().collect();
    let of = |wanted: &str| paths(&written).iter().filter(|path| **path == wanted).count();
    assert_eq!((of("/full"), of("/lost"), of("/another")), (full - 1, 0, 1));
    // It is over once the lines are written.
    assert!(!lines.0.stalled.load(Ordering::Relaxed));
}

#[test]
fn the_end_of_the_log_does_not_wait_for_a_reader_that_has_stalled() {
    let (out, tell, go) = slow();
    let (lines, flusher) = lines(out).unwrap();
    lines.0.gather(b"first\n");
    assert_eq!(tell.recv().unwrap(), "first\n");
    lines.0.gather(b"never read\n");
    // It would hang here for as long as `go` is there.
    drop(flusher);
    assert!(lines.0.gathered().end != End::Reached);
    drop(go);
}

/// A disk that is full for the first write.
struct Full {
    full: bool,
    told: mpsc::Sender<String>,
}

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.told.send(String::from_utf8(bytes.to_vec()).unwrap()).unwrap();
        if std::mem::take(&mut self.full) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_write_that_fails_loses_its_lines_and_the_next_one_says_how_many() {
    let (told, tell) = mpsc::channel();
    let (lines, flusher) = lines(Full { full: true, told }).unwrap();
    lines.0.gather(b"lost\nand lost\n");
    assert_eq!(tell.recv().unwrap(), "lost\nand lost\n");
    let subscriber = tracing_subscriber::fmt().with_writer(lines.clone()).without_time().finish();
    // It is said on the log's own thread, where a subscriber of this test alone is not known. From here on
    // the lines of other tests of this process may come in between.
    let _ = tracing::subscriber::set_global_default(subscriber);
    lines.0.gather(b"written\n");
    assert!(tell.iter().any(|written| written.contains("written\n")));
    let said = tell.iter().find(|said| said.contains("lines are missing")).unwrap();
    assert!(said.contains("WARN") && said.contains('2'), "{said}");
    drop(flusher);
}

/// Takes the beginning of its first line, and then has no room; later there is room again.
struct Short(Arc<Mutex<(u8, Vec<u8>)>>);

impl Write for Short {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut out = self.0.lock().unwrap();
        out.0 += 1;
        match out.0 {
            1 => {
                out.1.extend_from_slice(&bytes[..3]);
                Ok(3)
            }
            2 => Err(io::ErrorKind::StorageFull.into()),
            _ => {
                out.1.extend_from_slice(bytes);
                Ok(bytes.len())
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_line_that_was_begun_when_the_disk_was_full_does_not_run_into_the_next() {
    let written = Arc::new(Mutex::new((0, Vec::new())));
    let (lines, flusher) = lines(Short(Arc::clone(&written))).unwrap();
    lines.0.gather(b"first\n");
    while lines.0.lost.load(Ordering::Relaxed) == 0 {
        std::thread::yield_now();
    }
    lines.0.gather(b"second\n");
    drop(flusher);
    let text = String::from_utf8(written.lock().unwrap().1.clone()).unwrap();
    assert!(text.starts_with("fir\nsecond\n"), "{text}");
}

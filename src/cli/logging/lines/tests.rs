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

fn access(lines: &Lines, line: &[u8]) {
    lines.shared.gather(line, true);
}

#[test]
fn lines_of_the_access_log_are_written_together_and_in_order_with_a_warning() {
    let (out, tell, go) = slow();
    let (lines, flusher) = lines(out).unwrap();
    lines.shared.gather(b"first\n", false);
    assert_eq!(tell.recv().unwrap(), "first\n");
    // The writer hangs in its first write, and nobody waits for it.
    access(&lines, b"one\n");
    access(&lines, b"two\n");
    lines.shared.gather(b"warning\n", false);
    access(&lines, b"three\n");
    drop(go);
    drop(flusher);
    assert_eq!(tell.try_iter().collect::<Vec<_>>(), ["one\ntwo\nwarning\nthree\n"]);
}

#[test]
fn nothing_is_lost_when_the_log_ends() {
    let (out, tell, go) = slow();
    drop(go);
    let (lines, flusher) = lines(out).unwrap();
    let all: Vec<String> = (0..1000).map(|n| format!("{n}\n")).collect();
    for (n, line) in all.iter().enumerate() {
        lines.shared.gather(line.as_bytes(), n % 3 > 0);
    }
    drop(flusher);
    assert_eq!(tell.try_iter().collect::<String>(), all.concat());
}

#[test]
fn a_reader_that_does_not_keep_up_costs_lines_of_the_access_log_first_and_memory_is_bounded() {
    let (out, tell, go) = slow();
    let (lines, flusher) = lines(out).unwrap();
    lines.shared.gather(b"first\n", false);
    assert_eq!(tell.recv().unwrap(), "first\n");
    let quarter = |limit: usize| vec![b'x'; limit / 4];
    for _ in 0..6 {
        access(&lines, &quarter(LIMIT));
    }
    let held = |lines: &Lines| {
        let gathered = lines.shared.gathered();
        (gathered.lines.len(), gathered.lost)
    };
    assert_eq!(held(&lines), (LIMIT, 2));
    // The access log is full, and other lines have room of their own.
    for _ in 0..7 {
        lines.shared.gather(&quarter(RESERVE), false);
    }
    assert_eq!(held(&lines), (LIMIT + RESERVE, 5));
    drop(go);
    drop(flusher);
    assert_eq!(tell.try_iter().map(|written| written.len()).sum::<usize>(), LIMIT + RESERVE);
}

#[test]
fn the_end_of_the_log_does_not_wait_for_a_reader_that_has_stalled() {
    let (out, tell, go) = slow();
    let (lines, flusher) = lines(out).unwrap();
    lines.shared.gather(b"first\n", false);
    assert_eq!(tell.recv().unwrap(), "first\n");
    lines.shared.gather(b"never read\n", false);
    // It would hang here for as long as `go` is there.
    drop(flusher);
    assert!(!lines.shared.gathered().ended);
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
    lines.shared.gather(b"lost\nand lost\n", false);
    assert_eq!(tell.recv().unwrap(), "lost\nand lost\n");
    let subscriber = tracing_subscriber::fmt().with_writer(lines.clone()).without_time().finish();
    // It is said on the log's own thread, where a subscriber of this test alone is not known. From here on
    // the lines of other tests of this process may come in between.
    let _ = tracing::subscriber::set_global_default(subscriber);
    lines.shared.gather(b"written\n", false);
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
    lines.shared.gather(b"first\n", false);
    while lines.shared.gathered().lost == 0 {
        std::thread::yield_now();
    }
    lines.shared.gather(b"second\n", false);
    drop(flusher);
    let text = String::from_utf8(written.lock().unwrap().1.clone()).unwrap();
    assert!(text.starts_with("fir\nsecond\n"), "{text}");
}

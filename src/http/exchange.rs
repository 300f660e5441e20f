//! How a connection and its request handlers agree on how many of the client's bytes are passed on.
//!
//! actix decodes every request that it has read before it answers the first one, and a decoded request takes
//! a hundred times the memory of its bytes. So a connection passes requests on one by one: the next head
//! follows once the request before it is answered.

use std::cell::Cell;

use super::limits::ARRIVING;

/// The progress of one connection. Handlers find it in the connection's data.
#[derive(Debug, Default)]
pub struct Exchange {
    progress: Cell<Progress>,
    /// Whether a reply is being sent whose body is made bit by bit.
    streaming: Cell<bool>,
}

#[derive(Debug, Clone, Copy)]
enum Progress {
    /// A head is arriving.
    Head(Head),
    /// A chunked body that must be empty is arriving. Its last chunk and its trailers end like a head: with the
    /// first empty line.
    EmptyBody(Head),
    /// A request is being answered. Its body may still have this many bytes.
    Answering { body: u64 },
    /// The current reply is the last one. Whatever the client sends now is discarded.
    Last,
}

impl Default for Progress {
    fn default() -> Self {
        Self::Head(Head::default())
    }
}

/// The part of a head that has arrived.
#[derive(Debug, Clone, Copy, Default)]
struct Head {
    length: usize,
    /// Whether anything but line endings has arrived. Empty lines before a head do not count (RFC 9112,
    /// section 2.2).
    begun: bool,
    /// Whether the current line has a byte other than its ending.
    in_line: bool,
}

/// How many of the bytes that were read may be passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    /// This many bytes. The rest must wait.
    Bytes(usize),
    /// Nothing: the head is larger than any that is accepted.
    TooLarge,
}

impl Exchange {
    /// Decides how many of these bytes may be passed on, and counts them as passed on.
    pub fn pass(&self, bytes: &[u8]) -> Pass {
        match self.progress.get() {
            Progress::Head(head) => self.pass_lines(head, bytes, Progress::Head),
            Progress::EmptyBody(head) => self.pass_lines(head, bytes, Progress::EmptyBody),
            Progress::Answering { body } => {
                let length = usize::try_from(body).map_or(bytes.len(), |body| body.min(bytes.len()));
                self.progress.set(Progress::Answering { body: body - length as u64 });
                Pass::Bytes(length)
            }
            Progress::Last => Pass::Bytes(0),
        }
    }

    /// Passes lines up to the first empty one, or all of these bytes if that is not among them.
    fn pass_lines(&self, mut head: Head, bytes: &[u8], unfinished: fn(Head) -> Progress) -> Pass {
        match head.find_end(bytes) {
            Some(length) => {
                self.progress.set(Progress::Answering { body: 0 });
                Pass::Bytes(length)
            }
            None if head.length > ARRIVING => {
                self.last();
                Pass::TooLarge
            }
            None => {
                self.progress.set(unfinished(head));
                Pass::Bytes(bytes.len())
            }
        }
    }

    /// Whether the connection waits for bytes of the client, not for an answer to what it has passed on.
    pub fn is_open(&self) -> bool {
        match self.progress.get() {
            Progress::Head(_) | Progress::EmptyBody(_) | Progress::Last => true,
            Progress::Answering { body } => body > 0,
        }
    }

    /// Whether nothing of a request has arrived since the last reply was handed over.
    pub fn is_idle(&self) -> bool {
        matches!(self.progress.get(), Progress::Head(head) if head.length == 0) && !self.streaming.get()
    }

    /// Notes that the body of a reply is being sent bit by bit, or that all of it was sent.
    pub fn streams(&self, streaming: bool) {
        self.streaming.set(streaming);
    }

    /// Whether the current reply is the last one.
    pub fn is_last(&self) -> bool {
        matches!(self.progress.get(), Progress::Last)
    }

    /// Lets the body of the current request pass: this many bytes.
    pub fn body(&self, length: u64) {
        self.progress.set(Progress::Answering { body: length });
    }

    /// Lets a chunked body pass that must be empty.
    pub fn empty_body(&self) {
        self.progress.set(Progress::EmptyBody(Head::default()));
    }

    /// Lets the next request pass, because the current one is answered.
    pub fn next(&self) {
        self.progress.set(Progress::default());
    }

    /// Lets no further request pass.
    pub fn last(&self) {
        self.progress.set(Progress::Last);
    }
}

impl Head {
    /// Returns the length of the part that ends the head: up to its first empty line. Lines may end without
    /// a carriage return, as actix allows.
    fn find_end(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut rest = bytes;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            self.line(&rest[..end]);
            rest = &rest[end + 1..];
            if self.begun && !self.in_line {
                return Some(bytes.len() - rest.len());
            }
            self.in_line = false;
        }
        self.line(rest);
        self.length += bytes.len();
        None
    }

    /// Notes a part of a line, without its ending.
    fn line(&mut self, part: &[u8]) {
        let is_text = part.iter().any(|byte| *byte != b'\r');
        self.in_line |= is_text;
        self.begun |= is_text;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FIRST: &[u8] = b"GET /a HTTP/1.1\r\nhost: x\r\n\r\n";

    #[test]
    fn a_head_passes_up_to_its_empty_line_and_the_next_one_once_it_is_answered() {
        for head in [FIRST, b"GET / HTTP/1.0\n\n", b"\r\n\n\r\nGET / HTTP/1.1\r\na: \r\n\n", b"GET /\n\r\n"] {
            let exchange = Exchange::default();
            let two = [head, b"GET /b"].concat();
            assert_eq!(exchange.pass(&two), Pass::Bytes(head.len()));
            assert_eq!((exchange.pass(b"GET /b"), exchange.is_open()), (Pass::Bytes(0), false));
            exchange.next();
            assert_eq!((exchange.pass(b"GET /b"), exchange.is_open()), (Pass::Bytes(6), true));
        }
    }

    #[test]
    fn a_body_passes_up_to_its_length() {
        let exchange = Exchange::default();
        assert_eq!(exchange.pass(FIRST), Pass::Bytes(FIRST.len()));
        exchange.body(5);
        assert_eq!(exchange.pass(b"\n\n"), Pass::Bytes(2));
        assert!(exchange.is_open());
        assert_eq!(exchange.pass(b"\n\nx\n\nGET"), Pass::Bytes(3));
        assert!(!exchange.is_open());
        exchange.last();
        assert_eq!((exchange.pass(FIRST), exchange.is_last()), (Pass::Bytes(0), true));
    }

    #[test]
    fn an_empty_chunked_body_passes_up_to_its_empty_line() {
        for body in [&b"0\r\n\r\n"[..], b"000;a=b\r\nx: y\r\n\r\n"] {
            let exchange = Exchange::default();
            assert_eq!(exchange.pass(FIRST), Pass::Bytes(FIRST.len()));
            exchange.empty_body();
            assert_eq!((exchange.pass(&body[..1]), exchange.is_open()), (Pass::Bytes(1), true));
            assert_eq!(exchange.pass(&[&body[1..], FIRST].concat()), Pass::Bytes(body.len() - 1));
            assert!(!exchange.is_open());
        }
        let exchange = Exchange::default();
        exchange.empty_body();
        assert_eq!(exchange.pass(&vec![b'0'; ARRIVING]), Pass::Bytes(ARRIVING));
        assert_eq!((exchange.pass(b"0"), exchange.is_last()), (Pass::TooLarge, true));
    }

    #[test]
    fn a_head_that_never_ends_does_not_pass_for_ever() {
        let exchange = Exchange::default();
        assert_eq!(exchange.pass(&vec![b'x'; ARRIVING]), Pass::Bytes(ARRIVING));
        assert_eq!(exchange.pass(b"x"), Pass::TooLarge);
        assert!(exchange.is_last());
    }

    proptest! {
        #[test]
        fn it_makes_no_difference_in_which_parts_a_head_arrives(text in "[\r\nab]{0,30}", cut in 0..31_usize) {
            let all = text.as_bytes();
            let (first, second) = all.split_at(cut.min(all.len()));
            let whole = Exchange::default().pass(all);
            let exchange = Exchange::default();
            let (Pass::Bytes(one), Pass::Bytes(two)) = (exchange.pass(first), exchange.pass(second)) else {
                panic!("it is short")
            };
            prop_assert_eq!(whole, Pass::Bytes(one + two));
        }
    }
}

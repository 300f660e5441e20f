//! Every limit of the server, with its reason.

use std::time::Duration;

/// The longest URL that is answered. The longest version, channel and file name fit many times.
pub const MAX_URI: usize = 4 * 1024;

/// The largest head that is answered, as its names and values together. Above 128 KiB or 96 fields
/// actix refuses it before it gets here.
pub const MAX_HEAD: usize = 16 * 1024;

/// The longest request id that is taken from a client.
pub const MAX_ID: usize = 64;

/// How much of a method or a path is logged, in bytes.
pub const MAX_LOGGED: usize = 256;

/// How many channels an unknown one is compared with, which bounds what a wrong name costs.
pub const COMPARED: usize = 1000;

/// How many connections are served at once on the public listener; more wait to be accepted.
pub const CONNECTIONS: usize = 10_000;

/// The operator's listener is for a few scrapers and probes.
pub const ADMIN_CONNECTIONS: usize = 64;

/// How long a request may take, from its first byte to the first byte of its reply.
pub const REQUEST: Duration = Duration::from_secs(10);

/// A reply that the client does not take must move [`STALL_BYTES`] in each such window. The window is a
/// long one, since the kernel reports room for more only once half of what it holds back has been
/// sent: on a line of 8 kbit/s that takes 20 s and more at a time. Such a line moves some 50 KB in the
/// window, well above the least that is asked of it.
pub const STALL: Duration = Duration::from_secs(60);

/// See [`STALL`].
pub const STALL_BYTES: usize = 16 * 1024;

/// How long an idle connection is kept for a next request.
pub const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// How much longer than [`REQUEST`] actix waits for a connection's first request. Its timer starts with
/// the connection, before ours; it is left to end those that never send a byte. It counts from a clock
/// that it reads every 500 ms, so it may well come that much too early.
pub const SILENCE: Duration = Duration::from_secs(1);

/// After a reply to a request whose body was not read, how long the rest of the body is thrown away.
/// Closed at once, the connection would be reset before the client has read the reply.
pub const LINGER: Duration = Duration::from_secs(1);

/// How long running replies may take after the server was told to stop, in seconds. Containers are
/// killed after 10 s; the workers look once a second whether they are done, so this comes to 8 s.
pub const STOP_SECONDS: u64 = 7;

/// How much of a reply the kernel takes ahead of what the line can carry. Left to itself it takes
/// megabytes, then nothing for minutes, and a slow line cannot be told from a stalled client; seen
/// with one of 8 kbit/s. What is under way is not counted, so fast lines are no slower for it.
#[cfg(target_os = "linux")]
pub const UNSENT: u32 = 32 * 1024;

/// How much of a payload is in memory for one client at a time. A smaller file is read at once.
pub const CHUNK: u64 = 64 * 1024;

/// How much of a body is handed to actix at a time. Its write buffer takes this much before it sends; a
/// large body in one piece would be copied whole for every slow client.
pub const PIECE: usize = 32 * 1024;

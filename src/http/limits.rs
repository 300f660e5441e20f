//! Every limit of the server but one, with its reason. How large a request body may be is in its row of
//! [`routes`](super::routes).

use std::time::Duration;

/// The longest URL that is answered. It has room for many times the longest version, channel or file name.
pub const MAX_URI: usize = 4 * 1024;

/// The largest request head that is answered, names and values together. actix itself refuses more than
/// 128 KiB or 96 fields.
pub const MAX_HEAD: usize = 16 * 1024;

/// The longest request id that is accepted from a client.
pub const MAX_ID: usize = 64;

/// How much of a method or a path is logged, in bytes.
pub const MAX_LOGGED: usize = 256;

/// How many channels an unknown name is compared with. This bounds the cost of a wrong name.
pub const COMPARED: usize = 1000;

/// How many connections the public listener serves at once. Further ones wait to be accepted.
pub const CONNECTIONS: usize = 10_000;

/// How many connections the admin listener serves at once: it is for a few scrapers and probes.
pub const ADMIN_CONNECTIONS: usize = 64;

/// How long a request may take, from its first byte to the first byte of its reply.
pub const REQUEST: Duration = Duration::from_secs(10);

/// While a client is slow to read a reply, [`STALL_BYTES`] must be sent in each window of this length.
/// The window is long because the kernel reports free space only when half of its buffer has been sent,
/// which takes 20 s or more on a line of 8 kbit/s. Such a line carries about 50 KB per window, well above
/// the minimum.
pub const STALL: Duration = Duration::from_secs(60);

/// See [`STALL`].
pub const STALL_BYTES: usize = 16 * 1024;

/// How long an idle connection is kept for the next request.
pub const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// How much longer than [`REQUEST`] actix waits for a connection's first request. Its timer starts with
/// the connection, before ours, and closes connections that never send a byte. It counts from a clock
/// that actix reads every 500 ms, so it may fire that much too early.
pub const SILENCE: Duration = Duration::from_secs(1);

/// How long the server discards the rest of a request body that it has not read, after its reply. If it
/// closed the connection at once, the reset could overtake the reply.
pub const LINGER: Duration = Duration::from_secs(1);

/// How long running replies may take once the server is stopping, in seconds. Containers are killed after
/// 10 s. The workers check once a second whether they are done, so this comes to 8 s.
pub const STOP_SECONDS: u64 = 7;

/// How much unsent data the kernel may buffer for one connection. By default it accepts megabytes and
/// then nothing for minutes, so a slow line looks like a stalled client (seen on a line of 8 kbit/s).
/// Data in flight does not count, so this does not slow down fast lines.
#[cfg(target_os = "linux")]
pub const UNSENT: u32 = 32 * 1024;

/// How much of a payload is in memory for one client at a time. A smaller range is read at once.
pub const PAYLOAD_CHUNK: u64 = 64 * 1024;

/// How much of a body is handed to actix at a time. Its write buffer holds this much before it sends. A
/// large body in one chunk would be copied whole for every slow client.
pub const CHUNK: usize = 32 * 1024;

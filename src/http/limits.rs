//! Every limit of the server, with its reason, except the size of request bodies, which each row of
//! [`routes`](super::routes) has.

use std::time::Duration;

/// The longest URL that is accepted, in bytes. The longest version, channel and file name together would
/// fit many times over.
pub const MAX_URI: usize = 4 * 1024;

/// The largest request head that is accepted, in bytes of names and values. actix itself rejects more than
/// 128 KiB or 96 fields.
pub const MAX_HEAD: usize = 16 * 1024;

/// How much of a request head may arrive before its end does, in bytes. Up to this size, a head over
/// [`MAX_HEAD`] is refused with an explanation.
pub const ARRIVING: usize = 32 * 1024;

/// How much more than its largest body a chunked request may send, in bytes.
pub const CHUNKING: u64 = 4 * 1024;

/// How much is discarded at a time after the last request of a connection, in bytes.
pub const DISCARDED: usize = 4 * 1024;

/// The longest request id that is accepted from a client, in bytes.
pub const MAX_ID: usize = 64;

/// How much of a method or a path is logged, in bytes.
pub const MAX_LOGGED: usize = 256;

/// How many channel names an unknown name is compared with, to suggest similar ones. This bounds the cost
/// of a wrong name.
pub const COMPARED: usize = 1000;

/// How many connections the public listener serves at once, if there are memory and descriptors for so many.
/// Further ones take the places of idle ones, or wait.
pub const CONNECTIONS: usize = 10_000;

/// How many further connections are accepted and wait for the place of an idle one. All others wait to be
/// accepted.
pub const NEXT: usize = 64;

/// The most memory that one client can take, in bytes: a head of `ARRIVING` bytes in a buffer that has just
/// doubled, or a decoded request, a chunk of a payload, and a reply in actix's buffer and in the kernel's. Most
/// take a tenth of it.
pub const CONNECTION_MEMORY: u64 = 256 * 1024;

/// How many connections the admin listener serves at once. Only a few scrapers and probes use it.
pub const ADMIN_CONNECTIONS: usize = 64;

/// How long a request may take, from its first byte to the first byte of its reply.
pub const REQUEST: Duration = Duration::from_secs(10);

/// While a client is slow to read a reply, [`STALL_BYTES`] must be sent in each window of this length. The
/// window is long because the kernel reports free space only when half of its buffer has been sent, which
/// takes 20 s or more on an 8 kbit/s link. Such a link carries about 50 KB per window, well above the
/// minimum.
pub const STALL: Duration = Duration::from_secs(60);

/// See [`STALL`].
pub const STALL_BYTES: usize = 16 * 1024;

/// How long an idle connection is kept open.
pub const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// How long the server keeps discarding the unread rest of a request body after it has replied. If it
/// closed the connection at once, the reset could overtake the reply.
pub const LINGER: Duration = Duration::from_secs(1);

/// How long replies in progress may take once the server is stopping, in seconds. Containers are killed
/// after 10 s. The workers check only once a second whether they are done, so stopping can take 8 s.
pub const STOP_SECONDS: u64 = 7;

/// How much unsent data the kernel may buffer for one connection. By default it accepts megabytes at once
/// and then nothing for minutes, so a client on a slow link looks stalled (seen at 8 kbit/s). Data in
/// flight does not count, so fast links are not slowed down.
#[cfg(target_os = "linux")]
pub const UNSENT: u32 = 32 * 1024;

/// The largest payload that is kept in memory, in bytes. Sending a larger one takes so long that opening it
/// no longer counts.
pub const SMALL_PAYLOAD: u64 = 256 * 1024;

/// How much memory the payloads that are kept there may take, in bytes.
pub const KEPT_PAYLOADS: usize = 32 * 1024 * 1024;

/// How much of a payload is held in memory for one client at a time, in bytes, if it is not sent from the
/// page cache. A range up to this size is read in one go.
pub const PAYLOAD_CHUNK: u64 = 64 * 1024;

/// How much of a file is sent before the page cache is asked for the next part, in bytes. Also how much is
/// sent before other connections of the worker have their turn: at most about a millisecond's worth.
pub const READ_AHEAD: u64 = 1024 * 1024;

/// How much of a file is read at a time into the page cache, in bytes.
pub const READ_CHUNK: usize = 256 * 1024;

/// A client that takes [`READ_AHEAD`] bytes of a file within this time is fast.
pub const FAST: Duration = Duration::from_millis(100);

/// How much of a file the kernel may hold unsent for a fast client, in bytes. With [`UNSENT`], sending a large
/// file would take twice the CPU, because the worker would be woken for every 16 KiB. This takes no memory: the
/// kernel sends the pages of its cache. A fast client that suddenly takes less than 35 KB/s is cut off as a
/// [stalled](STALL) one, and has to ask for the rest.
pub const UNSENT_FAST: u32 = 4 * 1024 * 1024;

/// How much of a body is handed to actix at a time, in bytes. actix buffers this much before it sends. A
/// large body in a single chunk would be copied whole for every slow client.
pub const CHUNK: usize = 32 * 1024;

/// How many answers a worker remembers: those to clusters of 20 channels that run 20 versions each.
pub const RECENT: usize = 512;

/// The longest path and query that are remembered with their answer, in bytes. The longest names of a channel and a
/// version fit, and a client that makes up long queries takes little memory.
pub const MAX_RECENT: usize = 256;

/// The most worker threads that one server of actix can have.
pub const MAX_WORKERS: usize = 512;

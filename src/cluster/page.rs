//! The cluster's own page, which the agent serves to its operator.
//!
//! Other users and pods share a machine's loopback, and a browser sends a cookie to every port of a host. So the page
//! shows and does nothing outside a session. A token that works once, and only for a minute, opens a session, which is
//! bound to a random path and to a cookie of that path. Each form carries a token of its session, `Host` must be a name
//! that only this machine gives itself (which stops DNS rebinding), and `Origin` must be the page's own. To other machines,
//! it is served only with TLS; there a browser has compared the name with the certificate's.
//!
//! Each request becomes an `Asked`, and is answered by a function from that to a
//! `Reply`. What a button does is done by [`orders`](super::orders), as by the command line.

mod answer;
mod certificate;
mod listen;
mod message;
mod server;
mod session;
mod token;
mod view;

pub use certificate::{Certificate, CertificateError, Files};
pub use listen::{Address, Listen, ListenError, Way};
pub use server::{PageError, Serving, start};
pub use token::{OpenError, clear, open};

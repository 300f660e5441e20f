//! Tidegate, an update channel server.
//!
//! Release engineers add releases to a YAML catalog. A release enters its pre-production channel,
//! soaks there, and is promoted to production by itself, unless a gate stops it. Clusters ask the
//! server what to do next. Every decision can be explained, and everything that a cluster acts on
//! can be verified without trusting the server.
//!
//! # How data flows
//!
//! ```text
//! channels/ ──read──> Catalog ──decide(catalog, now)──> promotions ──commit──> channels/
//!                       │
//!                       └──publish(catalog, keys, now)──> Publication ──> HTTP
//! ```
//!
//! Three moves, one way: read, decide, publish. A request is a lookup in the publication and a
//! write: nothing is signed, serialised, compressed or decided for it.
//!
//! # The rooms
//!
//! | room | what it is | may use |
//! |---|---|---|
//! | [`domain`] | releases, lines, channels; what is decided about them, and why | nothing else |
//! | [`operations`] | what people and programs ask of a catalog: hold, yank, add, promote … | domain |
//! | [`words`] | every sentence that people read about the domain, and about outcomes of operations | domain, operations |
//! | [`formats`] | the domain as bytes and back: YAML, manifests, TUF's roles, JSON | domain, words |
//! | [`signing`] | keys, signing and verifying | domain, formats |
//! | [`store`] | what any store must do, and one made of folders whose files survive a crash | domain, formats |
//! | [`publish`] | a catalog, keys and a time become a publication | domain, words, formats, signing |
//! | [`clock`] | the time | domain |
//! | [`promoter`] | the loop: read, decide, commit, publish, swap | domain, operations, words, signing, publish, clock, `store::port` |
//! | [`http`] | what clients see | domain, words, formats, publish, clock, `store::port`, `promoter::status` |
//! | [`tls`] | whom connections to other servers trust | nothing else |
//! | [`cluster`] | the cluster's side: verify, decide, download, apply | domain, words, formats, signing, clock, tls, `store::durable` |
//! | `cli` | what people and CI type; only `main` uses it | all |
//!
//! `tests/architecture` holds these arrows as data and reads every path in `src/` against them.
//!
//! # What always holds
//!
//! - **Domain, words and formats are pure.** No files, network, environment or async in them, and the
//!   domain knows no YAML.
//! - **The time is an argument.** Only [`clock`] reads it, so any day can be tested.
//! - **There is one decision.** [`decide`](domain::promotion::decide) says whether a release goes on
//!   and [`answer`](domain::upgrade::answer) what a cluster does next; the promoter, the command
//!   line and the API show the same ones.
//! - **A decision carries its reasons**, as figures. [`words`] makes sentences of them where they are shown.
//! - **No answer goes down.** Not to an older version, not over a barrier, not past the minor gate.
//! - **A publication never changes.** It is made whole, verified as a client would, stored, and
//!   then swapped in.
//! - **Nothing steps back** from one publication to the next, but for a yank:
//!   [`stepback`](domain::stepback).
//! - **Lines fail alone.** A faulty line keeps its last good documents while the others go on.
//! - **The online key only narrows** what release keys have signed.
//!
//! # Where do I find
//!
//! | what | where |
//! |---|---|
//! | what a gate is, and when it opens | [`domain::promotion`] |
//! | stops that are dated ahead | [`domain::stop`] |
//! | the minor gate, barriers, what a yank does to clusters | [`domain::upgrade`] |
//! | a sentence, a remedy, a command to copy | [`words`] |
//! | how versions are ordered | [`domain::version`] |
//! | a rule of the catalog | [`domain::rules`]; what people read where it is broken: [`words::rules`] |
//! | a key of a catalog file, and what is wrong with it | [`formats::yaml`], [`formats::schema`] |
//! | how a machine edits YAML and leaves comments alone | [`formats::edit`] |
//! | the signed documents | [`formats::manifest`], [`formats::tuf`] |
//! | the form of everything signed | [`signing::Signed`] |
//! | what a client refuses | [`signing::verify`], [`signing::Violation`] |
//! | which documents may follow which | [`signing::continuity`] |
//! | which files a release key signs | [`signing::ceremony`] |
//! | a ceremony: who must sign a change of keys, and what is refused | [`signing::ceremony::Ceremony`] |
//! | what signs: a key, or a command | [`signing::Signer`] |
//! | what a store must do, and the tests that any store must pass | [`store::port`] |
//! | how a write survives a crash | [`store::durable`] |
//! | what a turn decides | [`publish::Decided`] |
//! | a publication, and how it is stored | [`publish::publication`], [`publish::pack`] |
//! | what a refused line keeps | `publish/last_good.rs` |
//! | a reply's bytes, tag and encodings | [`publish::document`] |
//! | a route | [`http`], one file for each resource |
//! | what a cluster verifies before it acts | [`cluster::client`] |
#![warn(rustdoc::broken_intra_doc_links)]

pub mod domain;
pub mod operations;
pub mod words;

pub mod formats;
pub mod signing;
pub mod store;

pub mod clock;
pub mod promoter;
pub mod publish;

pub mod http;
pub mod tls;

#[cfg(feature = "client")]
pub mod cluster;

pub mod cli;

//! Tidegate, an update channel server.
//!
//! Release engineers add releases to a YAML catalog. A release enters its pre-production channel, soaks
//! there, and is then promoted to production automatically, unless a gate stops it. Clusters ask the server
//! what to do next. Every decision can be explained, and everything that a cluster acts on can be verified
//! without trusting the server.
//!
//! # How data flows
//!
//! ```text
//! channels/ ──read──> Catalog ──decide(catalog, now)──> promotions ──commit──> channels/
//!                       │
//!                       └──publish(catalog, keys, now)──> Publication ──> HTTP
//! ```
//!
//! Data flows one way, in three steps: read, decide, publish. A request only looks something up in the
//! publication and writes it out: it signs, serialises, compresses and decides nothing. Only names are put into
//! some answers ([`publish::updates`]), and some pages of the console are made for one reader.
//!
//! # The modules
//!
//! | module | what it is | may use |
//! |---|---|---|
//! | [`domain`] | releases, lines, channels; the decisions about them, and the reasons | nothing else |
//! | [`operations`] | the changes that people and programs make to a catalog: hold, yank, add, promote … | domain |
//! | [`words`] | every sentence that people read about the domain and the results of operations | domain, operations |
//! | [`formats`] | reading and writing the domain: YAML, manifests, TUF roles, JSON | domain, words |
//! | [`console`] | the pages that people look at | domain, words |
//! | [`signing`] | keys, signing and verifying | domain, formats |
//! | [`store`] | the interface of every store, and a store in folders whose files survive a crash | domain, formats |
//! | [`publish`] | makes a publication from a catalog, keys and a time | domain, words, formats, console, signing |
//! | [`clock`] | the time | domain |
//! | [`promoter`] | the loop: read, decide, commit, publish, swap | domain, operations, words, signing, publish, clock, `store::port` |
//! | [`http`] | what clients see | domain, words, formats, console, publish, clock, `store::port`, `promoter::status` |
//! | [`remote`] | other servers: their addresses, proxies and certificates, and how they are asked | `store::plain` |
//! | [`cluster`] | the cluster's side: verify, decide, download, apply; its own page | domain, words, formats, console, signing, clock, remote, `store::durable`, `store::plain`, `store::secret` |
//! | `cli` | the commands; used only by `main` | all |
//!
//! `tests/architecture` lists these dependencies as data, and checks every path in `src/` against them.
//!
//! # What always holds
//!
//! - **Domain, words, formats and console are pure.** They use no files, network, environment or async, and the
//!   domain knows no YAML.
//! - **The time is an argument.** Only [`clock`] reads the time, so everything else can be tested for any
//!   date.
//! - **There is one decision.** [`decide`](domain::promotion::decide) says whether a release is promoted,
//!   and [`answer`](domain::upgrade::answer) what a cluster should do next; the promoter, the command line
//!   and the API all show the same result.
//! - **A decision carries its reasons**, as data. [`words`] turns them into sentences only where they are
//!   shown.
//! - **Upgrades only go up.** No answer leads to an older version, over a barrier, or past the minor gate.
//! - **A publication never changes.** It is built completely, verified as a client would verify it, stored,
//!   and then swapped in.
//! - **Nothing steps back** from one publication to the next, except by a yank:
//!   [`stepback`](domain::stepback).
//! - **Lines fail alone.** The last good documents of a faulty line are still served while the other lines
//!   move on.
//! - **Stops come first.** A stop is taken and served whatever else is wrong, and what vanishes opens nothing.
//! - **The online key only narrows** what release keys have signed: it can offer less, never more.
//!
//! # Where do I find
//!
//! | what | where |
//! |---|---|
//! | what a gate is, and when it opens | [`domain::promotion`] |
//! | holds, yanks and pauses dated in the future | [`domain::stop`] |
//! | what can be stopped in a faulty line | [`Catalog::salvaged`](domain::catalog::Catalog::salvaged) |
//! | what vanished from the catalog, and counts all the same | [`domain::restraint`] |
//! | the minor gate, barriers, what a yank does to clusters | [`domain::upgrade`] |
//! | a sentence, a hint, a command to copy | [`words`] |
//! | how versions are ordered | [`domain::version`] |
//! | a rule of the catalog | [`domain::rules`]; its messages: [`words::rules`] |
//! | a key of a catalog file, and its errors | [`formats::yaml`], [`formats::schema`] |
//! | how YAML is edited without touching comments | [`formats::edit`] |
//! | the signed documents | [`formats::manifest`], [`formats::tuf`] |
//! | the format of every signed document | [`signing::Signed`] |
//! | what a client rejects | [`signing::verify`], [`signing::Violation`] |
//! | which document may replace which | [`signing::continuity`] |
//! | which files a release key signs | [`signing::ceremony`] |
//! | a ceremony: who must sign a change of keys, and what is rejected | [`signing::ceremony::Ceremony`] |
//! | what a keeper compares a ceremony with | [`signing::ceremony::Held`]; pins: `cli/ceremony/pins.rs` |
//! | a signer: a key, or a command | [`signing::Signer`] |
//! | what a store must do, and the tests that every store must pass | [`store::port`] |
//! | how a write survives a crash | [`store::durable`] |
//! | what a turn decides | [`publish::Decided`] |
//! | a publication, and its stored form | [`publish::publication`], [`publish::pack`] |
//! | what is still served for a refused line | `publish/last_good.rs` |
//! | a reply's bytes, tag and encodings | [`publish::document`] |
//! | a page of the console | [`console`]; the pages that are made at publication: [`publish::pages`] |
//! | what has happened, and who is named | [`domain::history`], [`domain::nameless`] |
//! | a route | `http/routes.rs`; the handlers are in one file for each resource |
//! | what a cluster verifies before it acts | [`cluster::client`] |
//! | what a cluster's operator orders | [`cluster::orders`]; on its own page: [`cluster::page`] |
#![warn(rustdoc::broken_intra_doc_links)]

pub mod domain;
pub mod operations;
pub mod words;

pub mod console;
pub mod formats;
pub mod signing;
pub mod store;

pub mod clock;
pub mod promoter;
pub mod publish;

pub mod http;
pub mod remote;

#[cfg(feature = "client")]
pub mod cluster;

pub mod cli;

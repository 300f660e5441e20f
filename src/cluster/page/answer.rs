//! Answers a request to the page.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::listen::Listen;
use super::message::Message;
use super::session::{Sessions, is_same};
use super::token::Tokens;
use super::view::view;
use crate::clock::SharedClock;
use crate::cluster::Refusal;
use crate::cluster::folder::{Approval, Folder};
use crate::cluster::record::By;
use crate::cluster::{notes, orders};
use crate::console::cluster::{Outcome, Told};
use crate::console::{SCRIPT, STYLES, cluster};
use crate::domain::channel::ChannelName;
use crate::domain::upgrade::Advice;
use crate::domain::version::Version;

/// The longest reason for a pause, in characters.
const LONGEST_REASON: usize = 200;

/// The longest token that the entrance repeats in its form.
const LONGEST_TOKEN: usize = 100;

/// The paths of all orders, as the log shows them.
const ORDERS: [&str; 8] = [
    "/SESSION/check",
    "/SESSION/retry",
    "/SESSION/approve",
    "/SESSION/pause",
    "/SESSION/resume",
    "/SESSION/approval",
    "/SESSION/ask",
    "/SESSION/follow",
];

/// How long the page waits before it asks again whether something has changed, in milliseconds.
const RETRY: u32 = 2_000;

/// How long the server may take to answer a question. A person waits for it, and so do the agent's checks.
const PATIENCE: Duration = Duration::from_secs(20);

/// What is served, and who may see it.
pub struct Page {
    pub folder: Folder,
    pub clock: SharedClock,
    pub listen: Listen,
    pub tokens: Mutex<Tokens>,
    pub sessions: Mutex<Sessions>,
}

/// What a request says, as far as it matters.
#[derive(Debug, Default)]
pub struct Asked {
    /// `GET`, `POST` or another method.
    pub method: String,
    pub path: String,
    /// The `token` in the query.
    pub token: String,
    /// `None` unless there is exactly one.
    pub host: Option<String>,
    pub origin: Option<String>,
    /// `Sec-Fetch-Site` and `Sec-Fetch-Mode`: what browsers alone say, and no script can change.
    pub site: Option<String>,
    pub mode: Option<String>,
    pub cookies: String,
    /// The event that the reader has seen last.
    pub seen: Option<String>,
    pub fields: Fields,
}

/// The fields of all forms.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Fields {
    pub token: String,
    pub csrf: String,
    pub version: String,
    pub channel: String,
    pub approval: String,
    pub reason: String,
}

/// What to reply.
#[derive(Debug, PartialEq, Eq)]
pub enum Reply {
    Page(u16, String),
    /// A stylesheet or a script, with its media type.
    Asset(&'static str, &'static str),
    Events(String),
    /// 303 to another address, with a cookie to set.
    Moved(String, Option<String>),
}

/// A reply, and the path as the log shows it: without the secret part.
pub type Answer = (&'static str, Reply);

impl Page {
    /// Answers a request.
    pub fn answer(&self, asked: &Asked) -> Answer {
        let Some(host) = asked.host.as_deref().filter(|host| self.listen.is_own(host)) else {
            let hint = "use the address that `tidegate cluster open` prints";
            return (
                "(wrong host)",
                refused(421, "Wrong host", "this page has another host name or port", hint),
            );
        };
        if asked.method == "POST" && !is_from_here(asked, &self.listen.origin(host)) {
            let hint = "use the forms of this page";
            return (
                "(wrong origin)",
                refused(403, "Wrong origin", "the form was sent by another site", hint),
            );
        }
        match (asked.method.as_str(), asked.path.as_str()) {
            ("GET", "/") if !asked.token.is_empty() => {
                let token: String = asked.token.chars().take(LONGEST_TOKEN).collect();
                ("/", Reply::Page(200, cluster::entrance(self.folder.name(), &token).into_string()))
            }
            ("GET", "/console.css") => ("/console.css", Reply::Asset("text/css; charset=utf-8", STYLES)),
            ("GET", "/console.js") => ("/console.js", Reply::Asset("text/javascript; charset=utf-8", SCRIPT)),
            ("POST", "/open") => ("/open", self.open(&asked.fields.token)),
            ("GET" | "POST", path) => self.in_session(path, asked),
            _ => (
                "(wrong method)",
                refused(405, "Method not allowed", "this page answers `GET` and `POST`", ""),
            ),
        }
    }

    fn sessions(&self) -> MutexGuard<'_, Sessions> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self, token: &str) -> Reply {
        let is_good =
            self.tokens.lock().unwrap_or_else(PoisonError::into_inner).redeem(token, self.clock.now());
        if !is_good {
            let name = self.folder.name();
            let hint = format!("for another one: `tidegate cluster open {name}`");
            return refused(403, "Invalid link", "a link works once, and only for a minute", &hint);
        }
        match self.sessions().open(self.clock.monotonic(), self.listen.is_tls()) {
            Ok((path, cookie)) => Reply::Moved(format!("/{path}/"), Some(cookie)),
            Err(error) => refused(500, "No randomness", &format!("a session cannot be opened: {error}"), ""),
        }
    }

    /// Answers what only a session may ask. Whoever has none learns nothing, not even which paths there are.
    fn in_session(&self, path: &str, asked: &Asked) -> Answer {
        let is_post = asked.method == "POST";
        // The script follows the page by itself, which is no use of it.
        let is_used = is_post || asked.mode.as_deref().is_none_or(|mode| mode == "navigate");
        let (secret, action) = path.trim_start_matches('/').split_once('/').unwrap_or_default();
        let now = self.clock.monotonic();
        let mut sessions = self.sessions();
        let Some(session) = sessions.find(secret, &asked.cookies, now, is_used) else {
            let hint = format!("open one: `tidegate cluster open {}`", self.folder.name());
            return ("(no session)", refused(403, "No session", "this address needs a session", &hint));
        };
        let (csrf, message) = (session.csrf.clone(), session.message.clone());
        if !is_post && action.is_empty() {
            session.message.as_mut().into_iter().for_each(|message| message.is_seen = true);
        }
        drop(sessions);
        if !is_post {
            return match action {
                "" => ("/SESSION/", self.page(&csrf, message.as_ref())),
                "events" => ("/SESSION/events", self.events(&csrf, message.as_ref(), asked.seen.as_deref())),
                _ => ("(unknown)", unknown()),
            };
        }
        if !is_same(&csrf, &asked.fields.csrf) {
            let hint = "load the page again, and use its forms";
            return (
                "(invalid form)",
                refused(403, "Invalid form", "the form does not have the token of this session", hint),
            );
        }
        if action == "leave" {
            self.sessions().close(secret);
            return ("/SESSION/leave", Reply::Moved("/".to_owned(), None));
        }
        let is_asked = |shown: &&&str| shown.strip_prefix("/SESSION/") == Some(action);
        let Some(shown) = ORDERS.iter().find(is_asked) else { return ("(unknown)", unknown()) };
        let outcome = self.order(action, &asked.fields).unwrap_or_else(Outcome::Refused);
        let told = Told { at: self.clock.now(), outcome };
        let message = Message::new(told, view(&self.folder, self.clock.now()).ok().as_ref());
        if let Some(session) = self.sessions().find(secret, &asked.cookies, now, false) {
            session.message = Some(message);
        }
        (shown, Reply::Moved(format!("/{secret}/"), None))
    }

    fn page(&self, csrf: &str, message: Option<&Message>) -> Reply {
        match view(&self.folder, self.clock.now()) {
            Ok(view) => {
                let told = message.and_then(|message| message.beside(&view));
                Reply::Page(200, cluster::cluster(&view, told, csrf).into_string())
            }
            Err(refusal) => refused(500, "The state cannot be read", &refusal.to_string(), &refusal.hint()),
        }
    }

    /// Says whether the page has changed, and ends at once: the browser comes back after [`RETRY`].
    fn events(&self, csrf: &str, message: Option<&Message>, seen: Option<&str>) -> Reply {
        let Reply::Page(_, page) = self.page(csrf, message) else { return unknown() };
        let id = hex::encode(&Sha256::digest(page)[..8]);
        let event = if seen == Some(&id) {
            String::new()
        } else {
            format!("event: published\nid: {id}\ndata: {id}\n\n")
        };
        Reply::Events(format!("retry: {RETRY}\n\n{event}"))
    }

    /// Gives an order. Returns what came of it, or why it was refused.
    fn order(&self, action: &str, fields: &Fields) -> Result<Outcome, String> {
        let folder = &self.folder;
        let text = match action {
            "check" => {
                orders::check(folder, false).map(|_| "the agent checks now").map_err(failed("check"))?
            }
            "retry" => orders::check(folder, true)
                .map(|_| "the agent checks now, and may try the release again")
                .map_err(failed("retry"))?,
            "pause" => {
                let reason: String = fields.reason.trim().chars().take(LONGEST_REASON).collect();
                let reason = (!reason.is_empty()).then_some(reason);
                let paused = orders::pause(folder, &self.clock, By::Page, reason, || {});
                paused.map(|_| "updates are paused").map_err(failed("pause"))?
            }
            "resume" => orders::resume(folder, &self.clock, By::Page)
                .map(|_| "updates go on")
                .map_err(failed("resume"))?,
            "approval" => {
                let (approval, text) = match fields.approval.as_str() {
                    "admin" => (Approval::Admin, "from now on, somebody approves each release"),
                    "automatic" => (Approval::Automatic, "from now on, each release is applied at once"),
                    other => return Err(format!("there is no strategy `{other}`")),
                };
                let changed =
                    orders::configure(folder, &self.clock, &By::Page, |config| config.approval = approval);
                changed.map(|_| text).map_err(failed("change the strategy"))?
            }
            "approve" => return self.approve(&fields.version),
            _ => return self.ask(&fields.channel, action == "follow"),
        };
        Ok(Outcome::Done(text.to_owned()))
    }

    fn approve(&self, version: &str) -> Result<Outcome, String> {
        let version = Version::parse(version).map_err(|error| error.to_string())?;
        orders::approve(&self.folder, &self.clock, By::Page, &version)
            .map_err(|error| format!("cannot approve `{version}`: {error}"))?;
        Ok(Outcome::Done(format!("`{version}` is approved, and the agent applies it")))
    }

    /// Asks what a channel would tell the cluster, and follows it if that is wanted.
    fn ask(&self, channel: &str, follow: bool) -> Result<Outcome, String> {
        let channel = ChannelName::parse_any_case(channel).map_err(|error| error.to_string())?;
        let what = if follow { format!("follow `{channel}`") } else { format!("ask about `{channel}`") };
        let checked =
            orders::ask(&self.folder, &self.clock, &channel, Some(PATIENCE)).map_err(failed(&what))?;
        let config = self.folder.read().map_err(failed(&what))?.config;
        let own = &checked.channel;
        if follow {
            orders::follow(&self.folder, &self.clock, &By::Page, &checked).map_err(failed(&what))?;
            // The state, which is shown below, says what it advises.
            return Ok(Outcome::Done(format!("the cluster follows `{own}`")));
        }
        let is_blocked = matches!(checked.answer().advice, Advice::Blocked(_));
        let first = notes::first(&checked).filter(|first| *first != config.channel);
        let first = first.map(|first| first.to_string());
        let word = if is_blocked { "blocked" } else { "" };
        let advice = cluster::Advice::new(&notes::advice(&checked, &config), word, first);
        Ok(Outcome::Answer { channel: own.to_string(), is_own: *own == config.channel, is_blocked, advice })
    }
}

/// What could not be done, why, and the way out.
fn failed(what: &str) -> impl FnOnce(Refusal) -> String + use<'_> {
    move |refusal| format!("cannot {what}: {refusal}; {}", refusal.hint())
}

fn refused(status: u16, title: &str, detail: &str, hint: &str) -> Reply {
    Reply::Page(status, cluster::refusal(title, detail, hint).into_string())
}

fn unknown() -> Reply {
    refused(404, "Not found", "there is no such address", "")
}

/// Whether a form was sent by a page of this server. `Origin` is `null` in a form of a page with the policy
/// `no-referrer`; then the browser must say that it is the same site. What is no browser says neither, and needs the
/// tokens all the same.
fn is_from_here(asked: &Asked, own: &str) -> bool {
    let is_same_site = asked.site.as_deref() == Some("same-origin");
    match asked.origin.as_deref() {
        None => asked.site.is_none() || is_same_site,
        Some("null") => is_same_site,
        Some(origin) => origin == own && (asked.site.is_none() || is_same_site),
    }
}

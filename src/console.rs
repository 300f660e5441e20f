//! The console: pages that show people what is out, what is on its way, what keeps it, and who can change that.
//!
//! Each page is a function from values of the domain, or from what the HTTP service publishes, to markup. Pages need
//! no script: [`SCRIPT`] only counts down and reloads. Styles are in [`STYLES`] alone, as the content security policy
//! demands.

pub mod board;
pub mod calendar;
pub mod channel;
#[cfg(feature = "client")]
pub mod cluster;
pub mod frame;
pub mod freezes;
pub mod history;
mod mark;
mod needs;
pub mod release;
pub mod status;
mod text;
mod track;
pub mod trust;
pub mod view;

pub use maud::Markup;

/// The stylesheet of all pages.
pub const STYLES: &str = include_str!("console/console.css");

/// The script of all pages.
pub const SCRIPT: &str = include_str!("console/console.js");

/// The headers of every page, which keep it from being used against its readers.
pub const HEADERS: [(&str, &str); 7] = [
    ("content-type", "text/html; charset=utf-8"),
    ("content-security-policy", POLICY),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
];

/// What the pages may do: load the own stylesheet and script, ask this server, and nothing else.
pub const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

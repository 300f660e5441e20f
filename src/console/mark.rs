//! The signs of the console. A state is a word first, then a shape, then a colour.

use maud::{Markup, html};

/// How something stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    /// As it should be: a tick.
    Go,
    /// It needs time: a clock.
    Wait,
    /// It needs somebody: a square.
    Stop,
}

/// A state: its sign, and its word.
pub(super) fn mark(mark: Mark, word: &str) -> Markup {
    let class = match mark {
        Mark::Go => "mark go",
        Mark::Wait => "mark wait",
        Mark::Stop => "mark halt",
    };
    html! {
        span class=(class) {
            svg viewBox="0 0 12 12" aria-hidden="true" {
                @match mark {
                    Mark::Go => path d="M1.5 6.5 4.5 9.5 10.5 2.5" fill="none" stroke="currentColor" stroke-width="2" {},
                    Mark::Wait => {
                        circle cx="6" cy="6" r="5" fill="none" stroke="currentColor" stroke-width="1.6" {}
                        path d="M6 3v3.2L8 7.5" fill="none" stroke="currentColor" stroke-width="1.6" {}
                    }
                    Mark::Stop => rect x="1.5" y="1.5" width="9" height="9" fill="currentColor" {},
                }
            }
            (word)
        }
    }
}

/// The sign of the project: a gate in the water.
pub(super) fn brand() -> Markup {
    html! {
        svg viewBox="0 0 22 22" aria-hidden="true" {
            path d="M2 14c3 0 3-3 6-3s3 3 6 3 3-3 6-3" fill="none" stroke="currentColor" stroke-width="2" {}
            path d="M11 3v16" stroke="currentColor" stroke-width="2" {}
        }
    }
}

/// The pattern of time that is late, for all tracks of a page.
pub(super) fn hatch() -> Markup {
    html! {
        svg.defs aria-hidden="true" focusable="false" {
            defs {
                pattern #hatch width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)" {
                    rect width="6" height="6" class="rest" {}
                    line x1="0" y1="0" x2="0" y2="6" class="hl" {}
                }
            }
        }
    }
}

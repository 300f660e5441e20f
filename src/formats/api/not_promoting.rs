//! Why a server does not promote.

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::degraded::ClockDoubt;
use crate::domain::not_promoting::NotPromoting;
use crate::domain::rfc3339;
use crate::formats::sparse::sparse;
use crate::words;

sparse! {
    /// Why a server does not promote. Times are in RFC 3339.
    #[derive(Debug, Default, Serialize, ToSchema)]
    pub struct NotPromotingBody {
        /// `promote_off`, or the kind of what is degraded: `clock_untrusted`, `read_failing`,
        /// `signing_failing`, `publish_failing` or `commit_failing`.
        pub kind: &'static str,
        pub message: String,
        @optional {
            /// For `clock_untrusted`: the time that the server's clock shows.
            clock: String,
            /// For `clock_untrusted`: the time that the clock should show, or should have passed.
            expected: String,
        }
    }
}

impl NotPromotingBody {
    /// Describes the reason.
    pub fn of(why: NotPromoting) -> Self {
        let body = Self { kind: why.name(), message: words::not_promoting(why), ..Self::default() };
        match why {
            NotPromoting::Clock(
                ClockDoubt::Turned { now, expected, .. } | ClockDoubt::Behind { now, made: expected },
            ) => Self { clock: Some(rfc3339(now)), expected: Some(rfc3339(expected)), ..body },
            NotPromoting::Off | NotPromoting::Failing(_) => body,
        }
    }
}

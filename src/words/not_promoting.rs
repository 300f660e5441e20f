//! Why a server does not promote.

use super::degraded::clock_reading;
use crate::domain::degraded::DegradedKind;
use crate::domain::not_promoting::NotPromoting;

/// Says why the server does not promote, and who ends that.
pub fn not_promoting(why: NotPromoting) -> String {
    let mends = |what: &str| format!("the server promotes nothing until its operator mends a fault: {what}");
    match why {
        NotPromoting::Off => {
            "the server runs with `--promote off`, so a release engineer must run `tidegate promote`, by hand or in CI"
                .to_owned()
        }
        NotPromoting::Clock(doubt) => format!(
            "the server promotes nothing until its operator corrects or confirms its clock: {}",
            clock_reading(&doubt)
        ),
        NotPromoting::Failing(DegradedKind::CommitFailing) => {
            "the server cannot write the promotion into the catalog until its operator mends a fault"
                .to_owned()
        }
        NotPromoting::Failing(DegradedKind::RestraintsForgotten) => {
            mends("it cannot read which holds, freezes and other restraints the catalog must still have")
        }
        NotPromoting::Failing(DegradedKind::ReadFailing) => mends("it cannot read the catalog"),
        NotPromoting::Failing(DegradedKind::SigningFailing) => mends("it cannot sign"),
        NotPromoting::Failing(_) => mends("it cannot publish"),
    }
}

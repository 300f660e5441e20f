//! `/v1/promotions`.

use actix_web::HttpResponse;

use super::ask::Ask;
use super::problem::Problem;
use super::reply::{self, Cache};

/// Every decision
///
/// The decision for every release that is not in its last stage, with all its gates.
#[utoipa::path(
    get,
    path = "/v1/promotions",
    tag = "releases",
    operation_id = "promotions",
    responses((status = 200, description = "Every decision", body = crate::formats::api::PromotionsBody))
)]
pub fn list(ask: &Ask<'_>) -> Result<HttpResponse, Problem> {
    reply::document(ask.request, ask.current()?.promotions(), Cache::Minute)
}

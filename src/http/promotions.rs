//! `/v1/promotions`.

use actix_web::{HttpRequest, HttpResponse};

use super::extract::Current;
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
    responses((status = 200, description = "Every decision", body = serde_json::Value))
)]
pub async fn list(request: HttpRequest, current: Current) -> Result<HttpResponse, Problem> {
    reply::document(&request, current.promotions(), Cache::Minute)
}

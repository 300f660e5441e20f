//! `/v1/promotions`.

use actix_web::HttpResponse;

use crate::http::ask::Ask;
use crate::http::problem::Problem;
use crate::http::reply::{self, Cache};

pub fn list(ask: &Ask<'_>) -> Result<HttpResponse, Problem> {
    reply::document(ask.request, &ask.current()?.promotions, Cache::Minute)
}

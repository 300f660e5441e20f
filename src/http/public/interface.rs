//! `/openapi.json`.

use actix_web::HttpResponse;

use crate::http::ask::Ask;
use crate::http::problem::Problem;
use crate::http::reply::{self, Cache};

pub fn get(ask: &Ask<'_>) -> Result<HttpResponse, Problem> {
    reply::document(ask.request, &ask.state.openapi, Cache::Minute)
}

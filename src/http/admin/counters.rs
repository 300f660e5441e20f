//! `/metrics`.

use actix_web::HttpResponse;
use actix_web::http::header::CACHE_CONTROL;

use crate::http::ask::Ask;
use crate::http::metrics::MEDIA;

pub fn get(ask: &Ask<'_>) -> HttpResponse {
    let Ok(text) = ask.state.metrics.text() else { return HttpResponse::InternalServerError().finish() };
    HttpResponse::Ok()
        .content_type(format!("{MEDIA}; version=1.0.0; charset=utf-8"))
        .insert_header((CACHE_CONTROL, "no-store"))
        .body(text)
}

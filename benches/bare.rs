//! A bare actix-web handler that answers with the status, the heads and the bytes of another server: what
//! `benches/http.sh` measures Tidegate against. It has Tidegate's allocator, number of workers and keep-alive.
//!
//! `bare ADDRESS (PATH HEAD-FILE BODY-FILE)…`

use std::io::{Error, Result};
use std::time::Duration;

use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::{App, HttpResponse, HttpServer, web};
use bytes::Bytes;

#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// What one path is answered with.
#[derive(Clone)]
struct Answer {
    path: String,
    status: StatusCode,
    head: Vec<(HeaderName, HeaderValue)>,
    body: Bytes,
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    // `cargo bench` starts every benchmark, this one for nothing.
    let Some((address, answers)) = arguments.split_first() else { return Ok(()) };
    let answers = answers.chunks_exact(3).map(answer).collect::<Result<Vec<_>>>()?;
    let server = HttpServer::new(move || {
        answers.iter().fold(App::new(), |app, answer| {
            let own = answer.clone();
            let handler = move || {
                let mut response = HttpResponse::with_body(own.status, BoxBody::new(own.body.clone()));
                for (name, value) in &own.head {
                    response.headers_mut().insert(name.clone(), value.clone());
                }
                std::future::ready(response)
            };
            app.service(web::resource(answer.path.clone()).route(web::get().to(handler)))
        })
    });
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(server.workers(1).keep_alive(Duration::from_secs(30)).bind(address)?.run())
}

/// Reads a head as `curl --dump-header` writes it, without what actix adds by itself.
fn answer(files: &[String]) -> Result<Answer> {
    let [path, head, body] = files else { return Err(Error::other("three arguments for each path")) };
    let text = std::fs::read_to_string(head)?;
    let status = text
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .ok_or_else(|| Error::other("no status"))?;
    let fields = text.lines().filter_map(|line| line.trim().split_once(": "));
    let own = |name: &str| !["date", "content-length", "connection"].contains(&name.to_lowercase().as_str());
    let head = fields.filter(|(name, _)| own(name)).map(|(name, value)| {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(Error::other)?;
        Ok((name, HeaderValue::from_str(value).map_err(Error::other)?))
    });
    let head = head.collect::<Result<_>>()?;
    Ok(Answer { path: path.clone(), status, head, body: std::fs::read(body)?.into() })
}

//! `tough` before a running server.

use std::future::Future;
use std::path::Path;
use std::pin::Pin;

use sha2::{Digest as _, Sha256};
use tough::{
    IntoVec as _, RepositoryLoader, TargetName, Transport, TransportError, TransportErrorKind,
    TransportStream,
};
use url::Url;

use crate::spawn::get;

/// Verifies what is served at an address as `tough` does, and downloads targets: their digests.
pub fn tough(address: &str, root: &Path, memory: &Path, targets: &[String]) -> Result<Vec<String>, String> {
    let url = |part| Url::parse(&format!("http://{address}/tuf/{part}/")).unwrap();
    let root = std::fs::read(root).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let loader = RepositoryLoader::new(&root, url("metadata"), url("targets"));
        let loader = loader.transport(Http).datastore(memory);
        let repository = loader.load().await.map_err(|e| e.to_string())?;
        let mut digests = Vec::new();
        for name in targets {
            let target = TargetName::new(name.as_str()).unwrap();
            let stream = repository.read_target(&target).await.map_err(|e| e.to_string())?;
            let stream = stream.ok_or_else(|| format!("`{name}` is not found"))?;
            let bytes = stream.into_vec().await.map_err(|e| e.to_string())?;
            digests.push(hex::encode(Sha256::digest(bytes)));
        }
        Ok(digests)
    })
}

/// What carries `tough`'s requests: its own brings a TLS stack that nothing here needs.
#[derive(Debug, Clone)]
struct Http;

type Fetched<'a> = Pin<Box<dyn Future<Output = Result<TransportStream, TransportError>> + Send + 'a>>;

impl Transport for Http {
    // What `async_trait` makes of `async fn fetch(&self, url: Url)`.
    fn fetch<'a, 'b>(&'a self, url: Url) -> Fetched<'b>
    where
        'a: 'b,
        Self: 'b,
    {
        let address = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap());
        let response = get(&address, url.path());
        Box::pin(async move {
            let kind = match response.status {
                200 => {
                    let body = futures_util::future::ready(Ok(response.body.into()));
                    return Ok(Box::pin(futures_util::stream::once(body)) as TransportStream);
                }
                404 => TransportErrorKind::FileNotFound,
                _ => TransportErrorKind::Other,
            };
            Err(TransportError::new(kind, url))
        })
    }
}

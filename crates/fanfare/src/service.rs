//! The whole hub as a service within another server: `fallback_service` or `nest_service` of axum,
//! or any server that speaks `tower_service::Service`.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use arc_swap::ArcSwap;
use bytes::Bytes;
use fanfare_http::body::boxed;
use fanfare_http::{App, BoxError, Cors, Response, Settings};
use http_body::Body as HttpBody;

use crate::hub::Hub;

/// The hub's routes as a service. A cheap handle.
#[derive(Clone)]
pub struct Service {
    app: App,
}

impl Service {
    /// The routes of this hub, for pages of the origins that `cors` allows.
    #[must_use]
    pub fn new(hub: &Hub, cors: Cors) -> Self {
        let settings = Settings {
            cors,
            ..Settings::default()
        };
        Self {
            app: hub
                .app
                .with_settings(Arc::new(ArcSwap::from_pointee(settings))),
        }
    }
}

impl<B> tower_service::Service<http::Request<B>> for Service
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let app = self.app.clone();
        let request = request.map(boxed);
        Box::pin(async move { Ok(app.answer(request).await) })
    }
}

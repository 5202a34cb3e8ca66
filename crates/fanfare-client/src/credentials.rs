//! Header fields that are made for each request, so that credentials are never stale.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use http::{HeaderMap, StatusCode};

use crate::loss::Loss;
use crate::problem::Problem;

/// What credentials are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Attempted {
    /// Which request it is since the last that the hub accepted, from 1.
    pub attempt: u32,
    /// Whether the hub refused the credentials of the one before.
    pub was_refused: bool,
}

/// Why credentials cannot be had.
pub type CredentialsError = Box<dyn Error + Send + Sync>;

type Made = Pin<Box<dyn Future<Output = Result<HeaderMap, CredentialsError>> + Send>>;

/// Makes the fields of each request; by default none.
#[derive(Clone, Default)]
pub(crate) struct Credentials(Option<Arc<dyn Fn(Attempted) -> Made + Send + Sync>>);

impl Credentials {
    pub(crate) fn new<F, M>(make: F) -> Self
    where
        F: Fn(Attempted) -> M + Send + Sync + 'static,
        M: Future<Output = Result<HeaderMap, CredentialsError>> + Send + 'static,
    {
        Self(Some(Arc::new(move |attempted| Box::pin(make(attempted)))))
    }

    /// Makes the fields. That they cannot be had may pass.
    pub(crate) async fn make(&self, attempts: Attempts) -> Result<HeaderMap, Loss> {
        let Some(make) = &self.0 else {
            return Ok(HeaderMap::new());
        };
        let attempted = Attempted {
            attempt: attempts.count,
            was_refused: attempts.was_refused,
        };
        let made = make(attempted).await;
        made.map_err(|source| Loss::NoCredentials(source.into()))
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Some(_) => "Credentials(made for each request)",
            None => "Credentials(none)",
        })
    }
}

/// Requests since the last that the hub accepted.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Attempts {
    count: u32,
    was_refused: bool,
}

impl Attempts {
    /// One more.
    pub(crate) fn next(&mut self) {
        self.count = self.count.saturating_add(1);
    }

    /// Whether fresh credentials are worth another try after this refusal: once each time.
    pub(crate) fn may_refresh(&mut self, credentials: &Credentials, problem: &Problem) -> bool {
        let is_about_them = matches!(
            problem.status,
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN
        );
        is_about_them && credentials.0.is_some() && !std::mem::replace(&mut self.was_refused, true)
    }
}

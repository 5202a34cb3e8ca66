//! Why a request or an open stream failed in a way that may pass.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::problem::Problem;

/// A failure after which another try makes sense. Its text names the causes too.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Loss {
    /// No connection could be made; nothing was sent.
    #[error("no hub answers at {address}: {cause}")]
    Unreachable {
        /// Scheme, host and port that were tried.
        address: String,
        /// What the operating system or TLS said.
        cause: Arc<io::Error>,
    },
    /// The connection broke while a request or a stream was under way.
    #[error("the connection broke: {}", causes(.0))]
    Broken(Arc<hyper::Error>),
    /// Nothing came for so long that the connection must be taken for dead.
    #[error("nothing came for {} s", .0.as_secs())]
    Silent(Duration),
    /// The hub ended the stream in good order.
    #[error("the hub ended the stream")]
    Ended,
    /// The hub, or a proxy before it, cannot serve right now.
    #[error(transparent)]
    Refused(Problem),
    /// The credentials of the next request cannot be had.
    #[error("no credentials can be had: {0}")]
    NoCredentials(Arc<dyn std::error::Error + Send + Sync>),
    /// A line of the stream is not what the form of the stream asks for.
    #[error("the stream is garbled: {0}")]
    Garbled(Arc<serde_json::Error>),
}

impl From<hyper::Error> for Loss {
    fn from(source: hyper::Error) -> Self {
        Self::Broken(Arc::new(source))
    }
}

impl Loss {
    /// How long the hub asked to wait.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused(problem) => problem.retry_after,
            _ => None,
        }
    }
}

/// An error with its causes in one line, for hyper names only the layer that failed.
fn causes(error: &Arc<hyper::Error>) -> String {
    let mut text = error.to_string();
    let mut next = std::error::Error::source(error.as_ref());
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

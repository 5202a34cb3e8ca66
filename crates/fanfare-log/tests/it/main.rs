//! The durable log as one sees it from outside: through its public face, over storage that fails.

mod oracle;
mod wait;

//! Work that runs while somebody watches: it starts with the first one
//! and stops with the last.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::task::JoinHandle;

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// One task, shared by all who watch.
pub(crate) struct WhileWatched {
    /// Names the work in the log.
    name: &'static str,
    start: Box<dyn Fn() -> Work + Send + Sync>,
    state: Mutex<State>,
}

/// Invariant: there is a task exactly while there are watchers.
#[derive(Default)]
struct State {
    watchers: usize,
    task: Option<JoinHandle<()>>,
}

impl WhileWatched {
    /// Work that begins anew, by `start`, whenever the first watcher
    /// comes.
    pub(crate) fn new<F, W>(name: &'static str, start: F) -> Arc<Self>
    where
        F: Fn() -> W + Send + Sync + 'static,
        W: Future<Output = ()> + Send + 'static,
    {
        let start = Box::new(move || -> Work { Box::pin(start()) });
        Arc::new(Self {
            name,
            start,
            state: Mutex::default(),
        })
    }

    /// Counts one more watcher, until the returned value is dropped.
    pub(crate) fn watch(self: &Arc<Self>) -> Watcher {
        let mut state = self.state();
        state.watchers += 1;
        if state.task.is_none() {
            tracing::info!(target: "playground", "{}: timer started", self.name);
            state.task = Some(tokio::spawn((self.start)()));
        }
        drop(state);
        Watcher {
            work: Arc::clone(self),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Somebody who watches.
pub(crate) struct Watcher {
    work: Arc<WhileWatched>,
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let mut state = self.work.state();
        state.watchers -= 1;
        if state.watchers == 0
            && let Some(task) = state.task.take()
        {
            task.abort();
            tracing::info!(target: "playground", "{}: timer stopped, nobody is left", self.work.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;

    /// Work that tells of its start, and of its end by dropping the
    /// sender.
    fn observed() -> (
        Arc<WhileWatched>,
        mpsc::UnboundedReceiver<mpsc::Receiver<()>>,
    ) {
        let (starts, started) = mpsc::unbounded_channel();
        let work = WhileWatched::new("test", move || {
            let (alive, ended) = mpsc::channel::<()>(1);
            starts.send(ended).unwrap();
            async move {
                std::future::pending::<()>().await;
                drop(alive);
            }
        });
        (work, started)
    }

    #[tokio::test]
    async fn work_starts_once_with_the_first_and_stops_with_the_last() {
        let (work, mut started) = observed();
        assert!(started.try_recv().is_err());
        let (first, second) = (work.watch(), work.watch());
        let mut ended = started.try_recv().unwrap();
        assert!(
            started.try_recv().is_err(),
            "a second watcher must not start a second task"
        );
        drop(first);
        assert_eq!(ended.try_recv(), Err(mpsc::error::TryRecvError::Empty));
        drop(second);
        assert_eq!(ended.recv().await, None);
        let _third = work.watch();
        assert!(started.try_recv().is_ok(), "it must start anew");
    }
}

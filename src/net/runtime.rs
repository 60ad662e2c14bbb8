//! A thread with a runtime of its own, on which nothing of another thread ever runs.

use std::io;
use std::thread::{Builder, JoinHandle};
use tokio::runtime::{self, LocalOptions};

/// Starts one of that name, which ends with what `work` makes.
///
/// # Errors
/// No thread can be started.
pub fn start<F: Future<Output = ()>>(
    name: String,
    work: impl FnOnce() -> F + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    Builder::new().name(name.clone()).spawn(move || {
        let built = runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build_local(LocalOptions::default());
        match built {
            Ok(runtime) => runtime.block_on(work()),
            Err(error) => tracing::error!(%error, name, "a thread cannot start"),
        }
    })
}

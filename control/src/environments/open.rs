//! Opens an environment.

use std::sync::Arc;

use super::env_choice::LinkChoice;
use super::external::External;
use super::local::Local;
use super::options::OpenOptions;
use crate::{ControlError, EnvKind, Environment};

/// Opens an environment. Blocks for some 50 ms; for containers and hosts for some seconds, and there within a
/// tokio runtime of several threads only. For [`EnvKind::Netns`], [`crate::netns::enter`] must have been
/// called.
///
/// # Errors
/// When it is not available or the run directory was used already. Only the undo log is left behind then.
pub fn open(kind: EnvKind, options: &OpenOptions) -> Result<Arc<dyn Environment>, ControlError> {
    if options.nodes == 0 {
        return Err(ControlError::Other(
            "an environment needs at least one node".into(),
        ));
    }
    match kind {
        EnvKind::Netns => open_netns(options),
        EnvKind::Local | EnvKind::External | EnvKind::Docker | EnvKind::Ssh | EnvKind::Reached
            if options.links != LinkChoice::Auto =>
        {
            Err(ControlError::Unsupported {
                env: kind.name(),
                what: format!("cutting links with {}", options.links),
            })
        }
        EnvKind::External => Ok(Arc::new(External::open(options.nodes, options.lost.clone()))),
        EnvKind::Local => Ok(Arc::new(Local::open(options)?)),
        EnvKind::Docker | EnvKind::Ssh | EnvKind::Reached => open_distant(kind, options),
    }
}

#[cfg(target_os = "linux")]
fn open_distant(kind: EnvKind, options: &OpenOptions) -> Result<Arc<dyn Environment>, ControlError> {
    let runtime = tokio::runtime::Handle::current();
    // The caller's thread may belong to the runtime, and would block it.
    std::thread::scope(|scope| {
        let opening = scope.spawn(|| {
            runtime.block_on(async {
                Ok(match kind {
                    EnvKind::Docker => {
                        Arc::new(super::docker::Docker::open(options).await?) as Arc<dyn Environment>
                    }
                    _ => open_hosts(kind, options).await?,
                })
            })
        });
        opening
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

#[cfg(all(target_os = "linux", feature = "ssh"))]
async fn open_hosts(kind: EnvKind, options: &OpenOptions) -> Result<Arc<dyn Environment>, ControlError> {
    Ok(Arc::new(super::ssh::Ssh::open(kind, options).await?))
}

#[cfg(not(all(target_os = "linux", feature = "ssh")))]
async fn open_hosts(kind: EnvKind, _options: &OpenOptions) -> Result<Arc<dyn Environment>, ControlError> {
    Err(ControlError::Unavailable {
        env: kind.name(),
        why: "this build of perjury has no SSH support".into(),
        remedy: "build it with the feature `ssh`".into(),
    })
}

#[cfg(not(target_os = "linux"))]
fn open_distant(kind: EnvKind, _options: &OpenOptions) -> Result<Arc<dyn Environment>, ControlError> {
    Err(ControlError::Unavailable {
        env: kind.name(),
        why: "perjury copies its own program to the nodes, and it must be a Linux program".into(),
        remedy: "run perjury on Linux".into(),
    })
}

#[cfg(target_os = "linux")]
fn open_netns(options: &OpenOptions) -> Result<Arc<dyn Environment>, ControlError> {
    Ok(Arc::new(crate::environments::netns::Netns::open(options)?))
}

#[cfg(not(target_os = "linux"))]
fn open_netns(_options: &OpenOptions) -> Result<Arc<dyn Environment>, ControlError> {
    crate::netns::enter().and_then(|()| Err(ControlError::Other("no network namespaces".into())))
}

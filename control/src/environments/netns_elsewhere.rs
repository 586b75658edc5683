//! The environment `netns` on systems other than Linux: it is not available.

use crate::environments::{NetnsTrial, Refusal};
use crate::{ControlError, EnvKind};

/// Always refuses.
///
/// # Errors
/// Always.
pub fn try_namespaces() -> NetnsTrial {
    Err(Refusal {
        why: "network namespaces are a part of Linux".into(),
        remedy: "use Linux, or a Linux virtual machine, to cut links".into(),
    })
}

/// Always fails.
///
/// # Errors
/// Always.
pub fn enter() -> Result<(), ControlError> {
    try_namespaces()
        .map(|_| ())
        .map_err(|refusal| ControlError::Unavailable {
            env: EnvKind::Netns.name(),
            why: refusal.why,
            remedy: refusal.remedy,
        })
}

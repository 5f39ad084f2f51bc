// SPDX-License-Identifier: GPL-2.0-only
//! The module's parameters, in the units of their users.

use crate::module_parameters;

/// Seconds as milliseconds, at most a day.
fn seconds(value: u32) -> u32 {
    value.min(86_400).saturating_mul(1000)
}

/// Whether to offer persistent grants.
pub(crate) fn persistent() -> bool {
    module_parameters::feature_persistent.value() != 0
}

/// Pages of data that a request may have at most.
pub(crate) fn max_segments() -> usize {
    module_parameters::max_indirect_segments.value() as usize
}

/// How long the backend may take to answer; 0 when it may take for ever.
pub(crate) fn timeout_ms() -> u32 {
    seconds(module_parameters::timeout.value())
}

/// How long a disk waits for its backend to come back; 0 not at all.
pub(crate) fn reconnect_timeout_ms() -> u32 {
    seconds(module_parameters::reconnect_timeout.value())
}

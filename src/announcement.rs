use waypoint_l4_config::Config;
use waypoint_l4_route::Live;

use crate::host::Shared;
use crate::metrics::Gauges;

/// What a configuration tells when it is taken up: its backends to the plugins of earlier ones, and
/// its revision and weights to whoever looks at Envoy's `/stats`.
pub(crate) struct Announcement {
    /// Where all of them leave their record, the last one over the others.
    shared: Shared,
    /// The revision in 8 bytes, by which a change of weights is told as well, and the `Live` backends.
    record: Vec<u8>,
    gauges: Gauges,
}

impl Announcement {
    pub(crate) fn new(config: &Config) -> Self {
        let gauges = Gauges::new(config);
        let mut record = gauges.revision().to_le_bytes().to_vec();
        record.extend(Live::new(config).to_bytes());
        Self {
            shared: Shared::new("backends"),
            record,
            gauges,
        }
    }

    pub(crate) fn make(&self) {
        self.gauges.show();
        self.shared.write(&self.record);
    }

    /// The record of the configuration that was taken up last, and a number that changes with it.
    pub(crate) fn last(&self) -> Option<(Vec<u8>, u32)> {
        self.shared.read()
    }

    /// Whether this record is its own.
    pub(crate) fn is(&self, record: &[u8]) -> bool {
        self.record == record
    }
}

/// The backends that the record tells of.
pub(crate) fn live(record: &[u8]) -> Live {
    Live::from_bytes(record.get(8..).unwrap_or_default())
}

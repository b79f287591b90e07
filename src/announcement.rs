use waypoint_l4_config::Config;
use waypoint_l4_route::Live;

use crate::host;
use crate::metrics::Gauges;

/// What a configuration tells when it is taken up: its backends to the plugins of earlier ones, and
/// its revision and weights to whoever looks at Envoy's `/stats`.
pub(crate) struct Announcement {
    /// The revision in 8 bytes, by which a change of weights is told as well, and the `Live` backends.
    word: Vec<u8>,
    gauges: Gauges,
}

impl Announcement {
    pub(crate) fn new(config: &Config) -> Self {
        let gauges = Gauges::new(config);
        let mut word = gauges.revision().to_le_bytes().to_vec();
        word.extend(Live::new(config).to_bytes());
        Self { word, gauges }
    }

    pub(crate) fn make(&self) {
        self.gauges.show();
        host::announce_backends(&self.word);
    }

    /// Whether this is its word.
    pub(crate) fn is(&self, word: &[u8]) -> bool {
        self.word == word
    }
}

/// The backends that the word tells of.
pub(crate) fn live(word: &[u8]) -> Live {
    Live::from_bytes(word.get(8..).unwrap_or_default())
}

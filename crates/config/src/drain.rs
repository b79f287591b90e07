use alloc::format;
use alloc::string::String;
use core::fmt;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::object::objects;

/// When connections are closed that a change of the route leaves behind; never, unless asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Drain {
    /// How long a connection goes on whose cluster has a weight in no rule of the chain any more, and is
    /// not where those go either that no rule takes. Then it is reset, as by Envoy's own drain.
    pub on_removal: Time,
}

objects!(Drain);

/// A length of time in the Gateway API's form (GEP-2257): `30s`, `1h30m`, `500ms`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(with = "String")
)]
pub struct Time(Duration);

impl Time {
    pub fn duration(self) -> Duration {
        self.0
    }
}

impl TryFrom<String> for Time {
    type Error = InvalidTime;

    fn try_from(text: String) -> Result<Self, InvalidTime> {
        parse(&text).map(Self).ok_or(InvalidTime(text))
    }
}

impl From<Time> for String {
    /// In seconds, and hours where a number of five digits does not hold those.
    fn from(time: Time) -> Self {
        let (seconds, milliseconds) = (time.0.as_secs(), time.0.subsec_millis().into());
        let (hours, seconds) = match seconds {
            0..=99_999 => (0, seconds),
            _ => (seconds / 3600, seconds % 3600),
        };
        let parts = [(hours, "h"), (seconds, "s"), (milliseconds, "ms")];
        let text: Self = parts
            .into_iter()
            .filter(|(number, _)| *number > 0)
            .map(|(number, unit)| format!("{number}{unit}"))
            .collect();
        if text.is_empty() { "0s".into() } else { text }
    }
}

/// What was found is no length of time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidTime(String);

impl fmt::Display for InvalidTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "expected a time such as 30s, 5m or 1h30m, found `{}`",
            self.0
        )
    }
}

impl core::error::Error for InvalidTime {}

/// The longest there is: 99999h59m59s999ms.
const LONGEST: Duration = Duration::from_millis(359_999_999_999);

/// One to four numbers of at most five digits, each with its unit.
fn parse(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut sum = Duration::ZERO;
    for _ in 0..4 {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, after) = rest.split_at_checked(digits)?;
        let number = number.parse::<u32>().ok().filter(|_| digits <= 5)?;
        let (unit, after) = [("ms", 1), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)]
            .into_iter()
            .find_map(|(name, unit)| Some((unit, after.strip_prefix(name)?)))?;
        sum = sum.saturating_add(Duration::from_millis(unit).saturating_mul(number));
        rest = after;
        if rest.is_empty() {
            return (sum <= LONGEST).then_some(sum);
        }
    }
    None
}

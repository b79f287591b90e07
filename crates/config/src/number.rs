use core::fmt;

use serde::{Deserialize, Deserializer, Serialize, de};

/// A backend's weight, 0 to 1000000: its share is its weight over the sum of its rule. 0 gets nothing, and
/// where all are 0 every connection is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(with = "u32")
)]
pub struct Weight(u32);

impl Weight {
    /// The Gateway API's upper bound of `BackendRef.weight`.
    pub const MAX: Self = Self(1_000_000);

    pub const fn value(self) -> u32 {
        self.0
    }

    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl Default for Weight {
    /// The Gateway API's default of `BackendRef.weight`.
    fn default() -> Self {
        Self(1)
    }
}

impl TryFrom<u32> for Weight {
    type Error = InvalidWeight;

    fn try_from(value: u32) -> Result<Self, InvalidWeight> {
        if value > Self::MAX.0 {
            return Err(InvalidWeight);
        }
        Ok(Self(value))
    }
}

/// The number is above [`Weight::MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidWeight;

impl fmt::Display for InvalidWeight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected an integer from 0 to 1000000")
    }
}

impl core::error::Error for InvalidWeight {}

impl<'de> Deserialize<'de> for Weight {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = deserializer.deserialize_u32(Integer {
            expected: "an integer from 0 to 1000000",
        })?;
        Self::try_from(number).map_err(|_| {
            de::Error::invalid_value(
                de::Unexpected::Unsigned(number.into()),
                &"an integer from 0 to 1000000",
            )
        })
    }
}

/// Reads an integer that may arrive as a double: istiod passes `pluginConfig` through a protobuf
/// Struct, which knows no other number.
pub(crate) struct Integer {
    pub(crate) expected: &'static str,
}

impl de::Visitor<'_> for Integer {
    type Value = u32;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<u32, E> {
        u32::try_from(value)
            .map_err(|_| E::invalid_value(de::Unexpected::Unsigned(value), &self.expected))
    }

    #[expect(
        clippy::as_conversions,
        reason = "there is no TryFrom<f64>; the cast saturates, and the way back shows any loss"
    )]
    fn visit_f64<E: de::Error>(self, value: f64) -> Result<u32, E> {
        let integer = value as u32;
        if f64::from(integer) == value {
            Ok(integer)
        } else {
            Err(E::invalid_value(
                de::Unexpected::Float(value),
                &self.expected,
            ))
        }
    }
}

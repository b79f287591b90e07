//! Objects that are nothing but objects: what serde derives takes a list of the fields' values for
//! one as well, and `[1]` is no configuration.

use core::fmt;
use core::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};

/// What `#[serde(remote = "Self")]` derives, by which a type's own implementation reads its fields.
pub(crate) trait Derived<'de>: Sized {
    fn derived<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error>;
}

/// Implements serde's traits for types with `#[serde(remote = "Self")]`.
macro_rules! objects {
    ($($object:ident),*) => {
        $(
            impl<'de> $crate::object::Derived<'de> for $object {
                fn derived<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                    $object::deserialize(deserializer)
                }
            }

            impl<'de> serde::Deserialize<'de> for $object {
                fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                    deserializer.deserialize_map($crate::object::Object::new())
                }
            }

            impl serde::Serialize for $object {
                fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                    $object::serialize(self, serializer)
                }
            }
        )*
    };
}

pub(crate) use objects;

pub(crate) struct Object<T>(PhantomData<T>);

impl<T> Object<T> {
    pub(crate) fn new() -> Self {
        Self(PhantomData)
    }
}

impl<'de, T: Derived<'de>> Visitor<'de> for Object<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::derived(MapAccessDeserializer::new(map))
    }
}

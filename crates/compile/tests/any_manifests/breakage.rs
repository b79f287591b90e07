//! Manifests of which a part is not what it should be.

use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Value, json};

/// Something odd in some place, or nothing.
#[derive(Clone, Debug)]
pub(crate) struct Breakage {
    place: Index,
    /// None to take away what is there.
    odd: Option<Value>,
}

pub(crate) fn breakage() -> impl Strategy<Value = Breakage> {
    let odd = select(vec![
        json!(null),
        json!(true),
        json!(0),
        json!(-1),
        json!(0.5),
        json!(70_000),
        json!(1_000_001),
        json!(u64::MAX),
        json!(""),
        json!("*"),
        json!("a b"),
        json!("|"),
        json!("A"),
        json!("\u{0}ü"),
        json!("x".repeat(300)),
        json!("10.0.0.0/33"),
        json!([]),
        json!({}),
        json!([null]),
        json!({"a": {"b": []}}),
    ]);
    (any::<Index>(), prop::option::weighted(0.8, odd))
        .prop_map(|(place, odd)| Breakage { place, odd })
}

impl Breakage {
    pub(crate) fn apply(&self, manifests: &mut [Value]) {
        let count = manifests.iter().map(count).sum::<usize>();
        if count == 0 {
            return;
        }
        let mut left = self.place.index(count);
        for manifest in manifests {
            if self.descend(manifest, &mut left) {
                return;
            }
        }
    }

    /// Breaks the place that is reached when as many others have been passed.
    fn descend(&self, value: &mut Value, left: &mut usize) -> bool {
        let keys: Vec<_> = match value {
            Value::Object(fields) => fields.keys().map(|key| json!(key)).collect(),
            Value::Array(items) => (0..items.len()).map(|index| json!(index)).collect(),
            _ => Vec::new(),
        };
        for key in keys {
            if *left == 0 {
                self.replace(value, &key);
                return true;
            }
            *left = left.saturating_sub(1);
            let inner = match &key {
                Value::String(key) => value.get_mut(key),
                key => value.get_mut(usize::try_from(key.as_u64().unwrap_or_default()).unwrap()),
            };
            if inner.is_some_and(|inner| self.descend(inner, left)) {
                return true;
            }
        }
        false
    }

    fn replace(&self, value: &mut Value, key: &Value) {
        match (value, key, &self.odd) {
            (Value::Object(fields), Value::String(key), Some(odd)) => {
                fields.insert(key.clone(), odd.clone());
            }
            (Value::Object(fields), Value::String(key), None) => {
                fields.remove(key);
            }
            (Value::Array(items), key, odd) => {
                let index = usize::try_from(key.as_u64().unwrap_or_default()).unwrap();
                match odd {
                    Some(odd) => items[index] = odd.clone(),
                    None => {
                        items.remove(index);
                    }
                }
            }
            _ => {}
        }
    }
}

/// The number of places that can be broken.
fn count(value: &Value) -> usize {
    let inner = match value {
        Value::Object(fields) => fields.values().map(count).collect::<Vec<_>>(),
        Value::Array(items) => items.iter().map(count).collect(),
        _ => Vec::new(),
    };
    inner.len().saturating_add(inner.into_iter().sum())
}

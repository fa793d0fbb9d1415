// SPDX-License-Identifier: Apache-2.0
//! What a rule's YAML comes to once its anchors are written out: a list that names another hundred thousand times
//! would fill the memory of whoever builds it.

use std::fmt;

use serde::de::{
    Deserialize as _, DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess,
    VariantAccess as _, Visitor,
};

use crate::limits::RULE_EXPANDED_MAX;

/// Refuses a text that says more than [`RULE_EXPANDED_MAX`] in all. Without anchors it says no more than it is long.
pub(super) fn check(text: &str) -> Result<(), String> {
    if !text.contains('&') || !text.contains('*') {
        return Ok(());
    }
    let mut said = 0;
    for document in yaml_serde::Deserializer::from_str(text) {
        // What is no YAML is refused with a better message by the parser of rules; what it had come to until
        // there counts.
        if Counted(&mut said).deserialize(document).is_err() {
            break;
        }
    }
    if said > RULE_EXPANDED_MAX {
        Err(format!("with its anchors it says more than {RULE_EXPANDED_MAX} bytes"))
    } else {
        Ok(())
    }
}

/// Counts bytes of text, and a byte for every value, and stops when they are too many.
struct Counted<'a>(&'a mut usize);

impl Counted<'_> {
    fn add<E: Error>(self, more: usize) -> Result<(), E> {
        *self.0 = self.0.saturating_add(more + 1);
        if *self.0 > RULE_EXPANDED_MAX { Err(E::custom("too much")) } else { Ok(()) }
    }
}

impl<'de> DeserializeSeed<'de> for Counted<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Counted<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        self.add(0)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        self.add(0)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        self.add(0)
    }

    fn visit_i128<E: Error>(self, _: i128) -> Result<(), E> {
        self.add(0)
    }

    fn visit_u128<E: Error>(self, _: u128) -> Result<(), E> {
        self.add(0)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        self.add(0)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.add(text.len())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.add(0)
    }

    fn visit_none<E: Error>(self) -> Result<(), E> {
        self.add(0)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<(), A::Error> {
        Counted(self.0).add(0)?;
        while values.next_element_seed(Counted(self.0))?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        Counted(self.0).add(0)?;
        while map.next_key_seed(Counted(self.0))?.is_some() {
            map.next_value_seed(Counted(self.0))?;
        }
        Ok(())
    }

    /// A value under a tag (`!name`).
    fn visit_enum<A: EnumAccess<'de>>(self, tagged: A) -> Result<(), A::Error> {
        let (tag, value) = tagged.variant_seed(Tag)?;
        Counted(self.0).add(tag.len())?;
        value.newtype_variant_seed(Counted(self.0))
    }
}

struct Tag;

impl<'de> DeserializeSeed<'de> for Tag {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        String::deserialize(deserializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anchors_are_counted_as_often_as_they_are_named() {
        assert_eq!(check("a: &x [1, 2]\nb: [*x, *x]\n"), Ok(()));
        let list = format!("a: &x [{}]\n", "1,".repeat(20_000));
        let bomb = format!("{list}b: [{}]\n", "*x,".repeat(20_000));
        assert!(check(&bomb).is_err());
        let tagged = format!("a: &x !t [{}]\nb: [{}]\n", "1,".repeat(20_000), "*x,".repeat(20_000));
        assert!(check(&tagged).is_err(), "a tag hides nothing");
        let text = format!("a: &x {}\nb: [{}]\n", "y".repeat(500_000), "*x,".repeat(100));
        assert!(check(&text).is_err(), "long texts are many");
    }
}

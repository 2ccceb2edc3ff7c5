//! Values with alternatives: `"unknown"` for values that Azure has yet to assign or another file provides, or an empty list for
//! none.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Unexpected, Visitor};
use toml::Spanned;

use super::Text;
use crate::azure::Address;

/// Private addresses by member.
#[derive(Debug)]
pub(in crate::config) enum IpConfigurations {
    Of(BTreeMap<String, Text>),
    /// None of them is known.
    Unknown,
}

impl Default for IpConfigurations {
    fn default() -> Self {
        Self::Of(BTreeMap::new())
    }
}

/// The records of a set.
#[derive(Debug)]
pub(in crate::config) enum Records {
    Of(Vec<Spanned<Record>>),
    /// They are unknown.
    Unknown,
}

/// A record: its data as text, or the strings of a TXT record.
#[derive(Debug)]
pub(in crate::config) enum Record {
    Text(String),
    Strings(Vec<String>),
}

struct TextOrStrings;

impl<'de> Visitor<'de> for TextOrStrings {
    type Value = Record;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Record, E> {
        Ok(Record::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Record, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(list)).map(Record::Strings)
    }
}

impl<'de> Deserialize<'de> for Record {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextOrStrings)
    }
}

/// Public addresses by member.
#[derive(Debug)]
pub(in crate::config) enum PublicIpAddresses {
    Of(BTreeMap<String, Spanned<Vec<Text>>>),
    /// No member has any.
    None,
}

impl Default for PublicIpAddresses {
    fn default() -> Self {
        Self::Of(BTreeMap::new())
    }
}

struct OrNone;

impl<'de> Visitor<'de> for OrNone {
    type Value = PublicIpAddresses;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a table, { MEMBER = [\"ADDRESS\"] }, or an empty list")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        BTreeMap::deserialize(MapAccessDeserializer::new(map)).map(PublicIpAddresses::Of)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        match list.next_element::<IgnoredAny>()? {
            None => Ok(PublicIpAddresses::None),
            Some(_) => Err(Error::invalid_type(Unexpected::Seq, &self)),
        }
    }
}

impl<'de> Deserialize<'de> for PublicIpAddresses {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OrNone)
    }
}

/// Deserializes a value, or the word `"unknown"` in its place.
struct OrUnknown<T>(PhantomData<T>);

impl<'de> Visitor<'de> for OrUnknown<IpConfigurations> {
    type Value = IpConfigurations;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a table, { MEMBER = \"ADDRESS\" }, or \"unknown\"")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        (text == Address::UNKNOWN)
            .then_some(IpConfigurations::Unknown)
            .ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        BTreeMap::deserialize(MapAccessDeserializer::new(map)).map(IpConfigurations::Of)
    }
}

impl<'de> Visitor<'de> for OrUnknown<Records> {
    type Value = Records;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list, or \"unknown\"")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        (text == Address::UNKNOWN)
            .then_some(Records::Unknown)
            .ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(list)).map(Records::Of)
    }
}

impl<'de> Deserialize<'de> for IpConfigurations {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OrUnknown(PhantomData::<Self>))
    }
}

impl<'de> Deserialize<'de> for Records {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OrUnknown(PhantomData::<Self>))
    }
}

//! Whether a value's JSON tells it apart from every other value of its type. JSON has no NaN and no infinities, and one null
//! for all that is missing: arguments that differ must not share a key because of that. How the JSON is written lives in
//! `canonical`.

use std::fmt;

use serde::{
    Serialize, Serializer,
    ser::{
        self, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
        SerializeTupleStruct, SerializeTupleVariant,
    },
};

use crate::{Error, Result};

/// Checks a value.
///
/// # Errors
/// `InvalidArgument` for what has no JSON of its own, without telling what it is.
pub(crate) fn check(value: &(impl Serialize + ?Sized)) -> Result<()> {
    let refused = |Fault(what)| Error::invalid("key", format!("a key parameter has no JSON of its own: {what}"));
    value.serialize(Check).map(drop).map_err(refused)
}

/// What is wrong with a value.
#[derive(Debug)]
struct Fault(String);

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Fault {}

impl ser::Error for Fault {
    fn custom<T: fmt::Display>(cause: T) -> Self {
        Self(cause.to_string())
    }
}

/// Tells of a value whether it is written as null.
#[derive(Clone, Copy)]
struct Check;

type Checked = Result<bool, Fault>;

fn finite(is_finite: bool) -> Checked {
    if is_finite { Ok(false) } else { Err(Fault("a number is not finite".to_owned())) }
}

fn part(value: &(impl Serialize + ?Sized)) -> Result<(), Fault> {
    value.serialize(Check).map(drop)
}

/// Scalars that are never null.
macro_rules! plain {
    ($($method:ident: $type:ty),* $(,)?) => {
        $(fn $method(self, _value: $type) -> Checked { Ok(false) })*
    };
}

/// Parts of what is written as an array or an object.
macro_rules! parts {
    ($($trait:ident: $method:ident($($name:ident: $type:ty)?)),* $(,)?) => {
        $(impl $trait for Check {
            type Ok = bool;
            type Error = Fault;

            fn $method<T: Serialize + ?Sized>(&mut self, $($name: $type,)? value: &T) -> Result<(), Fault> {
                part(value)
            }

            fn end(self) -> Checked {
                Ok(false)
            }
        })*
    };
}

impl Serializer for Check {
    type Ok = bool;
    type Error = Fault;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Self;
    type SerializeMap = Self;
    type SerializeStruct = Self;
    type SerializeStructVariant = Self;

    plain! {
        serialize_bool: bool,
        serialize_i8: i8,
        serialize_i16: i16,
        serialize_i32: i32,
        serialize_i64: i64,
        serialize_i128: i128,
        serialize_u8: u8,
        serialize_u16: u16,
        serialize_u32: u32,
        serialize_u64: u64,
        serialize_u128: u128,
        serialize_char: char,
        serialize_str: &str,
        serialize_bytes: &[u8],
    }

    fn serialize_f32(self, value: f32) -> Checked {
        finite(value.is_finite())
    }

    fn serialize_f64(self, value: f64) -> Checked {
        finite(value.is_finite())
    }

    fn serialize_none(self) -> Checked {
        Ok(true)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Checked {
        match value.serialize(self)? {
            true => Err(Fault("something that is there is written like nothing".to_owned())),
            false => Ok(false),
        }
    }

    fn serialize_unit(self) -> Checked {
        Ok(true)
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Checked {
        Ok(true)
    }

    fn serialize_unit_variant(self, _name: &'static str, _index: u32, _variant: &'static str) -> Checked {
        Ok(false)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _name: &'static str, value: &T) -> Checked {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        _variant: &'static str,
        value: &T,
    ) -> Checked {
        part(value).map(|()| false)
    }

    fn serialize_seq(self, _size: Option<usize>) -> Result<Self, Fault> {
        Ok(self)
    }

    fn serialize_tuple(self, _size: usize) -> Result<Self, Fault> {
        Ok(self)
    }

    fn serialize_tuple_struct(self, _name: &'static str, _size: usize) -> Result<Self, Fault> {
        Ok(self)
    }

    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        _index: u32,
        _variant: &'static str,
        _size: usize,
    ) -> Result<Self, Fault> {
        Ok(self)
    }

    fn serialize_map(self, _size: Option<usize>) -> Result<Self, Fault> {
        Ok(self)
    }

    fn serialize_struct(self, _name: &'static str, _size: usize) -> Result<Self, Fault> {
        Ok(self)
    }

    fn serialize_struct_variant(
        self,
        _name: &'static str,
        _index: u32,
        _variant: &'static str,
        _size: usize,
    ) -> Result<Self, Fault> {
        Ok(self)
    }
}

parts! {
    SerializeSeq: serialize_element(),
    SerializeTuple: serialize_element(),
    SerializeTupleStruct: serialize_field(),
    SerializeTupleVariant: serialize_field(),
    SerializeStruct: serialize_field(_name: &'static str),
    SerializeStructVariant: serialize_field(_name: &'static str),
}

impl SerializeMap for Check {
    type Ok = bool;
    type Error = Fault;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Fault> {
        part(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Fault> {
        part(value)
    }

    fn end(self) -> Checked {
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[derive(Serialize)]
    struct Wrapped(f64);

    #[derive(Serialize)]
    enum Shape {
        Point,
        Circle(f64),
        Box { side: f32 },
    }

    #[test]
    fn what_has_json_of_its_own_is_taken() {
        let nothing = None::<u32>;
        assert_eq!(check(&(1_u8, -2_i64, 1.5_f32, 'c', "text", true, nothing, Some(3), ())), Ok(()));
        assert_eq!(check(&[Shape::Point, Shape::Circle(1.0), Shape::Box { side: 2.0 }]), Ok(()));
        assert_eq!(check(&BTreeMap::from([("a", vec![Wrapped(0.5)])])), Ok(()));
        assert_eq!(check(&serde_json::json!({ "a": [null, 1.0, { "b": "c" }] })), Ok(()));
    }

    #[test]
    fn numbers_that_are_not_finite_are_refused_wherever_they_are() {
        let (nan, infinite) = (f64::NAN, f64::INFINITY);
        let refused = [
            check(&nan),
            check(&f32::NEG_INFINITY),
            check(&Some(infinite)),
            check(&[1.0, nan]),
            check(&(1, infinite)),
            check(&Wrapped(nan)),
            check(&Shape::Circle(infinite)),
            check(&Shape::Box { side: f32::NAN }),
            check(&BTreeMap::from([("a", nan)])),
        ];
        for checked in refused {
            let error = checked.expect_err("refused");
            assert_eq!((error.kind, error.field.as_deref()), (crate::ErrorKind::InvalidArgument, Some("key")));
        }
    }

    #[test]
    fn nothing_within_something_is_refused() {
        assert!(check(&Some(None::<u32>)).is_err() && check(&Some(())).is_err());
        assert!(check(&vec![Some(Some(1)), Some(None)]).is_err());
    }
}

//! The schemas of the signed documents in `/openapi.json`. Most are derived by the documents' own types.
//! Those of domain types are written here, since the domain does not know about schemas.

use utoipa::openapi::schema::{AdditionalProperties, KnownFormat, ObjectBuilder, OneOf, SchemaFormat};
use utoipa::openapi::{Array, Object, Ref, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use super::manifest::{ChannelManifest, ReleaseManifest};
use super::tuf::{KeyId, Root, Snapshot, Targets, Timestamp};
use crate::domain::channel::{ChannelName, LineName, StageName};
use crate::domain::labels::Labels;
use crate::domain::payload::{Payload, Sha256};
use crate::domain::policy::Urgency;
use crate::domain::version::Version;

/// Declares the schema of a document with its signatures, `{"signatures": […], "signed": …}`.
macro_rules! signed {
    ($($(#[$doc:meta])* $name:ident: $($of:ident),+;)*) => {
        $(
            $(#[$doc])*
            #[derive(Debug)]
            pub enum $name {}

            impl PartialSchema for $name {
                fn schema() -> RefOr<Schema> {
                    signed(&[$(<$of as ToSchema>::name()),+])
                }
            }

            impl ToSchema for $name {
                fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
                    $(
                        schemas.push((<$of as ToSchema>::name().into_owned(), <$of as PartialSchema>::schema()));
                        <$of as ToSchema>::schemas(schemas);
                    )+
                }
            }
        )*
    };
}

signed! {
    /// A signed channel manifest.
    SignedChannel: ChannelManifest;
    /// A signed release manifest.
    SignedRelease: ReleaseManifest;
    /// A signed role of TUF 1.0; `_type` says which one.
    SignedRole: Root, Targets, Snapshot, Timestamp;
}

fn signed(of: &[std::borrow::Cow<'static, str>]) -> RefOr<Schema> {
    let reference = |name: &std::borrow::Cow<'static, str>| Ref::from_schema_name(&**name);
    let document: RefOr<Schema> = match of {
        [one] => reference(one).into(),
        several => {
            let mut any = OneOf::new();
            any.items = several.iter().map(|name| reference(name).into()).collect();
            Schema::OneOf(any).into()
        }
    };
    let signature = closed([
        ("keyid", hexadecimal(64, "The SHA-256 digest of the key's canonical form").into()),
        ("sig", hexadecimal(128, "An Ed25519 signature over the canonical form of `signed`").into()),
    ]);
    let signatures = Array::new(RefOr::T(Schema::from(signature.build())));
    let both = closed([("signatures", Schema::from(signatures).into()), ("signed", document)]);
    RefOr::T(both.build().into())
}

/// Returns the schema of an object with these required fields. Other fields are only allowed if they are
/// added explicitly.
fn closed<const N: usize>(required: [(&str, RefOr<Schema>); N]) -> ObjectBuilder {
    let object = ObjectBuilder::new()
        .schema_type(Type::Object)
        .additional_properties(Some(AdditionalProperties::FreeForm(false)));
    required.into_iter().fold(object, |object, (name, schema)| object.property(name, schema).required(name))
}

fn hexadecimal(digits: usize, what: &str) -> Object {
    let text =
        ObjectBuilder::new().schema_type(Type::String).pattern(Some(format!("^[0-9a-f]{{{digits}}}$")));
    text.description(Some(what)).build()
}

fn text(what: &str) -> Object {
    ObjectBuilder::new().schema_type(Type::String).description(Some(what)).build()
}

/// Declares the schemas of domain types.
macro_rules! described {
    ($($of:ty = $schema:expr;)*) => {
        $(
            impl PartialSchema for $of {
                fn schema() -> RefOr<Schema> {
                    RefOr::T(Schema::from($schema))
                }
            }

            impl ToSchema for $of {}
        )*
    };
}

described! {
    Version = text("A version, with or without a leading `v`");
    LineName = text("The name of a line, as in `1.8`");
    StageName = text("The name of a stage, as in `production`");
    ChannelName = text("The name of a channel, as in `1.8-production`");
    Sha256 = hexadecimal(64, "A SHA-256 digest");
    KeyId = hexadecimal(64, "The SHA-256 digest of the key's canonical form");
    Urgency = {
        let words = Urgency::ALL.iter().map(|urgency| urgency.as_str());
        ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words)).build()
    };
    Labels = ObjectBuilder::new()
        .schema_type(Type::Object)
        .additional_properties(Some(RefOr::T(Schema::from(Object::with_type(Type::String)))))
        .build();
    Payload = closed([
            ("file", Object::with_type(Type::String).into()),
            ("sha256", hexadecimal(64, "Its SHA-256 digest").into()),
            ("size", ObjectBuilder::new()
                .schema_type(Type::Integer)
                .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
                .description(Some("In bytes"))
                .into()),
        ])
        .description(Some("A file that a cluster applies"))
        .property("arch", text("The architecture that the file is for; missing if it is for all of them"))
        .build();
}

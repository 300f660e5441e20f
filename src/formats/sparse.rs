//! JSON bodies and documents that omit fields without a value.

/// Declares a struct whose `@optional` fields are omitted when they have no value. They are never `null`.
macro_rules! sparse {
    (
        $(#[$about:meta])*
        pub struct $name:ident {
            $($(#[$doc:meta])* $vis:vis $field:ident: $of:ty,)*
            @optional { $($(#[$optional_doc:meta])* $optional:ident: $optional_of:ty,)* }
            $($(#[$last_doc:meta])* pub $last:ident: $last_of:ty,)*
        }
    ) => {
        $(#[$about])*
        pub struct $name {
            $($(#[$doc])* $vis $field: $of,)*
            $(
                $(#[$optional_doc])*
                #[serde(skip_serializing_if = "Option::is_none")]
                #[schema(nullable = false)]
                pub $optional: Option<$optional_of>,
            )*
            $($(#[$last_doc])* pub $last: $last_of,)*
        }
    };
}
pub(super) use sparse;

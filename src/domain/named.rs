//! Enums whose variants each have a stable name in JSON, in metrics, or on the command line.

/// Declares an enum that gives each variant a stable name and lists all of its variants.
macro_rules! named {
    ($(#[$about:meta])* pub enum $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$doc])* $variant,)*
        }

        impl $name {
            /// Every variant.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The variant's stable name.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }
        }
    };
}
pub(crate) use named;

/// Declares an enum whose variants can carry data, with a stable name for each variant.
macro_rules! tagged {
    (
        $(#[$about:meta])*
        pub enum $name:ident$(<$life:lifetime>)? {
            $($(#[$doc:meta])* $variant:ident$(($($of:tt)*))?$({$($fields:tt)*})? = $word:literal,)*
        }
    ) => {
        $(#[$about])*
        pub enum $name$(<$life>)? {
            $($(#[$doc])* $variant$(($($of)*))?$({$($fields)*})?,)*
        }

        impl$(<$life>)? $name$(<$life>)? {
            /// The variant's stable name.
            pub const fn name(&self) -> &'static str {
                match self {
                    $(Self::$variant { .. } => $word,)*
                }
            }
        }
    };
}
pub(crate) use tagged;

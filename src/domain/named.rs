//! Enums whose variants each have a stable name in JSON, in metrics, or on the command line.

/// Declares such an enum, with a list of all its variants and the name of each.
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

            /// The stable word.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }
        }
    };
}
pub(crate) use named;

/// Declares an enum whose variants have figures, with the word of each.
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
            /// The stable word.
            pub const fn name(&self) -> &'static str {
                match self {
                    $(Self::$variant { .. } => $word,)*
                }
            }
        }
    };
}
pub(crate) use tagged;

//! Where something was asked for.

use std::fmt;

/// The address of a file, and the proxy that it is asked through. It shows no user and no password.
#[derive(Debug, Clone)]
pub struct Place {
    pub url: String,
    pub proxy: Option<Box<Through>>,
}

/// A proxy, as people have named it.
#[derive(Debug, Clone)]
pub struct Through {
    pub shown: String,
    pub variable: &'static str,
    /// The variable for servers that are asked directly, and what it must have for this one.
    pub except: (&'static str, String),
    /// Whether it only forwards bytes, which are encrypted.
    pub is_tunnel: bool,
}

impl fmt::Display for Place {
    /// Writes the address in quotes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.url)?;
        match self.proxy.as_deref() {
            Some(Through { shown, variable, .. }) => {
                write!(f, " (through the proxy `{shown}` of `{variable}`)")
            }
            None => Ok(()),
        }
    }
}

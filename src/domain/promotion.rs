//! Deciding promotions.

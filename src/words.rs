//! Sentences that people read, made of facts of the domain and outcomes of operations. One file for
//! each subject.

pub mod operations;
pub mod rules;

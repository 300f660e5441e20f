//! Sentences that people read, made of the domain's facts. One file for each subject.

pub mod rules;

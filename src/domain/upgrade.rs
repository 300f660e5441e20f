//! Answers to clusters.

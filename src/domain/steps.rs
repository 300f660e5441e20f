//! Counts steps in tests, so that a test can say how work grows without measuring time.

#[cfg(test)]
use std::cell::Cell;

#[cfg(test)]
thread_local! {
    static STEPS: Cell<usize> = const { Cell::new(0) };
}

/// Counts a step of work: something that is made, or asked. Does nothing except in tests.
#[cfg_attr(not(test), expect(clippy::missing_const_for_fn, reason = "it is not constant in tests"))]
#[inline]
pub(crate) fn count() {
    #[cfg(test)]
    STEPS.set(STEPS.get() + 1);
}

/// The steps of some work in this thread.
#[cfg(test)]
pub(crate) fn of<T>(work: impl FnOnce() -> T) -> usize {
    let before = STEPS.get();
    work();
    STEPS.get() - before
}

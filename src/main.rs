//! The `tidegate` command.

use std::process::ExitCode;

/// jemalloc returns freed memory to the system sooner than the C library's allocator does. That matters
/// because making a publication frees about as much memory as the publication takes: `docs/decisions.md`
/// has the figures.
#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    tidegate::cli::main()
}

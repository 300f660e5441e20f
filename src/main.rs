//! The `tidegate` command.

use std::process::ExitCode;

/// Making a publication frees about as much memory as the publication itself takes. jemalloc returns it to
/// the system sooner than the C library's allocator does: `docs/decisions.md` has the figures.
#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    tidegate::cli::main()
}

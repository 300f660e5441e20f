//! The command `tidegate`.

use std::process::ExitCode;

/// A publication leaves about as much memory behind as it takes. jemalloc gives that back to the system
/// sooner than the allocators of C libraries do: `docs/decisions.md` has the figures.
#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    tidegate::cli::main()
}

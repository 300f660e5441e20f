//! The command `tidegate`.

use std::process::ExitCode;

/// A C compiler alone builds it. It holds more memory than jemalloc does, which needs make:
/// `docs/decisions.md` has the figures.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    tidegate::cli::main()
}

//! The command `tidegate`.

use std::process::ExitCode;

/// A server lives for months, and takes and gives back tens of megabytes at each publication: this
/// allocator returns them to the system, where glibc's keeps them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    tidegate::cli::main()
}

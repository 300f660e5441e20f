//! The command `tidegate`.

use std::process::ExitCode;

/// What a publication leaves behind when the next one takes its place goes back to the system. The
/// allocators of the usual C libraries keep most of it: a server that made one of 10,000 releases held
/// half as much again as it used.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    tidegate::cli::main()
}

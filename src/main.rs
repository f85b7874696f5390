//! Entry: hardens the process, then hands over to the command line.

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// A call makes many small allocations that live as long as it does (docs/performance.md).
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    if let Err(error) = locum::app::harden() {
        #[expect(clippy::print_stderr, reason = "there is no output yet")]
        {
            eprintln!("locum: the process could not be hardened: {error}");
        }
        return ExitCode::FAILURE;
    }
    locum::app::install_crypto_provider();
    match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime.block_on(locum::cli::main()),
        #[expect(clippy::print_stderr, reason = "there is no output yet")]
        Err(error) => {
            eprintln!("locum: no runtime: {error}");
            ExitCode::FAILURE
        }
    }
}

use clap::Parser as _;

use super::*;
use crate::cli::{Cli, Command};

/// Serves nothing, with this work beside.
fn serve_with(work: impl FnOnce(&Signals) -> anyhow::Result<()> + Send + 'static) -> String {
    let cli = Cli::parse_from(["tidegate", "serve", "--listen", "127.0.0.1:0", "--workers", "1"]);
    let Command::Serve(args) = &cli.command else { panic!("it is another command") };
    let clock: SharedClock = Arc::new(SystemClock::new());
    let workspace = Workspace::new(&cli.globals, clock);
    let (payloads, supervisor) = (workspace.payload_store(), Supervisor::default());
    serve(args, &workspace, payloads, &Handle::default(), &supervisor, work).unwrap_err().to_string()
}

#[test]
fn a_server_whose_promoter_has_ended_ends_too_and_says_so() {
    for error in [serve_with(|_| Ok(())), serve_with(|_| panic!("as a fault of ours would"))] {
        assert!(error.starts_with("the promoter stopped unexpectedly"), "{error}");
    }
}

#[test]
fn a_server_that_must_not_go_on_ends_and_says_why() {
    let error = serve_with(|_| Err(refuse("this server is behind", "recover")));
    assert_eq!(error, "this server is behind");
}

//! The program: reads the command line, runs one command, says in one sentence what failed.

use std::io::Write as _;
use std::process::ExitCode;

use tollgate::app::{DemoOptions, ServeOptions, demo, serve};
use tollgate::base::Clock;
use tollgate::cli::{Arguments, Command, Session, config_file, run, typed, without_keys};
use tollgate::config::Environment;

/// The allocator that the measurements were made with; the system's costs more per request.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let Arguments { command, common } = match typed() {
        Ok(arguments) => arguments,
        Err(code) => return code,
    };
    let environment = Environment::of_process();
    let mut out = std::io::stdout().lock();
    let outcome: Result<(), String> = match command {
        Command::Demo(what) => {
            let options = DemoOptions { port: what.port, data: what.data, json: common.json };
            demo(&options, &mut out).map_err(|fault| fault.to_string())
        }
        Command::Serve(what) => {
            let config = config_file(common.config.as_deref());
            let options = ServeOptions { config, workers: what.workers.map(usize::from) };
            serve(options, environment).map_err(|fault| fault.to_string())
        }
        other => {
            let err = &mut std::io::stderr();
            let mut session = Session { out: &mut out, err, environment, clock: Clock::system() };
            run(other, &common, &mut session).map_err(|fault| fault.to_string())
        }
    };
    match outcome.and_then(|()| out.flush().map_err(|error| error.to_string())) {
        Ok(()) => ExitCode::SUCCESS,
        // A reader that closed its end (`| head`) has what it wanted.
        Err(sentence) if sentence.starts_with("Broken pipe") => ExitCode::SUCCESS,
        Err(sentence) => {
            // Somebody may have typed a key where something else was asked for.
            for line in without_keys(&sentence).lines() {
                let _ = writeln!(std::io::stderr(), "tollgate: {line}");
            }
            ExitCode::FAILURE
        }
    }
}

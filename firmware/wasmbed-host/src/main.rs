//! The node as a program on this computer: the firmware without a board, for debugging and for comparison.
//!
//! `wasmbed-host BLOB [FLASH]` reads a provisioning blob, keeps an issued certificate in the file FLASH, connects by
//! TCP and writes the console to standard output.

mod machine;

use std::process::ExitCode;
use std::{env, fs};

use wasmbed_node::node::Node;
use wasmbed_node::provisioning;

use crate::machine::Machine;

fn main() -> ExitCode {
    let mut arguments = env::args().skip(1);
    let (Some(blob), flash, None) = (arguments.next(), arguments.next(), arguments.next()) else {
        eprintln!("usage: wasmbed-host BLOB [FLASH]");
        return ExitCode::from(2);
    };
    match run(&blob, flash) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{blob}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(blob: &str, flash: Option<String>) -> Result<(), String> {
    let blob = fs::read(blob).map_err(|error| error.to_string())?;
    let provisioning = provisioning::read(&blob).map_err(|error| error.to_string())?;
    let machine = Box::leak(Box::new(Machine::new(flash.map(Into::into))));
    let mut node = Node::new(machine.hardware(), &provisioning).map_err(|error| error.to_string())?;
    node.run();
    Ok(())
}

//! The verdict on each module of `harness/testing/modules/verdicts.json`, which is the same on every tier.

mod support;

use std::fs;
use std::path::Path;

use support::Bench;
use wasmbed_node::runtime::{Engine, Load, Surroundings};
use wasmbed_protocol::messages::Limits;

/// Those of the harness's own test.
const LIMITS: Limits = Limits { memory: 4 << 16, fuel: 1_000_000, wall_time: 2_000 };

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

#[test]
fn every_module_is_judged_as_on_the_other_tiers() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../harness/testing/modules/verdicts.json");
    let cases: Vec<serde_json::Value> = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let mut bad = String::new();
    for case in &cases {
        let name = case["name"].as_str().unwrap();
        eprintln!("{name}");
        let load = Load { module: bytes(case["hex"].as_str().unwrap()), limits: LIMITS, entry: "run" };
        let verdict = match Engine::new(Bench::new().hardware()).load(Surroundings::default(), load) {
            Ok(_) => ("accepted", String::new()),
            Err(e) => ("refused", format!("{e:?}")),
        };
        eprintln!("   {verdict:?}");
        if verdict.0 != case["verdict"] { bad += &format!("{name}: {verdict:?}\n"); }
    }
    assert_eq!(bad, "");
}

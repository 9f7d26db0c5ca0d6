//! The verdict on each module of `harness/testing/modules/verdicts.json`, which is the same on every tier.

mod support;

use std::fs;
use std::path::Path;

use support::Bench;
use wasmbed_node::runtime::{Engine, Load, LoadError, Surroundings};
use wasmbed_protocol::messages::Limits;

/// The limits of the harness's own test.
const LIMITS: Limits = Limits { memory: 4 << 16, fuel: 1_000_000, wall_time: 2_000 };

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

#[test]
fn every_module_gets_the_same_verdict_as_on_the_other_tiers() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../harness/testing/modules/verdicts.json");
    let cases: Vec<serde_json::Value> = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    for case in &cases {
        let load = Load { module: bytes(case["hex"].as_str().unwrap()), limits: LIMITS, entry: "run" };
        let loaded = Engine::new(Bench::new().hardware()).load(Surroundings::default(), load);
        let verdict = match &loaded {
            Ok(_) => "accepted",
            Err(LoadError::NotLoadable(_)) => "refused",
            Err(LoadError::NotEnoughMemory(_) | LoadError::Fault(_)) => "not judged",
        };
        assert_eq!(verdict, case["verdict"], "{}: {:?}", case["name"], loaded.err());
    }
}

/// Modules above a limit of all devices are refused, and the reason names the limit.
#[test]
fn a_module_above_a_limit_is_refused_with_the_reason() {
    let many = |count: usize, what: &str| what.repeat(count);
    let frame = |more: &str| {
        let text = format!(r#"(module {more} (memory (export "memory") 1) (func (export "run")))"#);
        wat::parse_str(text).unwrap()
    };
    let distinct =
        |count: usize| -> String { (0..count).map(|index| format!("(func (export \"f{index}\"))")).collect() };
    for (module, words) in [
        (frame(&many(10_000, "(func)")), "has 10001 functions, devices take at most 10000"),
        (frame(&many(1_001, "(global i32 (i32.const 0))")), "has 1001 globals"),
        (frame(&many(1_001, r#"(data "")"#)), "has 1001 data segments"),
        (frame(&format!("(table 1 funcref) {}", many(1_001, "(elem func)"))), "has 1001 element segments"),
        (frame(&format!("(elem func {})", many(10_001, "0 "))), "has 10001 elements of all segments"),
        (frame(&many(1_001, "(type (func))")), "has 1001 types"),
        (frame(&distinct(999)), "has 1001 exports"),
        (frame(&format!("(func {})", many(70_000, "(nop)(nop)"))), "bytes of one function's code"),
    ] {
        let load = Load { module, limits: LIMITS, entry: "run" };
        match Engine::new(Bench::new().hardware()).load(Surroundings::default(), load).err() {
            Some(LoadError::NotLoadable(reason)) => assert!(reason.contains(words), "{reason}"),
            other => panic!("{words}: {other:?}"),
        }
    }
}

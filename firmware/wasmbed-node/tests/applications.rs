//! Deployment and runtime, against a gateway that follows a script.

mod support;

use std::sync::atomic::{AtomicUsize, Ordering};

use sha2::{Digest, Sha256};
use support::{Board, Move};
use wasmbed_node::applications::{Applications, NoSession};
use wasmbed_node::hardware::{Hardware, Profile, simulated_sensor};
use wasmbed_protocol::messages::{
    ApplicationStatusRequest, Deploy, GatewayMessage, HeartbeatAcknowledgment, Limits, ModuleChunk, Stop, Texts,
};

const LIMITS: Limits = Limits { memory: 128 << 10, fuel: 100_000, wall_time: 1000 };

fn module(text: &str) -> &'static [u8] {
    wat::parse_str(text).unwrap().leak()
}

/// The steps that deliver a module as application `id` in chunks of 64 bytes.
fn delivery(id: &'static str, module: &'static [u8], limits: Limits) -> Vec<Move> {
    let deploy = GatewayMessage::Deploy(Deploy {
        application_id: id,
        name: id,
        size: module.len() as u64,
        sha256: Sha256::digest(module).into(),
        chunk_size: 64,
        limits,
        entry: "run",
        arguments: vec!["first", "second"],
        environment: Some(Texts(vec![("COLOUR", "blue")])),
    });
    let chunks = module.chunks(64).enumerate().map(|(index, data)| {
        let chunk = ModuleChunk { application_id: id, index: index as u64, data };
        Move::Say(101 + index as u32, GatewayMessage::ModuleChunk(chunk))
    });
    [Move::Await("Heartbeat"), Move::Say(100, deploy)].into_iter().chain(chunks).collect()
}

fn run(text: &str, limits: Limits, until: &'static str) -> (Board, support::Report) {
    let mut board = Board::enrolled(10_000);
    let mut moves = delivery("app", module(text), limits);
    moves.push(Move::Await(until));
    let report = board.session(None, moves);
    (board, report)
}

const INTERFACE: &str = r#"
    (import "wasmbed" "log" (func $log (param i32 i32 i32)))
    (import "wasmbed" "clock_ms" (func $clock_ms (result i64)))
    (import "wasmbed" "publish" (func $publish (param i32 i32 i32 i32) (result i32)))
    (import "wasmbed" "sensor_read" (func $sensor_read (param i32) (result i32)))
    (import "wasmbed" "gpio_write" (func $gpio_write (param i32 i32)))
    (import "wasmbed" "argument" (func $argument (param i32 i32 i32) (result i32)))
    (import "wasmbed" "environment" (func $environment (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 0) "hello topic COLOUR")
"#;

#[test]
fn a_module_is_received_run_and_reported() {
    let text = format!(
        r#"(module {INTERFACE} (func (export "run")
            (call $log (i32.const 2) (i32.const 0) (i32.const 5))
            (call $gpio_write (i32.const 3) (i32.const 7))
            (i32.store (i32.const 64) (call $sensor_read (i32.const 1)))
            (drop (call $publish (i32.const 6) (i32.const 5) (i32.const 64) (i32.const 4)))
            (drop (call $publish (i32.const 6) (i32.const 5) (i32.const 80)
                (call $argument (i32.const 1) (i32.const 80) (i32.const 3))))
            (drop (call $publish (i32.const 6) (i32.const 5) (i32.const 96)
                (call $environment (i32.const 12) (i32.const 6) (i32.const 96) (i32.const 16))))))"#
    );
    let (board, report) = run(&text, LIMITS, "ApplicationStatus");
    let names = report.names();
    assert!(names.ends_with(&["ChunkAcknowledgment", "DeploymentResult", "ApplicationStatus"]), "{names:?}");
    assert!(report.messages("DeploymentResult")[0].contains("ok: true"));
    let status = report.messages("ApplicationStatus")[0];
    assert!(status.contains("state: Running"), "{status}");
    // 20000 + 100 * 1 - 500, little-endian; the argument's full length, not the copied part; the variable.
    assert!(status.contains("payload: [144, 76, 0, 0]"), "{status}");
    assert!(status.contains("payload: [115, 101, 99, 0, 0, 0]"), "{status}");
    assert!(status.contains("payload: [98, 108, 117, 101]"), "{status}");
    assert!(board.bench.said("app app: [info] hello\n"));
    assert_eq!(*board.bench.pins.borrow(), [(3, true)]);
}

#[test]
fn a_module_chooses_the_time_of_its_next_tick() {
    let text = format!(
        r#"(module {INTERFACE}
            (func (export "run"))
            (func (export "tick") (result i32)
                (i64.store (i32.const 64) (call $clock_ms))
                (drop (call $publish (i32.const 6) (i32.const 5) (i32.const 64) (i32.const 8)))
                (i32.const 250)))"#
    );
    let mut board = Board::enrolled(10_000);
    let mut moves = delivery("app", module(&text), LIMITS);
    moves.push(Move::Until(600));
    let report = board.session(None, moves);
    let times: Vec<_> = report.messages("ApplicationStatus");
    assert_eq!(times.len(), 4, "{times:?}"); // running, 0, 250, 500
    assert!(times[2].contains("payload: [250, 0,"), "{}", times[2]);
    assert!(times[3].contains("payload: [244, 1,"), "{}", times[3]);
}

#[test]
fn a_failed_call_is_reported_with_its_cause() {
    let endless = r#"(module (memory (export "memory") 1) (func (export "run") (loop (br 0))))"#;
    let trap = r#"(module (memory (export "memory") 1) (func (export "run") unreachable))"#;
    let greedy = r#"(module (memory (export "memory") 1)
        (func (export "run") (if (i32.eq (memory.grow (i32.const 9)) (i32.const -1)) (then unreachable))))"#;
    let stray = format!(
        r#"(module {INTERFACE} (func (export "run") (call $log (i32.const 2) (i32.const 65530) (i32.const 7))))"#
    );
    let deep = r#"(module (memory (export "memory") 1) (func (export "run") (call 0)))"#;
    let slow = Limits { fuel: u64::MAX, wall_time: 0, ..LIMITS };
    for (text, limits, code) in [
        (endless, LIMITS, "OUT_OF_FUEL"),
        (trap, LIMITS, "TRAP"),
        (greedy, LIMITS, "MEMORY_LIMIT"),
        (&stray, LIMITS, "TRAP"),
        (deep, LIMITS, "TRAP"),
    ] {
        let (board, report) = run(text, limits, "RuntimeFault");
        let fault = report.messages("RuntimeFault")[0];
        assert!(fault.contains(&format!("code: \"{code}\"")), "{fault}");
        assert!(fault.contains("memory_bytes") && fault.contains("fuel_used"), "{fault}");
        assert!(report.messages("DeploymentResult")[0].contains("ok: true"));
        assert!(board.bench.said(&format!("app app: fault {code}: ")));
        assert_eq!((board.applications.failed(), board.applications.running()), (1, 0));
    }
    let mut board = Board::enrolled(1000);
    let mut moves = delivery("app", module(endless), slow);
    moves.extend([Move::Await("Heartbeat"), Move::Await("RuntimeFault")]);
    board.bench.tick_on_look();
    let report = board.session(None, moves);
    assert!(report.messages("RuntimeFault")[0].contains("TIME_LIMIT"));
}

#[test]
fn heartbeats_continue_while_a_module_computes() {
    let text = r#"(module (memory (export "memory") 1) (func (export "run") (loop (br 0))))"#;
    let mut board = Board::enrolled(1000);
    board.bench.tick_on_look();
    let acknowledgment =
        || Move::Say(0, GatewayMessage::HeartbeatAcknowledgment(HeartbeatAcknowledgment { gateway_time: 0 }));
    let mut moves = delivery("app", module(text), Limits { fuel: u64::MAX, wall_time: 100_000, ..LIMITS });
    for _ in 0..3 {
        moves.extend([acknowledgment(), Move::Await("Heartbeat")]);
    }
    let report = board.session(None, moves);
    let beats = report.messages("Heartbeat");
    assert_eq!(beats.len(), 4);
    assert!(beats[3].contains("runtime_status: \"busy\""), "{}", beats[3]);
    assert!(report.messages("RuntimeFault").is_empty());
}

#[test]
fn a_module_that_this_board_cannot_run_is_refused() {
    for (text, code) in [
        (r#"(module (func (export "run")))"#, "INVALID_MODULE"),
        (r#"(module (memory (export "memory") 1))"#, "INVALID_MODULE"),
        (r#"(module (memory (export "memory") 1) (func (export "run") (param i32)))"#, "INVALID_MODULE"),
        (r#"(module (memory (export "memory") 3) (func (export "run")))"#, "INVALID_MODULE"),
        (
            r#"(module (import "wasmbed" "no" (func)) (memory (export "memory") 1) (func (export "run")))"#,
            "INVALID_MODULE",
        ),
        (
            r#"(module (memory (export "memory") 1) (data (i32.const 65535) "ab") (func (export "run")))"#,
            "INVALID_MODULE",
        ),
        (r#"(module (memory (export "memory") 1) (func (export "run")) (func unreachable) (start 1))"#, "TRAP"),
        (
            r#"(module (memory (export "memory") 1) (func (export "run")) (func (loop (br 0))) (start 1))"#,
            "OUT_OF_FUEL",
        ),
    ] {
        let (board, report) = run(text, LIMITS, "DeploymentResult");
        let result = report.messages("DeploymentResult")[0];
        assert!(result.contains("ok: false") && result.contains(&format!("Some(\"{code}\")")), "{text}: {result}");
        assert_eq!(board.applications.failed(), 1);
    }
}

#[test]
fn a_start_function_and_initialize_run_before_the_entry() {
    let text = format!(
        r#"(module {INTERFACE}
            (func $say (param i32) (call $log (i32.const 2) (local.get 0) (i32.const 5)))
            (func $start (call $say (i32.const 0)))
            (func (export "_initialize") (call $say (i32.const 6)))
            (func (export "run") (call $say (i32.const 12)))
            (start $start))"#
    );
    let (board, report) = run(&text, LIMITS, "ApplicationStatus");
    assert!(report.messages("DeploymentResult")[0].contains("ok: true"));
    let lines = board.bench.lines.borrow();
    let said: Vec<_> = lines.lines().filter_map(|line| line.split("[info] ").nth(1)).collect();
    assert_eq!(said, ["hello", "topic", "COLOU"]);
}

#[test]
fn a_failure_before_the_entry_names_the_function() {
    let initialize = format!(
        r#"(module {INTERFACE} (func (export "run"))
            (func (export "_initialize") (call $log (i32.const 2) (i32.const 65530) (i32.const 7))))"#
    );
    let start = initialize.replace(r#"(func (export "_initialize")"#, "(start $s) (func $s");
    let endless = r#"(module (memory (export "memory") 1) (func (export "run")) (func $s (loop (br 0))) (start $s))"#;
    let plenty = Limits { fuel: u64::MAX, ..LIMITS };
    for (text, limits, words) in [
        (initialize.as_str(), LIMITS, "_initialize: wasmbed.log: 7 bytes at 0xfffa"),
        (start.as_str(), LIMITS, "start function: wasmbed.log: 7 bytes at 0xfffa"),
        (endless, Limits { fuel: 10, ..LIMITS }, "start function: used up its 10 units of fuel"),
        (endless, plenty, "start function: used up its 2000000 units of fuel"),
    ] {
        let (_, report) = run(text, limits, "DeploymentResult");
        let result = report.messages("DeploymentResult")[0];
        assert!(result.contains("ok: false") && result.contains(words), "{result}");
    }
}

#[test]
fn a_module_that_needs_too_much_memory_is_refused_with_figures() {
    static FREE: AtomicUsize = AtomicUsize::new(0);
    let one = r#"(module (memory (export "memory") 1) (func (export "run")))"#;
    let five = r#"(module (memory (export "memory") 5) (func (export "run")))"#;
    let limits = Limits { memory: 1 << 20, ..LIMITS };
    for (text, free, words) in [
        (one, 1_000, "translating it needs "),
        (one, 1_000, " bytes of memory, 1000 are free"),
        (one, 70_000, "running it needs "),
        (one, 70_000, " bytes of memory, 70000 are free"),
        (five, 1 << 20, "needs 327680 bytes of memory, this board gives a module 262144"),
    ] {
        let mut board = Board::enrolled(10_000);
        let hardware = board.bench.hardware();
        FREE.store(free, Ordering::Relaxed);
        let profile = Profile { heap: || (0, FREE.load(Ordering::Relaxed)), ..hardware.profile };
        board.applications = Applications::new(Hardware { profile, ..hardware }, 4096);
        let mut moves = delivery("app", module(text), limits);
        moves.push(Move::Await("DeploymentResult"));
        let report = board.session(None, moves);
        let result = report.messages("DeploymentResult")[0];
        assert!(result.contains("NOT_ENOUGH_MEMORY") && result.contains(words), "{result}");
    }
}

#[test]
fn a_table_grows_up_to_the_limit_of_all_devices() {
    let text = r#"(module (memory (export "memory") 1) (table $t 1 funcref)
        (func $grow (param i32) (result i32) (table.grow $t (ref.null func) (local.get 0)))
        (func (export "run")
            (if (i32.ne (call $grow (i32.const 50000000)) (i32.const -1)) (then unreachable))
            (if (i32.ne (call $grow (i32.const 10000)) (i32.const -1)) (then unreachable))
            (if (i32.ne (call $grow (i32.const 9999)) (i32.const 1)) (then unreachable))))"#;
    let (_, report) = run(text, LIMITS, "ApplicationStatus");
    assert!(report.messages("ApplicationStatus")[0].contains("state: Running"));
}

#[test]
fn readings_are_counted_for_a_limited_number_of_sensors() {
    let text = format!(
        r#"(module {INTERFACE}
            (global $channel (mut i32) (i32.const 0))
            (func (export "run")
                (loop
                    (drop (call $sensor_read (global.get $channel)))
                    (global.set $channel (i32.add (global.get $channel) (i32.const 1)))
                    (br_if 0 (i32.lt_u (global.get $channel) (i32.const 65))))
                (i32.store (i32.const 64) (call $sensor_read (i32.const 63)))
                (i32.store (i32.const 68) (call $sensor_read (i32.const 64)))
                (drop (call $publish (i32.const 6) (i32.const 5) (i32.const 64) (i32.const 8)))))"#
    );
    let (_, report) = run(&text, LIMITS, "ApplicationStatus");
    let [counted, not] = [simulated_sensor(63, 1), simulated_sensor(64, 0)].map(i32::to_le_bytes);
    let payload = format!("payload: {:?}", [counted, not].concat());
    assert!(report.messages("ApplicationStatus")[0].contains(&payload));
}

#[test]
fn damaged_and_unexpected_chunks_are_refused() {
    let mut moves = delivery("app", module(r#"(module (memory (export "memory") 1) (func (export "run")))"#), LIMITS);
    let Some(Move::Say(id, GatewayMessage::ModuleChunk(_))) = moves.pop() else { unreachable!() };
    let wrong = ModuleChunk { application_id: "app", index: 7, data: b"x" };
    moves.push(Move::Say(id, GatewayMessage::ModuleChunk(wrong.clone())));
    moves.push(Move::Say(300, GatewayMessage::ModuleChunk(wrong)));
    moves.push(Move::Await("Error"));
    let report = Board::enrolled(10_000).session(None, moves);
    assert!(report.messages("DeploymentResult")[0].contains("BAD_CHUNK"));
    assert!(report.messages("Error")[0].contains("which is not being received"));
    assert_eq!(report.sent.last().unwrap().0, 300);
}

#[test]
fn an_application_is_stopped_and_deployed_again() {
    let text = r#"(module (memory (export "memory") 1) (func (export "run")))"#;
    let stop = |id| Move::Say(id, GatewayMessage::Stop(Stop { application_id: "app" }));
    let ask = |id| {
        let request = ApplicationStatusRequest { application_id: Some("app") };
        Move::Say(id, GatewayMessage::ApplicationStatusRequest(request))
    };
    let mut moves = delivery("app", module(text), LIMITS);
    moves.push(Move::Await("ApplicationStatus"));
    moves.extend(delivery("app", module(text), LIMITS).into_iter().skip(1).take(1));
    moves.extend([Move::Await("DeploymentResult"), stop(500), Move::Await("StopResult"), ask(501)]);
    moves.push(Move::Await("ApplicationStatus"));
    moves.extend(delivery("app", module(text), LIMITS).into_iter().skip(1));
    moves.extend([Move::Await("ApplicationStatus"), stop(502), stop(503), Move::Await("StopResult")]);
    let mut board = Board::enrolled(10_000);
    let report = board.session(None, moves);
    let results = report.messages("DeploymentResult");
    assert!(results[0].contains("ok: true"));
    assert!(results[1].contains("ALREADY_DEPLOYED"), "{}", results[1]);
    assert!(results[2].contains("ok: true"));
    assert!(report.messages("ApplicationStatus")[1].contains("state: Stopped"));
    assert_eq!(report.messages("StopResult").len(), 3);
    assert!(board.applications.states().0.is_empty());
}

#[test]
fn a_board_holds_a_limited_number_of_applications_and_failed_ones_make_room() {
    let good = module(r#"(module (memory (export "memory") 1) (func (export "run")))"#);
    let bad = module(r#"(module (memory (export "memory") 1) (func (export "run") unreachable))"#);
    let mut moves = delivery("one", good, LIMITS);
    moves.push(Move::Await("ApplicationStatus"));
    for (id, module, until) in
        [("two", bad, "RuntimeFault"), ("three", good, "ApplicationStatus"), ("four", good, "DeploymentResult")]
    {
        moves.extend(delivery(id, module, LIMITS).into_iter().skip(1).take(if id == "four" { 1 } else { 99 }));
        moves.push(Move::Await(until));
    }
    let mut board = Board::enrolled(10_000);
    let report = board.session(None, moves);
    assert!(report.messages("DeploymentResult")[3].contains("TOO_MANY_APPLICATIONS"));
    assert_eq!(board.applications.running(), 2);
    assert_eq!(board.applications.errors(), 2);
    assert_eq!(board.applications.states().0.len(), 3, "the heartbeat reports the failed one");
}

#[test]
fn a_fault_while_the_link_was_down_is_reported_afterwards() {
    let text = format!(
        r#"(module {INTERFACE}
            (global $left (mut i32) (i32.const 3))
            (func (export "run"))
            (func (export "tick") (result i32)
                (global.set $left (i32.sub (global.get $left) (i32.const 1)))
                (if (i32.eqz (global.get $left)) (then unreachable))
                (drop (call $publish (i32.const 6) (i32.const 5) (i32.const 0) (i32.const 5)))
                (i32.const 100)))"#
    );
    let mut board = Board::enrolled(10_000);
    let mut moves = delivery("app", module(&text), LIMITS);
    moves.extend([Move::Await("ApplicationStatus"), Move::Await("ApplicationStatus")]);
    board.session(None, moves);
    while board.applications.failed() == 0 {
        let due = board.applications.advance(&mut NoSession);
        board.bench.hardware().rest(due);
    }
    let acknowledgment = GatewayMessage::HeartbeatAcknowledgment(HeartbeatAcknowledgment { gateway_time: 0 });
    let moves = vec![Move::Await("Heartbeat"), Move::Say(1, acknowledgment), Move::Await("RuntimeFault")];
    let report = board.session(None, moves);
    assert!(report.messages("Heartbeat")[0].contains("status: \"degraded\""));
    assert!(report.messages("RuntimeFault")[0].contains("TRAP"));
}

#[test]
fn many_publications_are_sent_in_messages_that_fit_into_a_record() {
    let text = format!(
        r#"(module {INTERFACE}
            (global $left (mut i32) (i32.const 40))
            (func (export "run") (loop
                (drop (call $publish (i32.const 6) (i32.const 5) (i32.const 0) (i32.const 1000)))
                (global.set $left (i32.sub (global.get $left) (i32.const 1)))
                (br_if 0 (global.get $left)))))"#
    );
    let (_, report) = run(&text, LIMITS, "ApplicationStatus");
    let told: Vec<_> = report.messages("ApplicationStatus").iter().map(|text| text.matches("topic:").count()).collect();
    assert_eq!(told, [16, 16, 8]);
}

#[test]
fn a_growth_that_needs_too_much_memory_is_refused_to_the_module() {
    static FREE: AtomicUsize = AtomicUsize::new(1 << 20);
    let text = format!(
        r#"(module {INTERFACE}
            (func (export "run"))
            (func (export "tick") (result i32)
                (call $gpio_write (call $publish (i32.const 6) (i32.const 5) (i32.const 0) (i32.const 5)) (i32.const 1))
                (i32.const 100)))"#
    );
    let mut board = Board::enrolled(10_000);
    let hardware = board.bench.hardware();
    let profile = Profile { heap: || (0, FREE.load(Ordering::Relaxed)), ..hardware.profile };
    board.applications = Applications::new(Hardware { profile, ..hardware }, 4096);
    let mut moves = delivery("app", module(&text), LIMITS);
    moves.extend([Move::Await("ApplicationStatus"), Move::Await("ApplicationStatus")]);
    board.session(None, moves);
    FREE.store(8 << 10, Ordering::Relaxed);
    while board.bench.pins.borrow().len() < 2 {
        let due = board.applications.advance(&mut NoSession);
        hardware.rest(due);
    }
    assert_eq!(*board.bench.pins.borrow(), [(0, true), (-1, true)]);
}

fn stop(message_id: u32, id: &'static str) -> Move {
    Move::Say(message_id, GatewayMessage::Stop(Stop { application_id: id }))
}

const LOUD: &str = r#"(module (import "wasmbed" "log" (func $log (param i32 i32 i32)))
    (memory (export "memory") 1) (data (i32.const 0) "I RAN")
    (func (export "run") (call $log (i32.const 2) (i32.const 0) (i32.const 5))))"#;

#[test]
fn a_stop_cancels_a_transfer_and_answers_the_deployment() {
    let good = module(r#"(module (memory (export "memory") 1) (func (export "run")))"#);
    let mut moves = delivery("app", module(LOUD), LIMITS);
    let late = moves.pop().unwrap();
    moves.extend([stop(500, "app"), Move::Await("StopResult"), late]);
    moves.extend(delivery("next", good, LIMITS).into_iter().skip(1));
    moves.push(Move::Await("ApplicationStatus"));
    let mut board = Board::enrolled(10_000);
    let report = board.session(None, moves);
    let at = report.names().iter().position(|name| *name == "DeploymentResult").unwrap();
    let (cancelled, stopped) = (&report.sent[at], &report.sent[at + 1]);
    assert!(
        cancelled.0 == 100 && cancelled.1.contains("ok: false") && cancelled.1.contains("\"CANCELLED\""),
        "{cancelled:?}"
    );
    assert!(stopped.0 == 500 && stopped.1.contains("StopResult") && stopped.1.contains("ok: true"), "{stopped:?}");
    assert!(report.messages("Error").is_empty(), "a chunk that was already sent is not an error");
    assert!(!board.bench.said("I RAN"));
    assert_eq!(board.applications.states().0.len(), 1);
    assert_eq!((board.applications.running(), board.applications.errors()), (1, 0));
}

#[test]
fn a_stop_directly_after_the_last_chunk_leaves_nothing_running() {
    let mut moves = delivery("app", module(LOUD), LIMITS);
    moves.extend([stop(500, "app"), Move::Await("StopResult"), Move::Until(1000)]);
    let mut board = Board::enrolled(10_000);
    let report = board.session(None, moves);
    assert_eq!(report.messages("DeploymentResult").len(), 1, "answered once, with either result");
    assert_eq!(report.sent.last().unwrap().0, 500, "no message about it after the stop");
    assert!(board.applications.states().0.is_empty());
}

#[test]
fn another_announcement_cancels_the_previous_transfer() {
    let mut moves = delivery("app", module(LOUD), LIMITS);
    moves.pop();
    let good = module(r#"(module (memory (export "memory") 1) (func (export "run")))"#);
    moves.extend(delivery("app", good, LIMITS).into_iter().skip(1));
    moves.push(Move::Await("ApplicationStatus"));
    let mut board = Board::enrolled(10_000);
    let report = board.session(None, moves);
    let results = report.messages("DeploymentResult");
    assert!(results[0].contains("CANCELLED") && results[1].contains("ok: true"), "{results:?}");
    assert!(!board.bench.said("I RAN"));
}

#[test]
fn a_chunk_of_an_unannounced_module_is_an_error_on_the_next_link() {
    let mut moves = delivery("app", module(LOUD), LIMITS);
    let late = moves.pop().unwrap();
    moves.extend([stop(500, "app"), Move::Await("StopResult")]);
    let mut board = Board::enrolled(10_000);
    board.session(None, moves);
    let report = board.session(None, vec![Move::Await("Heartbeat"), late, Move::Await("Error")]);
    assert!(report.messages("Error")[0].contains("which is not being received"));
}

#[test]
fn a_transfer_ends_with_its_link() {
    let mut moves = delivery("app", module(r#"(module (memory (export "memory") 1) (func (export "run")))"#), LIMITS);
    moves.truncate(2);
    let mut board = Board::enrolled(10_000);
    board.session(None, moves);
    assert!(board.bench.said("app app: transfer given up: the link is down"));
    assert!(board.applications.states().0.is_empty());
}

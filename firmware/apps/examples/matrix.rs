//! Multiplies matrices, to measure a runtime's speed. It publishes a checksum and logs the time.
//!
//! Arguments: the number of rows (24, at most 32), and the number of multiplications (1).
#![cfg_attr(target_arch = "wasm32", no_std)]

use wasmbed_guest::{Text, clock_ms, log, number, publish_number};

const LARGEST: usize = 32;
type Matrix = [[i32; LARGEST]; LARGEST];

fn filled(size: usize, seed: i32) -> Matrix {
    let mut matrix = [[0; LARGEST]; LARGEST];
    let mut value = seed;
    for row in &mut matrix[..size] {
        for cell in &mut row[..size] {
            value = value.wrapping_mul(1_103_515_245).wrapping_add(12_345);
            *cell = value >> 20;
        }
    }
    matrix
}

fn multiply(left: &Matrix, right: &Matrix, size: usize) -> Matrix {
    let mut product = [[0; LARGEST]; LARGEST];
    for row in 0..size {
        for column in 0..size {
            let cells = (0..size).map(|at| left[row][at].wrapping_mul(right[at][column]));
            product[row][column] = cells.fold(0, i32::wrapping_add);
        }
    }
    product
}

/// Multiplies, and publishes the sum of the product's cells.
#[unsafe(no_mangle)]
pub extern "C" fn run() {
    let size = number(0, 24).clamp(1, LARGEST as i32) as usize;
    let began = clock_ms();
    let mut product = filled(size, 1);
    let other = filled(size, 2);
    for _ in 0..number(1, 1).max(1) {
        product = multiply(&product, &other, size);
    }
    let checksum =
        product[..size].iter().flat_map(|row| &row[..size]).fold(0, |sum: i32, &cell| sum.wrapping_add(cell));
    publish_number("checksum", i64::from(checksum));
    let mut text = Text::new();
    text.push_number(size as i64);
    text.push(" rows in ms: ");
    text.push_number(clock_ms() - began);
    log(text.as_str());
}

//! The interface of a link beside the serial one.

use wasmbed_node::hardware::Link;

/// A link beside the serial one.
pub trait Network: Link + Sync {
    /// Starts it with the board's own address (`10.0.2.15/24`); false: not an address.
    fn start(&'static self, address: &str, seed: u64) -> bool;

    /// Moves the frames that can be moved now. Returns when to call it again at the latest, in milliseconds since boot;
    /// 0: the node has to look at the link first.
    fn advance(&self) -> u64;

    /// Whether a frame has arrived since the last call of [`Self::advance`].
    fn has_arrived(&self) -> bool;

    /// The number of its interrupt.
    fn number(&self) -> u16;

    /// Handles its interrupt.
    fn interrupt(&self);
}

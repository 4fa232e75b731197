//! Images changed in place, beside qemu-img.

mod changed;
mod moved;

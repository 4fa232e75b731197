//! Images changed in place, beside qemu-img.

mod moved;

//! Changes of bitmaps.

use std::fs;

use blockio::len_u64;
use qcow2_edit::{Editor, NewBitmap};
use qcow2_format::bitmap::BitmapFlags;

use crate::common::contents::Contents;
use crate::{Sequence, in_memory};

impl Sequence<'_> {
    pub(super) fn bitmap(&mut self) {
        if self.is_v2 {
            return self.ours("drop leaks", Editor::drop_leaks);
        }
        let is_ours = self.random.below(2) == 0;
        let count = self.model.bitmaps.len();
        let index = in_memory(self.random.below(len_u64(count.max(1))));
        match self.random.below(if count == 0 { 1 } else { 6 }) {
            0 | 1 => self.add_bitmap(is_ours),
            2 => {
                let name = self.model.bitmaps[index].0.clone();
                let shown = String::from_utf8(name.clone()).unwrap();
                if is_ours {
                    self.ours(&format!("remove {shown}"), |editor| {
                        editor.remove_bitmap(&name)
                    });
                } else {
                    assert!(self.qemu("bitmap --remove", &shown), "{}", self.done);
                }
                self.model.bitmaps.remove(index);
            }
            3 => {
                let name = self.model.bitmaps[index].0.clone();
                let shown = String::from_utf8(name.clone()).unwrap();
                if is_ours {
                    self.ours(&format!("clear {shown}"), |editor| {
                        editor.clear_bitmap(&name)
                    });
                } else {
                    assert!(self.qemu("bitmap --clear", &shown), "{}", self.done);
                }
                self.model.bitmaps[index].3.fill(0);
            }
            4 => {
                let (name, flags, ..) = self.model.bitmaps[index].clone();
                let shown = String::from_utf8(name.clone()).unwrap();
                let enable = !flags.contains(BitmapFlags::AUTO);
                if is_ours {
                    self.ours(&format!("enable {enable} {shown}"), |editor| {
                        editor.enable_bitmap(&name, enable)
                    });
                } else {
                    let option = if enable { "--enable" } else { "--disable" };
                    assert!(
                        self.qemu(&format!("bitmap {option}"), &shown),
                        "{}",
                        self.done
                    );
                }
                self.model.bitmaps[index].1.set(BitmapFlags::AUTO, enable);
            }
            _ => self.merge(index, is_ours),
        }
    }

    fn add_bitmap(&mut self, is_ours: bool) {
        let name = self.new_name();
        let granularity = u8::try_from(9 + self.random.below(9)).unwrap();
        if is_ours {
            self.ours(&format!("bitmap {name} of {granularity} bits"), |editor| {
                let mut wanted = NewBitmap::named(name.as_bytes());
                wanted.granularity_bytes = Some(1 << granularity);
                editor.add_bitmap(&wanted)
            });
        } else {
            let options = format!("bitmap --add -g {}", 1 << granularity);
            assert!(self.qemu(&options, &name), "{}", self.done);
        }
        let bits = vec![0; self.model.disk.len().div_ceil(8 << granularity)];
        let new = (name.into_bytes(), BitmapFlags::AUTO, granularity, bits);
        self.model.bitmaps.push(new);
        self.sort_bitmaps();
    }

    /// Which of them QEMU writes first is its own affair.
    fn sort_bitmaps(&mut self) {
        let found = Contents::read(&fs::read(&self.image).unwrap());
        let found = found.unwrap_or_else(|error| panic!("{error}\n{}", self.done));
        let place = |name: &[u8]| found.bitmaps.iter().position(|known| known.0 == name);
        self.model.bitmaps.sort_by_key(|known| place(&known.0));
    }

    fn merge(&mut self, index: usize, is_ours: bool) {
        let other = in_memory(self.random.below(len_u64(self.model.bitmaps.len())));
        let (from, into) = (
            self.model.bitmaps[other].clone(),
            &mut self.model.bitmaps[index],
        );
        let (name, source) = (into.0.clone(), from.0.clone());
        for bit in (0..from.3.len() * 8).filter(|bit| from.3[bit / 8] >> (bit % 8) & 1 == 1) {
            let start = bit << from.2;
            let end = ((bit + 1) << from.2).min(self.model.disk.len());
            for bit in start >> into.2..=(end - 1) >> into.2 {
                into.3[bit / 8] |= 1 << (bit % 8);
            }
        }
        let (to, from) = (
            String::from_utf8(name.clone()),
            String::from_utf8(source.clone()),
        );
        let (to, from) = (to.unwrap(), from.unwrap());
        if is_ours {
            self.ours(&format!("merge {from} into {to}"), |editor| {
                editor.merge_bitmap(&name, &source)
            });
        } else {
            let options = format!("bitmap --merge {from}");
            assert!(self.qemu(&options, &to), "{}", self.done);
        }
    }
}

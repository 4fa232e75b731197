//! Fields of tables with other values than they had, but such as they might have.

use std::ops::Range;

use proptest::collection::vec;
use proptest::prelude::*;

use super::subject::Subject;
use crate::common::{put, put64};

/// What is changed in an image with clusters of 512 bytes.
#[derive(Clone, Debug)]
pub(super) enum Mutation {
    /// The entry becomes that of a host cluster, with flags.
    Place(usize, u64, u64),
    /// The entry becomes that of a stream.
    Stream(usize, u64, u64),
    /// Two entries change places.
    Swap(usize, usize),
    /// The entry becomes the same as another.
    Copy(usize, usize),
    /// The refcount changes.
    Refcount(usize, u16),
    /// The header field, of so many bytes, changes.
    Field((usize, usize), u64),
}

/// Header fields: offset and length.
const FIELDS: [(usize, usize); 9] = [
    (24, 8),
    (36, 4),
    (40, 8),
    (48, 8),
    (56, 4),
    (60, 4),
    (64, 8),
    (96, 4),
    (100, 4),
];

fn mutation() -> impl Strategy<Value = Mutation> {
    let entry = || 0usize..1 << 16;
    let flags = prop::sample::select(vec![1 << 63, 0, 1, 1 << 63 | 1]);
    let value = prop_oneof![
        0u64..6,
        (0u64..20).prop_map(|cluster| cluster << 9),
        30_000u64..70_000
    ];
    prop_oneof![
        4 => (entry(), 0u64..18, flags).prop_map(|(at, host, flags)| {
            Mutation::Place(at, host << 9, flags)
        }),
        2 => (entry(), 0u64..0x2000, 0u64..2).prop_map(|(at, host, more)| {
            Mutation::Stream(at, host, more)
        }),
        2 => (entry(), entry()).prop_map(|(one, two)| Mutation::Swap(one, two)),
        2 => (entry(), entry()).prop_map(|(from, to)| Mutation::Copy(from, to)),
        2 => (0usize..18, 0u16..4).prop_map(|(at, count)| Mutation::Refcount(at, count)),
        1 => (prop::sample::select(FIELDS.to_vec()), value).prop_map(|(field, value)| {
            Mutation::Field(field, value)
        }),
    ]
}

/// One to three of them.
pub(super) fn mutations() -> impl Strategy<Value = Vec<Mutation>> {
    vec(mutation(), 1..4)
}

impl Mutation {
    /// Changes `image`, whose entries are the words in `tables` and whose refcounts
    /// start at `refcounts`.
    fn apply(&self, image: &mut [u8], tables: &[Range<usize>], refcounts: usize) {
        let words: Vec<usize> = tables
            .iter()
            .flat_map(|table| table.clone().step_by(8))
            .collect();
        let word = |index: &usize| words[index % words.len()];
        match self {
            Self::Place(at, host, flags) => put64(image, word(at), host | flags),
            Self::Stream(at, host, more) => {
                put64(image, word(at), 1 << 62 | more << 61 | host);
            }
            Self::Refcount(at, count) => put(image, refcounts + at * 2, &count.to_be_bytes()),
            Self::Field((at, length), value) => {
                put(image, *at, &value.to_be_bytes()[8 - length..]);
            }
            Self::Swap(one, two) => {
                for byte in 0..8 {
                    image.swap(word(one) + byte, word(two) + byte);
                }
            }
            Self::Copy(from, to) => {
                let from = word(from);
                image.copy_within(from..from + 8, word(to));
            }
        }
    }
}

impl Subject {
    /// Its image with these changes.
    pub(super) fn mutated(
        &self,
        mutations: &[Mutation],
        tables: &[Range<usize>],
        refcounts: usize,
    ) -> Vec<u8> {
        let mut image = self.parts[0].bytes.clone();
        for mutation in mutations {
            mutation.apply(&mut image, tables, refcounts);
        }
        image
    }
}

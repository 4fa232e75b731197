use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::{btree_set, vec};
use proptest::prelude::*;

use super::*;

fn names(key: u8) -> Names {
    Names::new(&ScrambleKey::new([key; 32]))
}

fn class(name: &[u8]) -> bool {
    name.iter().all(|byte| is_portable(*byte))
}

/// Bytes a name may have, short and long, of both classes.
fn any_name() -> impl Strategy<Value = Vec<u8>> {
    let byte = any::<u8>().prop_filter("no separator", |byte| !is_separator(*byte));
    prop_oneof![
        "[A-Za-z0-9._-]{1,40}".prop_map(String::into_bytes),
        "[a-z]{1,4}".prop_map(String::into_bytes),
        vec(byte, 1..=255),
    ]
}

#[test]
fn names_that_mean_something_stay_and_nothing_else_becomes_one() {
    let names = names(1);
    for name in KEPT {
        for case in [Case::Sensitive, Case::Folded] {
            assert_eq!(names.map(name, case), name);
        }
    }
    for byte in (1..=255u8).filter(|byte| !b"/.".contains(byte)) {
        assert_ne!(names.map(&[byte], Case::Sensitive), b".");
        for second in (1..=255u8).filter(|byte| *byte != b'/') {
            let image = names.map(&[byte, second], Case::Sensitive);
            assert_ne!(image, b"..");
        }
    }
}

#[test]
fn all_names_of_two_bytes_have_images_of_their_own() {
    let names = names(2);
    let bytes = || (1..=255u8).filter(|byte| *byte != b'/');
    let all: BTreeSet<Vec<u8>> = bytes()
        .flat_map(|a| bytes().map(move |b| vec![a, b]))
        .collect();
    let images: BTreeSet<_> = all.iter().map(|n| names.map(n, Case::Sensitive)).collect();
    assert_eq!(all, images);
}

#[test]
fn paths_are_mapped_by_component() {
    let names = names(3);
    let map = |name: &[u8]| names.map(name, Case::Sensitive);
    let want = [
        b"/",
        &map(b"usr")[..],
        b"//../.",
        b"/",
        &map(b"sh")[..],
        b"/",
    ]
    .concat();
    assert_eq!(names.map_path(b"/usr//.././sh/"), want);
    assert_eq!(names.map_path(b""), b"");
    assert_eq!(names.map_path(b"///"), b"///");
}

#[test]
fn what_is_too_long_for_a_name_is_mapped_in_pieces() {
    let names = names(4);
    let long = vec![b'a'; 600];
    let image = names.map_path(&long);
    assert_eq!(image.len(), 600);
    assert_eq!(image[..255], names.map_path(&long[..255]));
    assert_eq!(image[510..], names.map_path(&long[510..]));
}

#[test]
fn values_are_replaced_by_what_depends_on_all_of_them() {
    let names = names(5);
    let replace = |value: &[u8]| {
        let mut out = vec![0; value.len()];
        names.replace(value, &mut out);
        out
    };
    assert_eq!(replace(b"same value"), replace(b"same value"));
    assert_ne!(replace(b"same value")[0..4], replace(b"same valuf")[0..4]);
    assert_ne!(replace(b"same value"), b"same value");
}

proptest! {
    #[test]
    fn images_have_the_length_and_the_class(name in any_name()) {
        let image = names(6).map(&name, Case::Sensitive);
        prop_assert_eq!(image.len(), name.len());
        prop_assert_eq!(class(&image), class(&name));
        prop_assert!(!image.iter().any(|byte| is_separator(*byte)));
    }

    #[test]
    fn different_names_have_different_images(set in btree_set(any_name(), 2..20)) {
        let names = names(7);
        let images: BTreeSet<_> = set.iter().map(|n| names.map(n, Case::Sensitive)).collect();
        prop_assert_eq!(images.len(), set.len());
    }

    #[test]
    fn what_differs_in_more_than_case_still_does(set in btree_set(any_name(), 2..20)) {
        let names = names(7);
        let folded: BTreeMap<_, _> =
            set.iter().map(|name| (name.to_ascii_lowercase(), name)).collect();
        let images: BTreeSet<_> =
            folded.values().map(|name| names.map(name, Case::Folded)).collect();
        prop_assert_eq!(images.len(), folded.len());
        prop_assert!(images.iter().flatten().all(|byte| !byte.is_ascii_uppercase()));
    }

    #[test]
    fn the_key_decides(name in "[a-z]{6,40}") {
        let map = |key| names(key).map(name.as_bytes(), Case::Sensitive);
        prop_assert_eq!(map(8), map(8));
        prop_assert_ne!(map(8), map(9));
        prop_assert_ne!(map(8), name.as_bytes());
    }

    #[test]
    fn what_is_no_name_keeps_its_separators(name in vec(any::<u8>(), 0..300)) {
        let image = names(10).map(&name, Case::Sensitive);
        prop_assert_eq!(image.len(), name.len());
        for (byte, image) in name.iter().zip(image) {
            prop_assert_eq!(is_separator(*byte), is_separator(image));
        }
    }
}

//! The example does what it says.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic")]

#[path = "../examples/compare_disks.rs"]
#[expect(dead_code, reason = "a test calls what `main` calls")]
mod compare_disks;

#[test]
fn disks_that_are_the_same_have_one_digest() {
    let (one, mut other) = (vec![0; 4096], vec![0; 4096]);
    assert_eq!(
        compare_disks::digest(&one, &other).unwrap(),
        "ad7facb2586fc6e966c004d7d1d16b024f5805ff7cb47c7a85dabd8b48892ca7"
    );
    other[4095] = 1;
    assert!(compare_disks::digest(&one, &other).is_err());
}

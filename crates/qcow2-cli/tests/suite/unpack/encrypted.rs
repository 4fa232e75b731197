//! Encrypted images.

use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use fixtures::Qemu;

use crate::bench::Bench;

/// The program on a terminal of its own, which then shows how that is set.
fn on_a_terminal(bench: &Bench, arguments: &str) -> Child {
    let program = env!("CARGO_BIN_EXE_qcow2");
    let line = format!("stty echo; '{program}' {arguments}; echo code $?; stty -a");
    Command::new("script")
        .args(["--quiet", "--command", &line, "/dev/null"])
        .current_dir(bench.folder())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// What it says where this is typed at its prompt.
fn answered(bench: &Bench, answer: &str) -> String {
    let mut child = on_a_terminal(bench, "unpack --force --quiet i disk");
    let mut screen = child.stdout.take().unwrap();
    let mut said = Vec::new();
    while !said.ends_with(b": ") {
        let mut byte = [0];
        screen.read_exact(&mut byte).unwrap();
        said.extend(byte);
    }
    // The prompt comes before the echo is off.
    sleep(Duration::from_secs(1));
    let mut keys = child.stdin.take().unwrap();
    keys.write_all(answer.as_bytes()).unwrap();
    screen.read_to_end(&mut said).unwrap();
    drop(keys);
    child.wait().unwrap();
    let said = String::from_utf8(said).unwrap();
    assert!(said.starts_with("Passphrase of i: "), "{said}");
    assert!(!said.contains(answer.trim_end()), "it is echoed: {said}");
    assert!(said.contains(" echo "), "echo is off: {said}");
    said
}

#[test]
fn a_passphrase_is_asked_for_on_a_terminal() {
    if Qemu::require().is_none() || fixtures::require("script").is_none() {
        return;
    }
    let bench = Bench::new();
    let object = ["--object", "secret,id=s0,data=open sesame"];
    let options = "encrypt.key-secret=s0,encrypt.format=luks,encrypt.iter-time=10";
    let create = ["create", "-q", "-f", "qcow2", "-o", options];
    bench.qemu("qemu-img", &[&create[..], &object, &["i", "1M"]].concat());
    assert!(answered(&bench, "open sesame\n").contains("code 0"));
    assert!(bench.read("disk") == vec![0; 1 << 20]);
    let wrong = answered(&bench, "open barley\n");
    assert!(
        wrong.contains("no key slot opens with this passphrase"),
        "{wrong}"
    );
    assert!(wrong.contains("code 1"), "{wrong}");
    // Control-C is SIGINT.
    assert!(answered(&bench, "\x03").contains("code 130"));
    assert_eq!(bench.names(), ["disk", "i"]);
}

#[test]
fn encrypted_images_are_restored_with_their_passphrase() {
    if Qemu::require().is_none() {
        return;
    }
    for format in ["aes", "luks,encrypt.iter-time=10"] {
        let bench = Bench::new();
        let object = ["--object", "secret,id=s0,data=open sesame"];
        let options = format!("encrypt.key-secret=s0,encrypt.format={format}");
        let create = ["create", "-q", "-f", "qcow2", "-o", &options];
        bench.qemu("qemu-img", &[&create[..], &object, &["i", "1M"]].concat());
        let opened = "driver=qcow2,file.filename=i,encrypt.key-secret=s0";
        let write = ["--image-opts", "-c", "write -P 7 100k 300k", opened];
        bench.qemu("qemu-io", &[&object[..], &write].concat());
        let mut disk = vec![0; 1 << 20];
        disk[100 << 10..400 << 10].fill(7);

        for secret in ["open sesame", "open sesame\n"] {
            bench.write("secret", secret);
            bench.ok("unpack --force --secret-file secret i disk");
            assert!(bench.read("disk") == disk, "{format}");
        }
        std::fs::remove_file(bench.path("disk")).unwrap();
        let refused = bench.run("unpack i disk");
        assert_eq!(refused.code, Some(1));
        assert!(
            refused
                .stderr
                .ends_with("no passphrase was given; give it with --secret-file FILE\n"),
            "{refused:?}"
        );
        bench.write("secret", "open sesame\n\n");
        if format != "aes" {
            let wrong = bench.run("unpack --secret-file secret i disk");
            assert_eq!(wrong.code, Some(1));
            assert!(
                wrong
                    .stderr
                    .ends_with("no key slot opens with this passphrase\n"),
                "{wrong:?}"
            );
        }
        bench.write("secret", [b'x'; 8193]);
        bench.fails(
            "unpack --secret-file secret i disk",
            1,
            "secret: a passphrase has at most 8192 bytes",
        );
        assert_eq!(bench.names(), ["i", "secret"]);
    }
}

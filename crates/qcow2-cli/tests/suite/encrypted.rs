//! Encrypted images.

use fixtures::Qemu;

use crate::bench::Bench;

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
                .ends_with("there is no passphrase for it; --secret-file FILE has it\n"),
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
        bench.fails(
            "unpack --secret-file secret - disk",
            2,
            "--secret-file makes no sense with the standard input: save the image to a file",
        );
    }
}

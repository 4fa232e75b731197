//! Files that are not the disk itself.

use fixtures::{Qemu, SplitMix, Tool};

use crate::bench::Bench;

/// Asserts that `name` is refused as a disk and as an image, that its own bytes
/// are packed if they are meant, and that nothing is left of what is refused.
#[track_caller]
fn is_told(bench: &Bench, name: &str, called: &str) {
    for command in [
        "pack NAME out",
        "pack --content all NAME out",
        "blocks NAME",
    ] {
        let refused = bench.run(&command.replace("NAME", name));
        assert_eq!(refused.code, Some(1), "{command} {name}: {refused:?}");
        let (start, end) = match called {
            "a qcow2 image" => (
                format!(
                    "qcow2: {name}: it looks like {called}, and its name does not say so: \
                     --source-format qcow2 reads the disk in the image, "
                ),
                "--source-format raw uses the file itself as the disk\n",
            ),
            _ => (
                format!(
                    "qcow2: {name}: it looks like {called}, not like a disk; \
                     extract its contents with `"
                ),
                "`, or use the file itself as the disk with --source-format raw\n",
            ),
        };
        assert!(refused.stderr.starts_with(&start), "{refused:?}");
        assert!(refused.stderr.ends_with(end), "{refused:?}");
        assert_eq!(refused.stdout, "");
    }
    if called != "a qcow2 image" {
        for command in ["unpack NAME out", "info NAME", "unpack --salvage NAME out"] {
            let refused = bench.run(&command.replace("NAME", name));
            assert_eq!(refused.code, Some(1), "{refused:?}");
            let start = format!("qcow2: {name}: not a qcow2 image: it looks like {called}; ");
            assert!(refused.stderr.starts_with(&start), "{refused:?}");
        }
    }
    assert!(!bench.path("out").exists(), "{name}");
    bench.ok(&format!("pack --source-format raw {name} wrapped"));
    bench.ok(&format!("blocks --source-format raw {name}"));
    bench.ok("unpack wrapped restored");
    assert!(bench.read("restored") == bench.read(name), "{name}");
    for made in ["wrapped", "restored"] {
        std::fs::remove_file(bench.path(made)).unwrap();
    }
}

#[test]
fn images_in_other_formats_are_no_disks() {
    if Qemu::require().is_none() {
        return;
    }
    let bench = Bench::new();
    bench.write(
        "disk",
        [SplitMix::new(1).bytes(70_000), vec![0; 5 << 20]].concat(),
    );
    for (format, called) in [
        ("qcow2", "a qcow2 image"),
        ("qcow2 -o compat=0.10", "a qcow2 image"),
        ("qcow", "a qcow image (version 1)"),
        ("qed", "a QED image"),
        ("vmdk", "a VMDK image"),
        ("vmdk -o subformat=streamOptimized", "a VMDK image"),
        (
            "vmdk -o subformat=monolithicFlat",
            "the descriptor of a VMDK image, which names the files with the data",
        ),
        ("vdi", "a VDI image"),
        ("vdi -o static=on", "a VDI image"),
        ("vpc", "a VHD image"),
        ("vpc -o subformat=fixed,force_size=on", "a VHD image"),
        ("vhdx", "a VHDX image"),
        ("parallels", "a Parallels image"),
    ] {
        bench.qemu_img(&format!("convert -f raw -O {format} disk c.vmdk"));
        is_told(&bench, "c.vmdk", called);
    }
    // The file with the data of a flat VMDK image is the disk.
    bench.ok("pack c-flat.vmdk image");
}

#[test]
fn compressed_files_and_archives_are_no_disks() {
    let bench = Bench::new();
    bench.write(
        "disk",
        [SplitMix::new(2).bytes(9000), vec![0; 1 << 20]].concat(),
    );
    for (tool, arguments, called) in [
        ("xz", "-0 -k -c disk", "xz"),
        ("xz", "--format=lzma -0 -k -c disk", "LZMA"),
        ("gzip", "-k -c disk", "gzip"),
        ("gzip", "-k -n -c disk", "gzip"),
        ("zstd", "-q -k -c disk", "zstd"),
        ("bzip2", "-k -c disk", "bzip2"),
        ("lz4", "-q -c disk", "LZ4"),
        ("lz4", "-q -l -c disk", "LZ4"),
        ("lzip", "-k -c disk", "lzip"),
        ("lzop", "-c disk", "lzop"),
        ("tar", "-cf - disk", "a tar archive"),
        ("tar", "--format=v7 -cf - disk", "nothing"),
        ("tar", "--format=pax -cf - disk", "a tar archive"),
        ("zip", "-q - disk", "a zip archive"),
    ] {
        let Some(tool) = Tool::find(tool) else {
            eprintln!("SKIPPED: {tool} is not installed");
            continue;
        };
        made_by(&bench, &tool, arguments);
        // The oldest tar has no magic.
        if called != "nothing" {
            is_told(&bench, "made", called);
        }
    }
}

fn made_by(bench: &Bench, tool: &Tool, arguments: &str) {
    let output = std::process::Command::new(tool.path())
        .args(arguments.split_whitespace())
        .current_dir(bench.folder())
        .output()
        .unwrap();
    assert!(output.status.success(), "{arguments}: {output:?}");
    bench.write("made", output.stdout);
}

#[test]
fn disks_as_tools_make_them_are_disks() {
    for (tool, arguments) in [
        ("mke2fs", "-q -F -t ext4"),
        ("mke2fs", "-q -F -t ext2 -b 1024"),
        ("mkfs.fat", "-F 16"),
        ("mkfs.fat", "-F 32"),
        ("mkfs.ntfs", "-Q -F -q"),
        ("mkfs.exfat", ""),
        ("mkfs.xfs", "-q -f"),
        ("mkfs.btrfs", "-q -f"),
        ("mkswap", ""),
    ] {
        let Some(tool) = Tool::find(tool) else {
            eprintln!("SKIPPED: {tool} is not installed");
            continue;
        };
        let bench = Bench::new();
        let disk = std::fs::File::create(bench.path("disk")).unwrap();
        disk.set_len(320 << 20).unwrap();
        tool.ok(|command| {
            let command = command.args(arguments.split_whitespace());
            command.arg("disk").current_dir(bench.folder())
        })
        .unwrap();
        let packed = bench.run("pack disk image");
        assert!(
            matches!(packed.code, Some(0 | 3)),
            "{arguments}: {packed:?}"
        );
        // And no image.
        let refused = bench.run("unpack disk out");
        let start = "qcow2: disk: not a qcow2 image: it looks like a raw disk with ";
        assert!(refused.stderr.starts_with(start), "{refused:?}");
    }
}

#[test]
fn a_disk_with_partitions_is_called_one() {
    let bench = Bench::new();
    let mut disk = vec![0; 1 << 20];
    disk[510..512].copy_from_slice(&[0x55, 0xaa]);
    disk[450] = 0xee;
    for (label, called) in [
        (&b""[..], "an MBR partition table"),
        (b"EFI PART", "a GPT partition table"),
    ] {
        disk[512..512 + label.len()].copy_from_slice(label);
        bench.write("disk", &disk);
        bench.fails(
            "unpack disk x",
            1,
            &format!(
                "disk: not a qcow2 image: it looks like a raw disk with {called}, \
                 which needs no unpacking; pack makes an image of it"
            ),
        );
        // There is no table that could be believed.
        let packed = bench.run("pack --force disk image");
        assert_eq!(packed.code, Some(3), "{packed:?}");
        let start = "source   disk: 1 MiB, a GPT with 0 partitions\n";
        assert!(packed.stdout.starts_with(start), "{packed:?}");
        let why = "note     everything is stored: the partition table is in doubt: the MBR says \
            that there is a GPT, and no sound GPT header is found\n";
        assert!(packed.stdout.contains(why), "{packed:?}");
        let shown = bench.run("info disk");
        assert_eq!(shown.code, Some(3), "{shown:?}");
        assert!(
            shown
                .stdout
                .contains("disk layout: a GPT with 0 partitions"),
            "{shown:?}"
        );
    }
}

#[test]
fn what_a_guest_wrote_at_the_start_is_packed_if_it_is_meant() {
    let bench = Bench::new();
    bench.write("disk", [b"QFI\xfb".to_vec(), vec![9; 100_000]].concat());
    is_told(&bench, "disk", "a qcow2 image");
}

#[test]
fn what_is_no_image_is_told_in_words() {
    let bench = Bench::new();
    bench.write("empty", "");
    bench.write("tiny", "QFI");
    bench.write("page", "<html>404</html>");
    bench.write("bytes", [7; 1000]);
    bench.write("short", b"QFI\xfb\0\0\0\x03");
    for (name, said) in [
        ("empty", "it looks like an empty file"),
        ("tiny", "it looks like a text file"),
        (
            "page",
            "it looks like an HTML or XML page (a failed download?)",
        ),
        ("bytes", "its format is unknown (it begins with 07070707)"),
    ] {
        let message = format!("{name}: not a qcow2 image: {said}");
        bench.fails(&format!("unpack {name} out"), 1, &message);
        // Its name says nothing, so it may be a disk.
        bench.ok(&format!("info {name}"));
    }
    bench.fails(
        "unpack short out",
        1,
        "short: the file ends within the qcow2 header: it has 8 bytes, the header needs 24",
    );
    assert!(!bench.path("out").exists());
}

//! Restoring the images of others, each beside the program that made it.

use fixtures::Tool;

use super::figures::Goal;
use super::job::{Contender, Job};
use super::place::{Form, Place};
use super::tools::{Line, Tools};

/// Images of `qemu-img convert`: what they are called, the options that make them,
/// their form, and how many times as fast as by `qemu-img` they are to be restored.
const OF_QEMU: [(&str, &str, Form, f64); 6] = [
    ("512 bytes", "-o cluster_size=512", Form::Plain, 2.0),
    ("4 KiB", "-o cluster_size=4k", Form::Plain, 2.0),
    ("64 KiB", "-o cluster_size=64k", Form::Plain, 1.25),
    ("2 MiB", "-o cluster_size=2M", Form::Plain, 1.25),
    ("zlib", "-c", Form::Zlib, 3.0),
    ("zstd", "-c -o compression_type=zstd", Form::Zstd, 2.0),
];

/// How many times as fast as by `e2image -r` its own image is to be restored.
const OF_E2IMAGE: f64 = 1.6;

/// Restoring images of others, as far as their programs are here. They are made of
/// the used blocks alone, so that all of them hold the same.
pub(super) fn unpack(place: &Place, tools: &Tools) -> Vec<Job> {
    let mut jobs = Vec::new();
    if let Some(qemu) = &tools.qemu {
        for (name, options, form, least) in OF_QEMU {
            let make = format!("convert -f raw -O qcow2 -W -m 16 {options}");
            let peer = (
                "qemu-img convert -W -m 16",
                "convert -f qcow2 -O raw -W -m 16",
            );
            jobs.push(Foreign {
                name: format!("unpack, of qemu-img, {name}"),
                tool: qemu,
                make: Line::new(qemu, &make, &[&place.used, &place.path(IMAGE)]),
                own_disk: false,
                peer,
                form,
                least,
            });
        }
    }
    if let Some(e2image) = &tools.e2image {
        jobs.push(Foreign {
            name: "unpack, of e2image".into(),
            tool: e2image,
            make: Line::new(e2image, "-Qa", &[&place.source, &place.path(IMAGE)]),
            own_disk: true,
            peer: ("e2image -r", "-r"),
            form: Form::Plain,
            least: OF_E2IMAGE,
        });
    }
    let jobs = jobs.into_iter();
    jobs.map(|foreign| foreign.job(place, tools)).collect()
}

/// The name of the image, in the folder of a place.
const IMAGE: &str = "image";

/// An image of others.
struct Foreign<'t> {
    name: String,
    /// Who makes it, and restores it.
    tool: &'t Tool,
    make: Line,
    /// Whether the disk is that of the image, as QEMU reads it: e2image leaves out
    /// the copies of the superblock.
    own_disk: bool,
    /// The name and the arguments of the line that restores it.
    peer: (&'static str, &'static str),
    form: Form,
    least: f64,
}

impl Foreign<'_> {
    fn job(self, place: &Place, tools: &Tools) -> Job {
        let (image, disk) = (place.path(IMAGE), place.path("disk"));
        let ends = [image.as_path(), disk.as_path()];
        let (peer, arguments) = self.peer;
        let contenders = vec![
            Contender::ours(tools, "unpack --quiet", ends, self.form.memory()),
            place
                .peer(peer, Some(self.tool), arguments, ends)
                .goal(Goal::Faster(self.least)),
        ];
        let mut job = place.job(&self.name, "raw", contenders);
        if self.own_disk {
            job.check.content = Some(image.clone());
            job.check.content_format = "qcow2";
        }
        job.needs = vec![(image, Some(self.make))];
        job
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_image_is_made_by_others_and_restored_by_both() {
        let place = Place {
            name: ", on a disk".into(),
            folder: "f".into(),
            source: "s".into(),
            used: "u".into(),
            on_disk: false,
        };
        let tool = |name: &str| Tool::at(name.into());
        let tools = Tools {
            ours: tool("qcow2"),
            qemu: Some(tool("qemu-img")),
            e2image: Some(tool("e2image")),
            partclone: None,
            zstd: None,
            cp: None,
            mke2fs: None,
            zerofree: None,
            fallocate: None,
            sparsify: None,
        };
        let jobs = unpack(&place, &tools);
        assert_eq!(jobs.len(), 7);
        let line = |line: &Option<Line>| line.as_ref().map(Line::to_string).unwrap();
        let lines = |job: &Job| {
            let makes = job.needs.iter().map(|(_, make)| line(make));
            let runs = job.contenders.iter().map(|one| line(&one.line));
            makes.chain(runs).collect::<Vec<_>>()
        };
        assert_eq!(jobs[0].name, "unpack, of qemu-img, 512 bytes, on a disk");
        assert_eq!(
            lines(&jobs[0]),
            [
                "qemu-img convert -f raw -O qcow2 -W -m 16 -o cluster_size=512 u f/image",
                "qcow2 unpack --quiet f/image f/disk",
                "qemu-img convert -f qcow2 -O raw -W -m 16 f/image f/disk",
            ]
        );
        assert_eq!(
            lines(&jobs[6]),
            [
                "e2image -Qa s f/image",
                "qcow2 unpack --quiet f/image f/disk",
                "e2image -r f/image f/disk",
            ]
        );
        let lacking = Tools {
            qemu: None,
            ..tools
        };
        assert_eq!(unpack(&place, &lacking).len(), 1);
    }
}

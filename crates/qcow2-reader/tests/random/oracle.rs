//! What QEMU says of a layer.

use std::fs;
use std::ops::Range;

use serde_json::Value;

use crate::chain::{Chain, Taken, name};
use crate::recipe::BITMAPS;
use crate::tools::{Program, Tools};

/// The disk that QEMU restores, and what it says of the image.
pub(crate) struct Truth {
    pub(crate) disk: Vec<u8>,
    pub(crate) info: Value,
    pub(crate) map: Vec<Mapped>,
}

/// An entry of its map.
pub(crate) struct Mapped {
    pub(crate) guest: Range<u64>,
    /// Something is stored.
    pub(crate) is_data: bool,
    /// The image or a backing file has it, be it as zeros.
    pub(crate) is_present: bool,
    /// The layer that has it, where 0 is the image.
    pub(crate) depth: u64,
    /// It is in compressed clusters.
    pub(crate) is_compressed: bool,
}

pub(crate) struct Oracle<'o> {
    pub(crate) tools: &'o Tools,
    pub(crate) chain: &'o Chain,
    pub(crate) layer: usize,
}

impl Oracle<'_> {
    pub(crate) fn ask(&self) -> Result<Truth, String> {
        let image = self.chain.image(self.layer);
        // Which opens no backing file, and needs no key.
        let alone = ["-f", "qcow2", &name(self.layer)].map(String::from);
        Ok(Truth {
            disk: self.convert(&[], &image)?,
            info: self.json("info", &alone)?,
            map: mapped(&self.json("map", &image)?),
        })
    }

    /// The disk of a snapshot.
    ///
    /// `qemu-img convert -l` gives all disks the length of the active one, so one
    /// that is longer is asked of a copy whose active disk is as long. Beyond the end
    /// of a shorter one there is what never was on its disk.
    pub(crate) fn snapshot(&self, taken: &Taken) -> Result<Vec<u8>, String> {
        let image = self.chain.image(self.layer);
        let mut disk = if taken.bytes > self.chain.layers[self.layer].bytes {
            self.longer(taken)?
        } else {
            self.convert(&["-l", &taken.name], &image)?
        };
        let bytes = usize::try_from(taken.bytes).unwrap();
        if disk.len() < bytes {
            return Err(format!("QEMU cuts snapshot {}", taken.name));
        }
        disk.truncate(bytes);
        Ok(disk)
    }

    /// The disk of a snapshot that is longer than the active one.
    fn longer(&self, taken: &Taken) -> Result<Vec<u8>, String> {
        let copy = self.chain.folder.join("copy");
        fs::copy(self.chain.path(self.layer), &copy).unwrap();
        let image = self.chain.image_as(self.layer, "copy");
        for bitmap in BITMAPS {
            // Those that are there would forbid it.
            let mut remove = ["bitmap", "--remove"].map(String::from).to_vec();
            remove.extend(image.clone());
            remove.push(bitmap.into());
            self.tools.run(Program::Img, &self.chain.folder, &remove);
        }
        let mut resize = ["resize", "-q"].map(String::from).to_vec();
        resize.extend(image.clone());
        resize.push(taken.bytes.to_string());
        let disk = self.img(&resize);
        let disk = disk.and_then(|_| self.convert(&["-l", &taken.name], &image));
        fs::remove_file(copy).unwrap();
        disk
    }

    /// What `qemu-img check` says.
    pub(crate) fn check(&self) -> String {
        let mut arguments = vec!["check".to_owned()];
        arguments.extend(self.chain.image(self.layer));
        let outcome = self.tools.run(Program::Img, &self.chain.folder, &arguments);
        format!("{:?}: {}", outcome.code, outcome.brief(200))
    }

    fn convert(&self, options: &[&str], image: &[String]) -> Result<Vec<u8>, String> {
        let mut arguments = vec!["convert".to_owned(), "-O".into(), "raw".into()];
        arguments.extend(options.iter().map(ToString::to_string));
        arguments.extend(image.iter().cloned());
        arguments.push("raw".into());
        self.img(&arguments)?;
        let raw = self.chain.folder.join("raw");
        let disk = fs::read(&raw).unwrap();
        fs::remove_file(raw).unwrap();
        Ok(disk)
    }

    fn json(&self, command: &str, image: &[String]) -> Result<Value, String> {
        let mut arguments = vec![command.to_owned(), "--output=json".into()];
        arguments.extend(image.iter().cloned());
        let said = self.img(&arguments)?;
        serde_json::from_str(&said).map_err(|error| error.to_string())
    }

    fn img(&self, arguments: &[String]) -> Result<String, String> {
        let outcome = self.tools.run(Program::Img, &self.chain.folder, arguments);
        if outcome.success() {
            return Ok(outcome.stdout);
        }
        Err(format!("qemu-img {arguments:?}: {}", outcome.brief(300)))
    }
}

fn mapped(map: &Value) -> Vec<Mapped> {
    let entries = map.as_array().unwrap().iter();
    entries
        .map(|entry| {
            let start = entry["start"].as_u64().unwrap();
            Mapped {
                guest: start..start + entry["length"].as_u64().unwrap(),
                is_data: entry["data"].as_bool().unwrap(),
                is_present: entry["present"].as_bool().unwrap(),
                depth: entry["depth"].as_u64().unwrap(),
                // Older programs do not say.
                is_compressed: entry["compressed"].as_bool().unwrap_or(false),
            }
        })
        .collect()
}

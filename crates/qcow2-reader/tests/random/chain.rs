//! The layers that were made, and how QEMU is told of them.

use std::path::{Path, PathBuf};

use crate::tools::OBJECT;

/// A file that was made, the first of which is called 1.
#[derive(Clone, Debug)]
pub(crate) struct Layer {
    pub(crate) is_raw: bool,
    pub(crate) is_encrypted: bool,
    pub(crate) has_data_file: bool,
    /// What `qemu-img create` was told of it.
    pub(crate) options: String,
    /// The index of its backing file.
    pub(crate) backing: Option<usize>,
    pub(crate) bytes: u64,
    pub(crate) snapshots: Vec<Taken>,
}

/// A snapshot that was taken.
#[derive(Clone, Debug)]
pub(crate) struct Taken {
    pub(crate) name: String,
    /// Length of the disk then.
    pub(crate) bytes: u64,
}

/// What was made in a folder.
#[derive(Debug)]
pub(crate) struct Chain {
    pub(crate) folder: PathBuf,
    pub(crate) layers: Vec<Layer>,
}

impl Chain {
    /// The file of a layer.
    pub(crate) fn path(&self, index: usize) -> PathBuf {
        self.folder.join(name(index))
    }

    /// The layer and those below.
    pub(crate) fn lineage(&self, index: usize) -> impl Iterator<Item = &Layer> {
        let mut next = Some(index);
        std::iter::from_fn(move || {
            let layer = &self.layers[next?];
            next = layer.backing;
            Some(layer)
        })
    }

    pub(crate) fn is_encrypted(&self, index: usize) -> bool {
        self.lineage(index).any(|layer| layer.is_encrypted)
    }

    pub(crate) fn format(&self, index: usize) -> &'static str {
        if self.layers[index].is_raw {
            "raw"
        } else {
            "qcow2"
        }
    }

    /// How the programs are told of a layer.
    pub(crate) fn image(&self, index: usize) -> Vec<String> {
        self.image_as(index, &name(index))
    }

    /// The same, of a copy of the layer called `name`.
    pub(crate) fn image_as(&self, index: usize, name: &str) -> Vec<String> {
        if !self.is_encrypted(index) {
            return ["-f", self.format(index), name].map(String::from).to_vec();
        }
        let mut options = String::new();
        self.describe(index, name, "", &mut options);
        [OBJECT[0], OBJECT[1], "--image-opts", &options]
            .map(String::from)
            .to_vec()
    }

    /// The layer and those below with the keys of all.
    fn describe(&self, index: usize, file: &str, prefix: &str, out: &mut String) {
        let layer = &self.layers[index];
        let format = self.format(index);
        out.push_str(&format!(
            "{prefix}driver={format},{prefix}file.filename={file}"
        ));
        if layer.is_encrypted {
            out.push_str(&format!(",{prefix}encrypt.key-secret=s0"));
        }
        if let Some(below) = layer.backing {
            out.push(',');
            self.describe(below, &name(below), &format!("{prefix}backing."), out);
        }
    }
}

/// The name of the file of a layer.
pub(crate) fn name(index: usize) -> String {
    (index + 1).to_string()
}

/// The name of its external data file.
pub(crate) fn data_name(index: usize) -> String {
    format!("{}.data", name(index))
}

/// Removes what a refused command left of a new layer.
pub(crate) fn remove(folder: &Path, index: usize) {
    for left in [name(index), data_name(index)] {
        // It need not be there.
        let _ = std::fs::remove_file(folder.join(left));
    }
}

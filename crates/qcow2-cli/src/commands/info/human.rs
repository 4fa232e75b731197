//! What an image is, for people.

use std::fmt::{self, Display};

use super::image::{Child, FormatSpecific, ImageFacts, Info};
use crate::text::Bytes;

impl Display for Info {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "image: {}", self.filename)?;
        writeln!(f, "file format: {}", self.format)?;
        writeln!(
            f,
            "virtual size: {} ({} bytes)",
            Bytes(self.virtual_size),
            self.virtual_size
        )?;
        writeln!(f, "disk size: {}", Bytes(self.actual_size))?;
        if self.encrypted == Some(true) {
            writeln!(f, "encrypted: yes")?;
        }
        if let Some(cluster_size) = self.cluster_size {
            writeln!(f, "cluster_size: {cluster_size}")?;
        }
        if self.dirty_flag {
            writeln!(f, "cleanly shut down: no")?;
        }
        if let Some(content) = &self.content {
            let block_size = Bytes(content.block_size.into());
            writeln!(f, "content: {}, blocks of {block_size}", content.kind)?;
        }
        if let Some(name) = &self.backing_filename {
            writeln!(f, "backing file: {name}")?;
        }
        if let Some(name) = &self.backing_filename_format {
            writeln!(f, "backing file format: {name}")?;
        }
        if !self.snapshots.is_empty() {
            writeln!(f, "Snapshot list:")?;
        }
        for snapshot in &self.snapshots {
            writeln!(f, "    {snapshot}")?;
        }
        if let Some(FormatSpecific { data, .. }) = &self.format_specific {
            write!(f, "{data}")?;
        }
        let [Child { info, .. }] = &self.children;
        writeln!(f, "Child node '/file':")?;
        writeln!(f, "    filename: {}", info.filename)?;
        writeln!(f, "    protocol type: file")?;
        writeln!(
            f,
            "    file length: {} ({} bytes)",
            Bytes(info.virtual_size),
            info.virtual_size
        )?;
        writeln!(f, "    disk size: {}", Bytes(info.actual_size))?;
        match &self.disk {
            Some(disk) => write!(f, "{disk}"),
            None => Ok(()),
        }
    }
}

impl Display for ImageFacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Format specific information:")?;
        writeln!(f, "    compat: {}", self.compat)?;
        writeln!(f, "    compression type: {}", self.compression_type)?;
        if let Some(lazy) = self.lazy_refcounts {
            writeln!(f, "    lazy refcounts: {lazy}")?;
        }
        for bitmap in &self.bitmaps {
            writeln!(f, "    bitmap: {bitmap}")?;
        }
        writeln!(f, "    refcount bits: {}", self.refcount_bits)?;
        if let Some(name) = &self.data_file {
            writeln!(f, "    data file: {name}")?;
        }
        if let Some(raw) = self.data_file_raw {
            writeln!(f, "    data file raw: {raw}")?;
        }
        if let Some(encryption) = &self.encrypt {
            writeln!(f, "    encrypt format: {}", encryption.format)?;
        }
        if let Some(corrupt) = self.corrupt {
            writeln!(f, "    corrupt: {corrupt}")?;
        }
        if let Some(extended) = self.extended_l2 {
            writeln!(f, "    extended l2: {extended}")?;
        }
        Ok(())
    }
}

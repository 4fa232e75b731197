//! The header of an image.

use qcow2_format::extension::Extension;
use qcow2_format::feature::IncompatibleFeatures;
use qcow2_format::header::CompressionType;
use qcow2_format::{Header, Version};

use crate::error::Error;
use crate::image::layout::{Layout, RefcountArea};
use crate::options::Backing;
use crate::units::to_u32;

/// A backing file as an image records it.
#[derive(Clone, Debug)]
pub(crate) struct RecordedBacking {
    name: Vec<u8>,
    format: &'static str,
}

impl RecordedBacking {
    pub(crate) fn new(backing: &Backing<'_>) -> Self {
        Self {
            name: backing.name.to_vec(),
            format: backing.format.name(),
        }
    }
}

/// What a header says beside the places of the refcounts.
pub(crate) struct HeaderParts<'w> {
    pub(crate) layout: &'w Layout,
    pub(crate) version: Version,
    /// How clusters are compressed, if they are.
    pub(crate) compression_type: Option<CompressionType>,
    /// Whether exactly what is in use is allocated.
    pub(crate) is_exact: bool,
    pub(crate) backing: Option<&'w RecordedBacking>,
}

impl HeaderParts<'_> {
    /// The header of an image with its refcounts in `area`.
    pub(crate) fn header(&self, area: &RefcountArea) -> Header {
        let layout = self.layout;
        let size = layout.header_size();
        let mut header = Header::new(self.version, layout.cluster_bits, size);
        header.refcount_order = layout.refcount_order;
        header.l1_entries = to_u32(layout.l1_entries);
        header.l1_table_offset = layout.l1_offset();
        header.refcount_table_offset = layout.host_offset(area.table);
        header.refcount_table_clusters = to_u32(area.table_clusters);
        if let Some(compression_type) = self.compression_type {
            header.compression_type = compression_type;
        }
        if header.compression_type != CompressionType::Deflate {
            header.incompatible |= IncompatibleFeatures::COMPRESSION_TYPE;
        }
        if layout.extended_l2 {
            header.incompatible |= IncompatibleFeatures::EXTENDED_L2;
        }
        if let Some(backing) = self.backing {
            let format = backing.format.as_bytes().to_vec();
            header.extensions.push(Extension::BackingFormat(format));
            header.backing_name = Some(backing.name.clone());
        }
        if size != layout.size {
            header.extensions.push(Extension::ExactSize(layout.size));
        }
        if self.is_exact {
            header.extensions.push(Extension::ExactAllocation {
                unit_bytes: to_u32(layout.unit_bits.bytes()),
            });
        }
        header
    }
}

/// Whether the header of such an image has room for `backing`: it must end within the
/// first cluster, with every name and extension.
pub(crate) fn check_backing(
    backing: &Backing<'_>,
    layout: &Layout,
    version: Version,
) -> Result<(), Error> {
    let parts = HeaderParts {
        layout,
        version,
        compression_type: None,
        is_exact: false,
        backing: Some(&RecordedBacking::new(backing)),
    };
    // Any place does; the length of the header does not depend on it.
    let table = layout.front_clusters();
    let area = RefcountArea {
        first_block: table,
        table,
        table_clusters: 1,
        table_entries: 1,
        end: table.saturating_add(1),
    };
    parts.header(&area).encode()?;
    Ok(())
}

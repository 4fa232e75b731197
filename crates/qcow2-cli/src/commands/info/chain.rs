//! An image and its backing files.

use std::fmt::{self, Display};

use hostdisk::Disk;
use qcow2_reader::{BackingFormat, Gate, ImageError, LAYERS_MAX, backing_file_of, read_header};
use serde::Serialize;

use super::image::Info;
use crate::args::InfoArgs;
use crate::failure::Failure;
use crate::references;
use crate::remedy::{self, Reading};

/// The layers, top first.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(super) struct Chain(Vec<Info>);

/// Reads the image on `top`, which is in `format`, and the backing files that are allowed.
pub(super) fn read(args: &InfoArgs, top: Disk, format: BackingFormat) -> Result<Chain, Failure> {
    let reading = Reading::of_tables(args.references.references);
    let mut gate = references::gate(&args.references, &top);
    let mut layers = Vec::new();
    let mut next = Some((top, format));
    while let Some((disk, format)) = next {
        let failed = |error: ImageError| remedy::of_image(disk.path(), &error.into(), reading);
        if format == BackingFormat::Raw {
            layers.push(Info::raw(&disk));
            break;
        }
        let header = read_header(&disk).map_err(failed)?;
        let backing = backing_file_of(&header, layers.len());
        layers.push(Info::new(&disk).map_err(failed)?);
        if layers.len() > LAYERS_MAX {
            let message = format!("there are more than {LAYERS_MAX} layers");
            return Err(Failure::because(args.image_name(), message));
        }
        next = backing
            .map(|reference| {
                let opened = gate.backing_file(&reference);
                opened.map_err(|fault| failed(ImageError::reference(&reference, fault)))
            })
            .transpose()?;
    }
    references::check_layers(&args.references, args.image_name(), &gate)?;
    Ok(Chain(layers))
}

impl Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, layer) in self.0.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{layer}")?;
        }
        Ok(())
    }
}

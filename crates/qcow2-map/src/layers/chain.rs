//! The disk of an image and its backing files: what a layer leaves unallocated
//! is that of the layer below.

use std::ops::Range;

use blockio::{Holes, ReadAt};
use qcow2_format::HostOffset;

use crate::layers::layer::{Content, Layer};
use crate::lookup::runs::{Joined, Mapping, Run};
use crate::lookup::walk::{ImageRuns, Walk};
use crate::{Error, Structure};

/// An iterator over the maximal runs of a range of guest bytes, ascending and
/// without gaps. An error ends it, after the runs in front of it.
pub type Runs<'i, S> = Joined<Chain<'i, S>>;

/// An iterator over runs of all layers.
#[derive(Debug)]
pub struct Chain<'i, S> {
    files: &'i [S],
    /// Those of each file.
    holes: &'i [Holes],
    /// Top first.
    layers: &'i [Layer],
    /// What is left of each layer, the lowest last.
    levels: Vec<Level<'i, S>>,
}

/// What is left of a part of a layer.
#[derive(Debug)]
enum Level<'i, S> {
    /// The runs of the layer with this index.
    Image(usize, Box<ImageRuns<'i, S>>),
    Raw(RawRuns<'i, S>),
    /// A part that lies past the end of its layer, and the index of the layer above, which
    /// says that it is zeros.
    Past(usize, Range<u64>),
}

impl<'i, S: ReadAt> Chain<'i, S> {
    /// The runs of `guest`, which must lie on the disk of the first of `layers`.
    pub fn new(files: &'i [S], holes: &'i [Holes], layers: &'i [Layer], guest: Range<u64>) -> Self {
        let mut chain = Self {
            files,
            holes,
            layers,
            levels: Vec::new(),
        };
        chain.descend(0, guest);
        chain
    }

    /// Puts the bytes `guest` of layer `index` next, or reports that there
    /// is no such layer.
    fn descend(&mut self, index: usize, guest: Range<u64>) -> bool {
        let Some(layer) = self.layers.get(index) else {
            return false;
        };
        let end = guest.end.min(layer.size).max(guest.start);
        if end < guest.end {
            let above = index.saturating_sub(1);
            self.levels.push(Level::Past(above, end..guest.end));
        }
        let there = guest.start..end;
        let file = self.files.get(layer.file).zip(self.holes.get(layer.file));
        match (&layer.content, file) {
            (Content::Image(image), Some((file, _))) => {
                let runs = Joined::new(Walk::new(file, &image.tables, there));
                self.levels.push(Level::Image(index, Box::new(runs)));
            }
            (Content::Raw, Some((file, holes))) => self.levels.push(Level::Raw(RawRuns {
                storage: file,
                holes,
                file: layer.file,
                rest: there,
            })),
            (_, None) => return false,
        }
        true
    }
}

impl<S: ReadAt> Iterator for Chain<'_, S> {
    type Item = Result<Run, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let level = self.levels.last_mut()?;
            let (next, below) = match level {
                Level::Image(index, runs) => (runs.next(), index.saturating_add(1)),
                Level::Raw(runs) => (runs.next(), usize::MAX),
                Level::Past(above, range) => {
                    let run = unallocated(self.layers, *above, range.clone());
                    self.levels.pop();
                    return Some(Ok(run));
                }
            };
            match next {
                None => {
                    self.levels.pop();
                }
                Some(Ok(run)) if run.mapping == Mapping::Unallocated => {
                    if !self.descend(below, run.guest.clone()) {
                        let last = below.min(self.layers.len()).saturating_sub(1);
                        return Some(Ok(unallocated(self.layers, last, run.guest)));
                    }
                }
                Some(Ok(run)) => return Some(Ok(run)),
                Some(Err(error)) => {
                    let error = match level {
                        Level::Image(index, _) => error.in_layer(*index),
                        Level::Raw(_) | Level::Past(..) => error,
                    };
                    self.levels.clear();
                    return Some(Err(error));
                }
            }
        }
    }
}

/// Bytes of which the layer with this index, the last that was asked, says that there are
/// none.
fn unallocated(layers: &[Layer], index: usize, guest: Range<u64>) -> Run {
    let mut run = Run::empty(guest, Mapping::Unallocated);
    run.file = layers.get(index).map_or(0, |layer| layer.file);
    run
}

/// The runs of a raw file: what is where it is, or a hole.
#[derive(Debug)]
struct RawRuns<'i, S> {
    storage: &'i S,
    holes: &'i Holes,
    file: usize,
    rest: Range<u64>,
}

impl<S: ReadAt> Iterator for RawRuns<'_, S> {
    type Item = Result<Run, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let Range { start, end } = self.rest;
        let data = match self.holes.next_data(self.storage, start) {
            Ok(data) => data.unwrap_or(end..end),
            Err(source) => {
                self.rest.start = end;
                return Some(Err(Error::Read {
                    structure: Structure::Data,
                    host: HostOffset(start),
                    source,
                }));
            }
        };
        let run = if data.start > start {
            Run::empty(start..data.start.min(end), Mapping::Unallocated)
        } else {
            Run {
                guest: start..data.end.clamp(start.saturating_add(1), end),
                file: self.file,
                mapping: Mapping::Data {
                    host: HostOffset(start),
                },
            }
        };
        self.rest.start = run.guest.end;
        Some(Ok(run))
    }
}

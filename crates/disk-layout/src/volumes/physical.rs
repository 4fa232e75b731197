//! The physical volumes that are at hand, and the texts in them.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use crate::provider::Part;

use super::lvm2::area::{self, Held};
use super::lvm2::doubt::{Doubt, Halt};
use super::lvm2::group::Group;
use super::lvm2::label::{self, Label};

/// Bytes of text that are read of all physical volumes together.
const READ_BYTES_MAX: usize = 256 << 20;
/// Bytes of different texts among them.
const TEXTS_BYTES_MAX: usize = 32 << 20;

/// A physical volume.
#[derive(Debug)]
pub(super) struct Physical {
    /// Its place among the windows.
    pub(super) window: usize,
    /// Nothing if the label is in doubt.
    pub(super) label: Option<Label>,
    /// The texts in its metadata areas.
    pub(super) texts: Vec<TextId>,
    /// Why nothing that it says is believed.
    pub(super) doubt: Option<Doubt>,
}

impl Physical {
    /// The window with this place, which may be a physical volume.
    pub(super) const fn doubtful(window: usize, doubt: Doubt) -> Self {
        Self {
            window,
            label: None,
            texts: Vec::new(),
            doubt: Some(doubt),
        }
    }
}

/// A text, by its place in [`Texts`].
pub(super) type TextId = usize;

/// The different texts that were read.
#[derive(Debug)]
pub(super) struct Texts {
    groups: Vec<Result<Arc<Group>, Doubt>>,
    known: HashMap<Vec<u8>, TextId>,
    /// Bytes of text that may still be read.
    budget: usize,
    /// Bytes of different texts.
    bytes: usize,
}

impl Texts {
    pub(super) fn new() -> Self {
        Self {
            groups: Vec::new(),
            known: HashMap::new(),
            budget: READ_BYTES_MAX,
            bytes: 0,
        }
    }

    /// What the text `id` says.
    pub(super) fn group(&self, id: TextId) -> Option<&Arc<Group>> {
        self.groups.get(id)?.as_ref().ok()
    }

    /// The place of `text`, which is read if it was not seen before.
    fn add(&mut self, text: Vec<u8>) -> Result<TextId, Doubt> {
        if let Some(id) = self.known.get(&text) {
            return Ok(*id);
        }
        let bytes = self.bytes.saturating_add(text.len());
        if bytes > TEXTS_BYTES_MAX {
            return Err(Doubt::TooMuchText);
        }
        self.bytes = bytes;
        let id = self.groups.len();
        self.groups.push(Group::parse(&text).map(Arc::new));
        self.known.insert(text, id);
        Ok(id)
    }
}

/// Looks whether the window with this place is a physical volume: `None` if it is not.
pub(super) fn read(
    place: usize,
    window: &Part<'_>,
    texts: &mut Texts,
) -> io::Result<Option<Physical>> {
    let mut physical = Physical {
        window: place,
        label: None,
        texts: Vec::new(),
        doubt: None,
    };
    match label::read(window)? {
        None => return Ok(None),
        Some(Err(doubt)) => physical.doubt = Some(doubt),
        Some(Ok(label)) => physical.label = Some(label),
    }
    let areas = physical
        .label
        .iter()
        .flat_map(|label| &label.areas.metadata);
    for area in areas {
        let read = area::read(window, area, &mut texts.budget).and_then(|held| match held {
            Held::Nothing | Held::Ignored => Ok(None),
            Held::Text(text) => Ok(Some(texts.add(text)?)),
        });
        match read {
            Ok(None) => {}
            Ok(Some(id)) => {
                if let Some(Err(doubt)) = texts.groups.get(id) {
                    physical.doubt.get_or_insert_with(|| doubt.clone());
                }
                physical.texts.push(id);
            }
            Err(Halt::Io(error)) => return Err(error),
            Err(Halt::Doubt(doubt)) => {
                physical.doubt.get_or_insert(doubt);
            }
        }
    }
    Ok(Some(physical))
}

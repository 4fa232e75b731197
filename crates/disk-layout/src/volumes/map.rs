//! Which bytes of a physical volume belong to which logical volume.

use std::ops::Range;

use super::groups::AtHand;
use super::lvm2::doubt::Doubt;
use super::lvm2::group::Group;
use super::lvm2::members::Member;

/// Some bytes of a physical volume, and whose they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// In bytes of the window.
    pub(super) range: Range<u64>,
    pub(super) owner: Owner,
}

/// Whose some bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// Those of the label and the metadata, and what no extent has.
    Structure,
    /// Nobody's: extents in no segment.
    Nobody,
    /// A stripe of a segment of a logical volume of the group.
    Stripe(StripeId),
}

/// A stripe, by its place in the group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct StripeId {
    pub(super) volume: usize,
    pub(super) segment: usize,
    pub(super) stripe: usize,
}

/// The pieces of each member of the group, which tile its window: `windows` has their
/// lengths.
pub(super) fn pieces(at_hand: &AtHand, windows: &[u64]) -> Result<Vec<Vec<Piece>>, Doubt> {
    let group = &*at_hand.group;
    let mut stripes = vec![Vec::new(); group.members.len()];
    for (volume, logical) in group.volumes.iter().enumerate() {
        for (segment, part) in logical.segments.iter().enumerate() {
            for (stripe, place) in part.stripes.iter().enumerate() {
                let id = StripeId {
                    volume,
                    segment,
                    stripe,
                };
                let end = place.first.saturating_add(part.stripe_extents());
                if let Some(stripes) = stripes.get_mut(place.member) {
                    stripes.push((place.first..end, id));
                }
            }
        }
    }
    let members = group.members.iter().zip(stripes).zip(windows);
    let pieces = members.map(|((member, stripes), size)| tile(group, member, stripes, *size));
    pieces.collect()
}

/// Tiles a window of `size` bytes by the `stripes` on `member`, in extents.
fn tile(
    group: &Group,
    member: &Member,
    mut stripes: Vec<(Range<u64>, StripeId)>,
    size: u64,
) -> Result<Vec<Piece>, Doubt> {
    stripes.sort_by_key(|(range, id)| (range.start, *id));
    let name = |id: StripeId| {
        let volume = group.volumes.get(id.volume);
        volume.map_or(String::new(), |volume| volume.name.clone())
    };
    // No product here passes the end of the member, which was held against its numbers.
    let at = |extent: u64| {
        let bytes = extent.saturating_mul(group.extent_bytes);
        member.data_at.saturating_add(bytes)
    };
    let mut pieces = Tiles {
        pieces: Vec::new(),
        end: 0,
    };
    pieces.push(member.data_at, Owner::Structure);
    let mut before: Option<(u64, StripeId)> = None;
    for (range, id) in stripes {
        if range.end > member.extents {
            return Err(Doubt::Text {
                place: format!("logical volume {}", name(id)),
                what: "its extents pass the end of a physical volume",
            });
        }
        if let Some((end, other)) = before
            && range.start < end
        {
            return Err(Doubt::Overlap {
                member: member.id,
                extent: range.start,
                first: name(other),
                second: name(id),
            });
        }
        before = Some((range.end, id));
        pieces.push(at(range.start), Owner::Nobody);
        pieces.push(at(range.end), Owner::Stripe(id));
    }
    pieces.push(at(member.extents), Owner::Nobody);
    pieces.push(size, Owner::Structure);
    Ok(pieces.pieces)
}

/// Pieces one after another.
struct Tiles {
    pieces: Vec<Piece>,
    end: u64,
}

impl Tiles {
    /// Goes on up to `end`, if that is further.
    fn push(&mut self, end: u64, owner: Owner) {
        if end > self.end {
            let range = self.end..end;
            self.pieces.push(Piece { range, owner });
            self.end = end;
        }
    }
}

//! Transactions, reassembled from the operations of records.
//!
//! A transaction begins with an operation that says so, has regions of bytes, and counts
//! once an operation commits it. A region that does not fit into a record goes on in the
//! next. The first region is the transaction's header; the others belong to items, each of
//! which begins with a region that names its type and the number of its regions.

use std::collections::HashMap;

use super::fault::LogFault;
use super::record::Header;
use crate::bytes::{be32, byte, le16, le32, usize_of};

/// Bytes of an operation's header.
const OPERATION: usize = 12;

/// `oh_clientid` of transactions and of the log itself.
const CLIENTS: [u8; 2] = [0x69, 0xaa];

/// Bits of `oh_flags`.
const START: u8 = 0x01;
const COMMIT: u8 = 0x02;
const CONTINUES: u8 = 0x04;
const WAS_CONTINUED: u8 = 0x08;
const END: u8 = 0x10;
const UNMOUNT: u8 = 0x20;

/// The first region of a transaction: `xfs_trans_header`, "TRAN".
const HEADER_BYTES: usize = 16;
const HEADER_MAGIC: u32 = 0x5452_414e;

/// Most bytes of transactions that are open at once. The kernel lets one grow to 64 MiB.
pub(crate) const OPEN_BYTES_MAX: usize = 72 << 20;
/// Most transactions that are open at once.
const OPEN_MAX: usize = 1 << 12;
/// Most regions of an item, and of the transactions that are open at once.
const ITEM_REGIONS_MAX: u16 = 257;
const OPEN_REGIONS_MAX: usize = 1 << 20;

/// A transaction that was not committed yet.
#[derive(Debug, Default)]
struct Open {
    /// Of the record that it begins in.
    lsn: u64,
    bytes: Vec<u8>,
    /// Where each region ends in `bytes`, where the next begins.
    ends: Vec<usize>,
}

/// The transactions that are open at some place of the log.
#[derive(Debug, Default)]
pub(crate) struct Transactions {
    open: HashMap<u32, Open>,
    bytes: usize,
    regions: usize,
}

/// A transaction that counts.
#[derive(Debug)]
pub(crate) struct Transaction {
    /// Log sequence number of the record that it begins in.
    pub(crate) lsn: u64,
    bytes: Vec<u8>,
    ends: Vec<usize>,
    /// Of each item, its first region, and one past the last.
    items: Vec<(usize, usize)>,
}

/// An item of a transaction: one change to the filesystem.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Item<'a> {
    transaction: &'a Transaction,
    first: usize,
    end: usize,
}

/// An operation of a record.
struct Operation<'a> {
    id: u32,
    flags: u8,
    bytes: &'a [u8],
}

impl Transactions {
    /// Takes in the operations in `data` of the record with `header`, and gives the
    /// transactions that it commits to `commit`.
    pub(crate) fn take<E: From<LogFault>>(
        &mut self,
        header: &Header,
        data: &[u8],
        mut commit: impl FnMut(&Transaction) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut rest = data;
        for _ in 0..header.operations {
            if rest.is_empty() {
                break;
            }
            let operation;
            (operation, rest) = next_operation(header, rest)?;
            if let Some(transaction) = self.apply(header, &operation)? {
                commit(&transaction)?;
            }
        }
        Ok(())
    }

    fn apply(
        &mut self,
        header: &Header,
        operation: &Operation<'_>,
    ) -> Result<Option<Transaction>, LogFault> {
        let fault = |field, found: u64| LogFault::Operation {
            block: header.block,
            field,
            found,
        };
        let Some(open) = self.open.get_mut(&operation.id) else {
            // Others belong to a transaction that began before the tail.
            if operation.flags & START != 0 {
                return self.start(header, operation).map(|()| None);
            }
            return Ok(None);
        };
        let continues = match operation.flags & !END {
            0 | CONTINUES => false,
            flags if flags & !CONTINUES == WAS_CONTINUED => true,
            COMMIT => {
                let open = self.open.remove(&operation.id).unwrap_or_default();
                self.bytes = self.bytes.saturating_sub(open.bytes.len());
                self.regions = self.regions.saturating_sub(open.ends.len());
                return open.commit().map(Some);
            }
            UNMOUNT => {
                self.open.remove(&operation.id);
                return Ok(None);
            }
            _ => return Err(fault("oh_flags", u64::from(operation.flags))),
        };
        let added = operation.bytes.len();
        if added == 0 {
            return Ok(None);
        }
        self.bytes = self.bytes.saturating_add(added);
        if self.bytes > OPEN_BYTES_MAX {
            let what = "bytes of transactions that were not committed";
            return Err(LogFault::too_large(what, OPEN_BYTES_MAX));
        }
        if !continues {
            self.regions = self.regions.saturating_add(1);
            if self.regions > OPEN_REGIONS_MAX {
                let what = "regions of transactions that were not committed";
                return Err(LogFault::too_large(what, OPEN_REGIONS_MAX));
            }
        }
        open.bytes.extend_from_slice(operation.bytes);
        let end = open.bytes.len();
        match open.ends.last_mut() {
            Some(last) if continues => *last = end,
            None if continues => return Err(fault("oh_flags", u64::from(operation.flags))),
            _ => open.ends.push(end),
        }
        Ok(None)
    }

    fn start(&mut self, header: &Header, operation: &Operation<'_>) -> Result<(), LogFault> {
        if !operation.bytes.is_empty() {
            return Err(LogFault::Operation {
                block: header.block,
                field: "oh_len",
                found: blockio::len_u64(operation.bytes.len()),
            });
        }
        if self.open.len() >= OPEN_MAX {
            return Err(LogFault::too_large("open transactions", OPEN_MAX));
        }
        let lsn = header.lsn;
        let open = Open {
            lsn,
            ..Open::default()
        };
        self.open.insert(operation.id, open);
        Ok(())
    }
}

/// The operation at the start of `rest`, and what follows it.
fn next_operation<'a>(
    header: &Header,
    rest: &'a [u8],
) -> Result<(Operation<'a>, &'a [u8]), LogFault> {
    let fault = |field, found: u64| LogFault::Operation {
        block: header.block,
        field,
        found,
    };
    let left = blockio::len_u64(rest.len());
    let split = rest.split_at_checked(OPERATION);
    let (head, body) = split.ok_or_else(|| fault("bytes left", left))?;
    if !CLIENTS.contains(&byte(head, 8)) {
        return Err(fault("oh_clientid", u64::from(byte(head, 8))));
    }
    let length = be32(head, 4);
    let split = body.split_at_checked(usize_of(u64::from(length)));
    let (bytes, rest) = split.ok_or_else(|| fault("oh_len", u64::from(length)))?;
    let operation = Operation {
        id: be32(head, 0),
        flags: byte(head, 9),
        bytes,
    };
    Ok((operation, rest))
}

impl Open {
    /// Finds the items.
    fn commit(self) -> Result<Transaction, LogFault> {
        let Self { lsn, bytes, ends } = self;
        let mut transaction = Transaction {
            lsn,
            bytes,
            ends,
            items: Vec::new(),
        };
        let header = transaction.region(0);
        if header.len() != HEADER_BYTES || le32(header, 0) != HEADER_MAGIC {
            return Err(LogFault::Item {
                kind: 0,
                field: "th_magic",
                found: u64::from(le32(header, 0)),
            });
        }
        let mut at = 1;
        while at < transaction.ends.len() {
            let first = transaction.region(at);
            let (kind, regions) = (le16(first, 0), le16(first, 2));
            let end = at.saturating_add(usize::from(regions));
            let is_whole = end <= transaction.ends.len();
            if regions == 0 || regions > ITEM_REGIONS_MAX || first.len() < 4 || !is_whole {
                return Err(LogFault::Item {
                    kind,
                    field: "regions",
                    found: u64::from(regions),
                });
            }
            transaction.items.push((at, end));
            at = end;
        }
        Ok(transaction)
    }
}

impl Transaction {
    fn region(&self, index: usize) -> &[u8] {
        let before = index.checked_sub(1).map(|before| self.ends.get(before));
        let start = before.flatten().copied().unwrap_or(0);
        let end = self.ends.get(index).copied().unwrap_or(start);
        self.bytes.get(start..end).unwrap_or_default()
    }

    /// Its items, in the order in which they were logged.
    pub(crate) fn items(&self) -> impl DoubleEndedIterator<Item = Item<'_>> {
        self.items.iter().map(|&(first, end)| Item {
            transaction: self,
            first,
            end,
        })
    }
}

impl<'a> Item<'a> {
    /// Region `index`; it has no bytes if there is none.
    pub(crate) fn region(&self, index: usize) -> &'a [u8] {
        let at = self.first.saturating_add(index);
        if at >= self.end {
            return &[];
        }
        self.transaction.region(at)
    }

    /// How many regions it has: one or more.
    pub(crate) const fn regions(&self) -> usize {
        self.end.saturating_sub(self.first)
    }

    /// Its type.
    pub(crate) fn kind(&self) -> u16 {
        le16(self.region(0), 0)
    }

    /// What is wrong with it.
    pub(crate) fn fault(&self, field: &'static str, found: impl Into<u64>) -> LogFault {
        LogFault::Item {
            kind: self.kind(),
            field,
            found: found.into(),
        }
    }
}

//! How an image is encrypted, under qemu-img's names.

use qcow2_reader::LuksInfo;
use serde::Serialize;

use crate::text::escaped;

#[derive(Debug, Serialize)]
pub(super) struct Encryption {
    pub(super) format: &'static str,
    #[serde(flatten)]
    luks: Option<LuksFacts>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct LuksFacts {
    cipher_alg: String,
    cipher_mode: String,
    ivgen_alg: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    ivgen_hash_alg: Option<String>,
    hash_alg: String,
    uuid: String,
    detached_header: bool,
    payload_offset: u64,
    master_key_iters: u32,
    slots: Vec<SlotFacts>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct SlotFacts {
    active: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    iters: Option<u32>,
    key_offset: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    stripes: Option<u32>,
}

impl Encryption {
    pub(super) fn aes() -> Self {
        Self {
            format: "aes",
            luks: None,
        }
    }

    pub(super) fn luks(info: &LuksInfo) -> Self {
        Self {
            format: "luks",
            luks: Some(LuksFacts::new(info)),
        }
    }
}

impl LuksFacts {
    fn new(info: &LuksInfo) -> Self {
        let named = |name: &str| escaped(name.as_bytes());
        let (mode, ivgen) = info
            .cipher_mode
            .split_once('-')
            .unwrap_or((&info.cipher_mode, ""));
        let (ivgen, ivgen_hash) = match ivgen.split_once(':') {
            Some((ivgen, hash)) => (ivgen, Some(hash)),
            None => (ivgen, None),
        };
        // In XTS mode the key is two keys.
        let keys = if mode == "xts" { 2 } else { 1 };
        let key_bits = u64::from(info.key_bytes) * 8 / keys;
        let slots = info.key_slots.iter().map(|slot| SlotFacts {
            active: slot.active,
            iters: slot.active.then_some(slot.rounds),
            key_offset: slot.material_offset_bytes,
            stripes: slot.active.then_some(slot.stripes),
        });
        Self {
            cipher_alg: format!("{}-{key_bits}", named(&info.cipher_name)),
            cipher_mode: named(mode),
            ivgen_alg: named(ivgen),
            ivgen_hash_alg: ivgen_hash.map(named),
            hash_alg: named(&info.hash_spec),
            uuid: named(&info.uuid),
            detached_header: false,
            payload_offset: info.payload_offset_bytes,
            master_key_iters: info.digest_rounds,
            slots: slots.collect(),
        }
    }
}

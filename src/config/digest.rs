//! The digest of what files declare, which replicas compare.

use sha2::{Digest, Sha256};

use super::sources::FilesRead;
use crate::azure::{Declaration, RecordSet};

/// Tables about the host, which do not affect the world.
const OWN: [&str; 5] = ["server", "management", "metrics", "dnstap", "check"];

/// The SHA-256 digest of what files declare. It does not depend on the order of keys, of tables with different names, or of
/// record sets, nor on which file a record set is in.
pub(super) fn digest(files: &FilesRead, declaration: &Declaration) -> [u8; 32] {
    let mut hash = Sha256::new();
    // The text was parsed before without errors.
    let mut tables: toml::Table = files.config().parse().unwrap_or_default();
    OWN.iter().for_each(|table| {
        tables.remove(*table);
    });
    hash.update(tables.to_string());
    for zone in &declaration.private_dns_zones {
        hash.update(zone.id.to_string().to_ascii_lowercase());
        hash.update(format!("{:?}", zone.soa));
        record_sets(&zone.record_sets, &mut hash);
    }
    for zone in &declaration.public_zones {
        hash.update(zone.name.as_wire());
        record_sets(&zone.record_sets, &mut hash);
    }
    hash.finalize().into()
}

fn record_sets(sets: &[RecordSet], hash: &mut Sha256) {
    hash.update((sets.len() as u64).to_be_bytes());
    for set in sets {
        hash.update(set.owner.as_wire());
        hash.update(u16::from(set.rtype).to_be_bytes());
        hash.update(set.ttl.as_secs().to_be_bytes());
        hash.update((set.rdatas.len() as u64).to_be_bytes());
        for rdata in set.rdatas.iter() {
            hash.update((rdata.len() as u64).to_be_bytes());
            hash.update(rdata);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::azure::Allocations;
    use crate::config::{Files, Memory, read_files};

    fn digest(config: &str, zone: &str) -> [u8; 32] {
        let files = Files::Memory(Arc::new(Memory::new(config, [("corp.zone", zone)])));
        let read = read_files(&files, &Allocations::default(), false).unwrap();
        assert!(!read.has_errors());
        super::digest(&read.files_read, &read.declaration)
    }

    #[test]
    fn what_is_declared_counts_and_what_is_about_the_host_does_not() {
        let zones = "[[private_dns_zone]]\nname = \"corp.test\"\nfile = \"corp.zone\"\n";
        let with = |more: &str| format!("{more}{zones}");
        let (before, text) = (with(""), "www 60 IN A 10.0.0.1\n");
        assert_eq!(digest(&before, text), digest(&with("[server]\nlisten = [\"127.0.0.1:0\"]\n# said\n"), text));
        assert_eq!(digest(&before, text), digest(&before, "; said\nwww 60 IN A 10.0.0.1\n"));
        for changed in ["www 61 IN A 10.0.0.1\n", "www 60 IN A 10.0.0.2\n", "ww2 60 IN A 10.0.0.1\n", ""] {
            assert_ne!(digest(&before, text), digest(&before, changed), "{changed:?}");
        }
        let network = with("[[virtual_network]]\nname = \"hub\"\naddress_space = [\"10.0.0.0/16\"]\n");
        assert_ne!(digest(&before, text), digest(&network, text));
        assert_ne!(digest(&network, text), digest(&network.replace("10.0.0.0", "10.1.0.0"), text));
    }
}

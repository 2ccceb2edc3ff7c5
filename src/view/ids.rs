//! Numbers of the items of one snapshot. Only the code that makes snapshots creates them, so that each refers to an item.

macro_rules! ids {
    ($($(#[$doc:meta])+ $name:ident($number:ty);)+) => {$(
        $(#[$doc])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name($number);

        impl $name {
            /// The number of the item at that index of its list.
            pub(crate) const fn new(index: usize) -> Self {
                assert!(index <= <$number>::MAX as usize, "a list is longer than there are numbers");
                Self(index as $number)
            }

            /// The index in the list.
            pub const fn index(self) -> usize {
                self.0 as usize
            }
        }
    )+};
}

ids! {
    /// Number of a view within one snapshot.
    ViewId(u32);
    /// Number of a zone within one snapshot.
    ZoneId(u32);
    /// Number of a key within one snapshot.
    KeyId(u32);
    /// Number of a client certificate within one snapshot.
    CertificateId(u32);
    /// Number of a forwarder that may speak for clients, within one snapshot.
    ForwarderId(u16);
    /// Number of a listener: its index in the server's list.
    ListenerId(u16);
}

//! Numbers of what one snapshot holds. None but the snapshot's makers give them, so that each stands for something.

macro_rules! ids {
    ($($(#[$doc:meta])+ $name:ident($number:ty);)+) => {$(
        $(#[$doc])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name($number);

        impl $name {
            /// The number of what stands at that place in its list.
            pub(crate) const fn new(index: usize) -> Self {
                assert!(index <= <$number>::MAX as usize, "a list is longer than there are numbers");
                Self(index as $number)
            }

            /// The place in the list.
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
    /// Number of a key, within one snapshot.
    KeyId(u32);
    /// Number of a certificate that clients show, within one snapshot.
    CertificateId(u32);
    /// Number of a forwarder that may speak for clients, within one snapshot.
    ForwarderId(u16);
    /// Number of a listener: its place in the server's list.
    ListenerId(u16);
}

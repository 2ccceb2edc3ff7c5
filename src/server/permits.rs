//! How many of something there may be at one time, in all and for one client.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// Counts what clients hold.
#[derive(Debug)]
pub(super) struct Permits {
    most: usize,
    most_per_client: usize,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    total: usize,
    per_client: HashMap<IpAddr, usize>,
}

/// The right to one; given back on drop.
#[derive(Debug)]
pub(super) struct Permit {
    permits: Arc<Permits>,
    client: IpAddr,
}

impl Permits {
    pub(super) fn new(most: usize, most_per_client: usize) -> Arc<Self> {
        Arc::new(Self { most, most_per_client, held: Mutex::default() })
    }

    /// One for this client; `None` where a bound is reached.
    pub(super) fn permit(self: &Arc<Self>, client: IpAddr) -> Option<Permit> {
        let client = client.to_canonical();
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let of_client = held.per_client.get(&client).copied().unwrap_or(0);
        if held.total >= self.most || of_client >= self.most_per_client {
            return None;
        }
        held.total += 1;
        held.per_client.insert(client, of_client + 1);
        Some(Permit { permits: self.clone(), client })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut held = self.permits.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.total -= 1;
        if let Some(of_client) = held.per_client.get_mut(&self.client) {
            *of_client -= 1;
            if *of_client == 0 {
                held.per_client.remove(&self.client);
            }
        }
    }
}

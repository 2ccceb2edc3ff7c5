//! Text → [`Topology`] and [`ServerSettings`]: the only place that knows file formats.
//!
//! The TOML file is deserialised into a mirror, the mirror becomes a declaration, the declaration is checked as a
//! whole. Each stage gathers every problem with its place; nothing is half loaded.

mod declare;
mod files;
mod load;
mod mirror;
mod problem;
mod read;
mod settings;
mod zone_file;

pub use files::Files;
pub use load::{Config, load};
pub use problem::{Place, Problem, Problems};
pub use settings::ServerSettings;

//! Which configuration a command is about, where that is not said: a `vnetdns.toml`, or the default lab.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::config::{Files, Lab};

/// Where a configuration is looked for, in this order, if no file and no lab is named.
const LOOKED_FOR: [&str; 2] = ["vnetdns.toml", "/etc/vnetdns/vnetdns.toml"];

/// `--config` and `--lab`, common to several commands.
#[derive(Debug, Args)]
pub(super) struct ConfigOption {
    /// Configuration file [default: vnetdns.toml in this folder, else /etc/vnetdns/vnetdns.toml, else the default lab]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// A lab that is part of the program, instead of a file
    #[arg(long, value_name = "NAME", conflicts_with = "config")]
    lab: Option<Lab>,
}

/// The same for commands whose file is an argument.
#[derive(Debug, Args)]
pub(super) struct ConfigArgument {
    /// Configuration file [default: vnetdns.toml in this folder, else /etc/vnetdns/vnetdns.toml, else the default lab]
    file: Option<PathBuf>,
    /// A lab that is part of the program, instead of a file
    #[arg(long, value_name = "NAME", conflicts_with = "file")]
    lab: Option<Lab>,
}

impl ConfigOption {
    pub(super) fn files(&self) -> Files {
        chosen(self.config.as_ref(), self.lab)
    }
}

impl ConfigArgument {
    pub(super) fn files(&self) -> Files {
        chosen(self.file.as_ref(), self.lab)
    }
}

/// Says on standard error where it is the default lab and nobody asked for it: answers from a configuration that is not
/// meant look like wrong answers.
fn chosen(file: Option<&PathBuf>, lab: Option<Lab>) -> Files {
    choose(file, lab, &LOOKED_FOR.map(Path::new)).unwrap_or_else(|| {
        let [here, system] = LOOKED_FOR;
        tracing::warn!("no configuration is named, and there is no {here} and no {system}: this is the default lab");
        Files::default()
    })
}

/// The named file or lab, else the first file that exists.
fn choose(file: Option<&PathBuf>, lab: Option<Lab>, looked_for: &[&Path]) -> Option<Files> {
    let named = file.map(|path| Files::Disk(path.clone())).or_else(|| lab.map(Files::Lab));
    // A file that exists and cannot be read is an error, and no reason to take the next one.
    let found = || looked_for.iter().find(|path| path.symlink_metadata().is_ok());
    named.or_else(|| found().map(|path| Files::Disk(path.to_path_buf())))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_named_file_comes_before_a_found_one_and_that_before_the_default_lab() {
        let folder = tempfile::tempdir().unwrap();
        let [first, second] = ["first.toml", "second.toml"].map(|name| folder.path().join(name));
        let looked_for = [first.as_path(), second.as_path()];
        let check = |file: Option<&PathBuf>, lab, expected: Option<Files>| {
            assert_eq!(choose(file, lab, &looked_for), expected);
        };
        check(None, None, None);
        fs::write(&second, "").unwrap();
        check(None, None, Some(Files::Disk(second.clone())));
        fs::write(&first, "").unwrap();
        check(None, None, Some(Files::Disk(first.clone())));
        check(None, Some(Lab::Default), Some(Files::Lab(Lab::Default)));
        let named = PathBuf::from("named.toml");
        check(Some(&named), None, Some(Files::Disk(named.clone())));
    }

    #[cfg(unix)]
    #[test]
    fn one_that_cannot_be_followed_is_not_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let broken = folder.path().join("vnetdns.toml");
        std::os::unix::fs::symlink("nowhere", &broken).unwrap();
        assert_eq!(choose(None, None, &[&broken]), Some(Files::Disk(broken.clone())));
    }
}

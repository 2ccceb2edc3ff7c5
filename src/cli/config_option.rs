//! Selects the configuration of a command that names none: a `vnetdns.toml`, or the default lab.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

use super::import::ImportOptions;
use crate::config::{Files, Lab};

/// Paths that are tried in this order if no file and no lab is named.
const LOOKED_FOR: [&str; 2] = ["vnetdns.toml", "/etc/vnetdns/vnetdns.toml"];

/// `--config` and `--lab`, common to several commands.
#[derive(Debug, Args)]
pub(super) struct ConfigOption {
    /// Configuration file, or files of an estate as `vnetdns import` takes them; may be repeated, with one configuration at
    /// most; - is standard input [default: vnetdns.toml in this folder, else /etc/vnetdns/vnetdns.toml, else the default lab]
    #[arg(long, value_name = "FILE")]
    config: Vec<PathBuf>,
    /// A lab that is part of the program, instead of a file
    #[arg(long, value_name = "NAME", conflicts_with = "config")]
    lab: Option<Lab>,
    #[command(flatten)]
    import: ImportOptions,
}

/// The same for commands whose file is an argument.
#[derive(Debug, Args)]
pub(super) struct ConfigArgument {
    /// Configuration file, or files of an estate as `vnetdns import` takes them, with one configuration at most; - is standard
    /// input [default: vnetdns.toml in this folder, else /etc/vnetdns/vnetdns.toml, else the default lab]
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// A lab that is part of the program, instead of a file
    #[arg(long, value_name = "NAME", conflicts_with = "files")]
    lab: Option<Lab>,
    #[command(flatten)]
    import: ImportOptions,
}

impl ConfigOption {
    pub(super) fn files(&self) -> Files {
        chosen(&self.config, self.lab, &self.import)
    }
}

impl ConfigArgument {
    pub(super) fn files(&self) -> Files {
        chosen(&self.files, self.lab, &self.import)
    }
}

/// Says on standard error that the default lab is used if nobody asked for it: answers from an unintended configuration look like
/// wrong answers.
fn chosen(files: &[PathBuf], lab: Option<Lab>, import: &ImportOptions) -> Files {
    choose(files, lab, import, &LOOKED_FOR.map(Path::new)).unwrap_or_else(|| {
        let [here, system] = LOOKED_FOR;
        tracing::warn!("no configuration is named, and there is no {here} and no {system}: this is the default lab");
        Files::default()
    })
}

/// The named files or lab, otherwise the first file that exists.
fn choose(files: &[PathBuf], lab: Option<Lab>, import: &ImportOptions, looked_for: &[&Path]) -> Option<Files> {
    // A file that exists but cannot be read is an error; the next one is not tried.
    let found = || looked_for.iter().find(|path| path.symlink_metadata().is_ok());
    match (files, lab) {
        ([], Some(lab)) => Some(Files::Lab(lab)),
        ([], None) if import.is_default() => found().map(|path| Files::Disk(path.to_path_buf())),
        ([], None) => found().map(|path| Files::Several(Arc::new(import.of(&[path.to_path_buf()])))),
        ([file], _) if import.is_default() && file.as_os_str() != "-" => Some(Files::Disk(file.clone())),
        (files, _) => Some(Files::Several(Arc::new(import.of(files)))),
    }
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
        let import = ImportOptions::default();
        let check = |files: &[PathBuf], lab, expected: Option<Files>| {
            assert_eq!(choose(files, lab, &import, &looked_for), expected);
        };
        check(&[], None, None);
        fs::write(&second, "").unwrap();
        check(&[], None, Some(Files::Disk(second.clone())));
        fs::write(&first, "").unwrap();
        check(&[], None, Some(Files::Disk(first.clone())));
        check(&[], Some(Lab::Default), Some(Files::Lab(Lab::Default)));
        let named = PathBuf::from("named.toml");
        check(std::slice::from_ref(&named), None, Some(Files::Disk(named.clone())));
        let several = vec![named, PathBuf::from("-")];
        check(&several, None, Some(Files::Several(Arc::new(import.of(&several)))));
    }

    #[cfg(unix)]
    #[test]
    fn one_that_cannot_be_followed_is_not_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let broken = folder.path().join("vnetdns.toml");
        std::os::unix::fs::symlink("nowhere", &broken).unwrap();
        assert_eq!(choose(&[], None, &ImportOptions::default(), &[&broken]), Some(Files::Disk(broken.clone())));
    }
}

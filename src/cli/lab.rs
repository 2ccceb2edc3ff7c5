//! The labs as `--lab` names them.

use clap::ValueEnum;
use clap::builder::PossibleValue;

use crate::config::Lab;

impl ValueEnum for Lab {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let (name, help) = match self {
            Self::Default => ("default", "Four networks, two of them with the known issue of Azure's own documents"),
            Self::HubAndSpokes => ("hub-and-spokes", "A hub with the central zones, spokes, an on-premises network"),
            Self::AksMonitoring => (
                "aks-monitoring",
                "Private AKS, Managed Prometheus, Container insights and Grafana over a private link scope",
            ),
            Self::DataExplorer => {
                ("data-explorer", "A Data Explorer cluster in a virtual network, behind private link services")
            }
            Self::ClassicMistakes => ("classic-mistakes", "Ten classic mistakes, a network for each, and their repair"),
        };
        Some(PossibleValue::new(name).help(help))
    }
}

//! The labs as `--lab` names them.

use clap::ValueEnum;
use clap::builder::PossibleValue;

use crate::config::Lab;

impl ValueEnum for Lab {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let help = match self {
            Self::Default => "Four networks, two of them with the known issue of Azure's own documents",
            Self::HubAndSpokes => "A hub with the central zones, spokes, an on-premises network",
            Self::AksMonitoring => {
                "Private AKS, Managed Prometheus, Container insights and Grafana over a private link scope"
            }
            Self::DataExplorer => "A Data Explorer cluster in a virtual network, behind private link services",
            Self::ClassicMistakes => "Ten classic mistakes, a network for each, and their repair",
        };
        Some(PossibleValue::new(self.name()).help(help))
    }
}

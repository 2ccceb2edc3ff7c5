//! Azure's domains to which a forwarding rule for all names does not apply.

use super::constant;
use crate::dns::Name;

/// The two-label domains of the zones in Azure's table of private endpoints, private and public, in all clouds (Microsoft Learn,
/// "Azure Private Endpoint private DNS zone values"; "Azure DNS Private Resolver endpoints and rulesets" says that rules for all
/// names do not apply to them).
const DOCUMENTED: [&str; 47] = [
    "azconfig.io",
    "azmk8s.io",
    "aznbcontent.net",
    "azure-api.net",
    "azure-automation.cn",
    "azure-automation.net",
    "azure-automation.us",
    "azure-devices-provisioning.cn",
    "azure-devices-provisioning.net",
    "azure-devices-provisioning.us",
    "azure-devices.cn",
    "azure-devices.net",
    "azure-devices.us",
    "azure.cn",
    "azure.com",
    "azure.net",
    "azure.us",
    "azurecontainerapps.io",
    "azurecr.io",
    "azurecr.us",
    "azuredatabricks.net",
    "azurehdinsight.cn",
    "azurehdinsight.net",
    "azurehdinsight.us",
    "azurehealthcareapis.com",
    "azurehealthcareapis.us",
    "azureiotcentral.com",
    "azureml.cn",
    "azureml.ms",
    "azureml.us",
    "azurestaticapps.net",
    "azuresynapse.net",
    "azurewebsites.net",
    "azurewebsites.us",
    "botframework.com",
    "chinacloudapi.cn",
    "chinacloudsites.cn",
    "microsoft.com",
    "signalr.net",
    "usgovcloudapi.net",
    "videoindexer.ai",
    "visualstudio.com",
    "windows.cn",
    "windows.net",
    "windows.us",
    "windowsazure.com",
    "windowsazure.us",
];
/// Observed to resolve although such a rule leads nowhere; not documented.
const SEEN: [&str; 1] = ["microsoftonline.com"];

/// All of them.
pub(super) fn domains() -> Vec<Name> {
    DOCUMENTED.iter().chain(&SEEN).copied().map(constant).collect()
}

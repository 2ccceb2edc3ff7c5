//! `vnetdns clients`: settings for clients of the management API.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, ValueEnum};

use super::print;

/// Print settings that point a client of Azure at the management API
#[derive(Debug, Args)]
#[command(after_help = "\
What is printed leaves the settings of the machine as they are: the client trusts ca.pem in the folder of the server's state, and
is told the address. Any tenant, subscription, client and secret will do, but where the server lists clients.

Examples:
  vnetdns clients --for az
  vnetdns clients --for terraform --ca state/ca.pem
  eval \"$(vnetdns clients --for curl)\"")]
pub(super) struct Clients {
    /// The client
    #[arg(long = "for", value_name = "CLIENT")]
    client: Client,
    /// Address and port of the management API, as the client sees it
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:8443")]
    api: String,
    /// ca.pem in the folder of the server's state
    #[arg(long, value_name = "FILE", default_value = "vnetdns-state/ca.pem")]
    ca: PathBuf,
    /// The subscription to write into
    #[arg(long, value_name = "GUID", default_value = "00000000-0000-0000-0000-000000000000")]
    subscription: String,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Client {
    /// The Azure CLI
    Az,
    /// azure-mgmt-privatedns, azure-mgmt-network
    Python,
    /// @azure/arm-privatedns, @azure/arm-network
    Node,
    /// azure-sdk-for-go with go-autorest
    Go,
    /// The providers azurerm and azapi
    Terraform,
    /// octodns-azure, AzurePrivateProvider
    Octodns,
    /// Requests by hand
    Curl,
}

/// A tenant that is as good as any other.
const TENANT: &str = "00000000-0000-0000-0000-000000000001";

impl Clients {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let ca = std::path::absolute(&self.ca).with_context(|| format!("{} is no path", self.ca.display()))?;
        let (api, ca, subscription) = (&self.api, ca.display(), &self.subscription);
        let text = match self.client {
            Client::Az => format!(
                "export AZURE_CONFIG_DIR=\"$PWD/vnetdns-az\" REQUESTS_CA_BUNDLE='{ca}' AZURE_CORE_INSTANCE_DISCOVERY=false\n\
                 az cloud register -n vnetdns --endpoint-resource-manager https://{api}/\n\
                 az cloud set -n vnetdns\n\
                 az login --service-principal -u any -p any --tenant {TENANT}\n\
                 az account set --subscription {subscription}\n"
            ),
            Client::Python => format!(
                "import os\n\
                 os.environ[\"REQUESTS_CA_BUNDLE\"] = \"{ca}\"\n\
                 from azure.identity import ClientSecretCredential\n\
                 from azure.mgmt.privatedns import PrivateDnsManagementClient\n\
                 credential = ClientSecretCredential(\"{TENANT}\", \"any\", \"any\", authority=\"https://{api}\",\n\
                 \x20                                    disable_instance_discovery=True)\n\
                 client = PrivateDnsManagementClient(credential, \"{subscription}\", base_url=\"https://{api}\",\n\
                 \x20                                   credential_scopes=[\"https://management.azure.com/.default\"])\n"
            ),
            Client::Node => format!(
                "// NODE_EXTRA_CA_CERTS='{ca}'\n\
                 const {{ ClientSecretCredential }} = require(\"@azure/identity\");\n\
                 const {{ PrivateDnsManagementClient }} = require(\"@azure/arm-privatedns\");\n\
                 const credential = new ClientSecretCredential(\"{TENANT}\", \"any\", \"any\",\n\
                 \x20 {{ authorityHost: \"https://{api}\", disableInstanceDiscovery: true }});\n\
                 const client = new PrivateDnsManagementClient(credential, \"{subscription}\", {{ endpoint: \"https://{api}\" }});\n"
            ),
            Client::Go => format!(
                "# SSL_CERT_FILE='{ca}' AZURE_ENVIRONMENT=AZURESTACKCLOUD AZURE_ENVIRONMENT_FILEPATH=env.json; env.json is:\n\
                 {{\"name\": \"AzureStackCloud\", \"resourceManagerEndpoint\": \"https://{api}/\",\n\
                 \x20\"activeDirectoryEndpoint\": \"https://{api}/\", \"tokenAudience\": \"https://management.azure.com/\",\n\
                 \x20\"serviceManagementEndpoint\": \"https://management.core.windows.net/\"}}\n"
            ),
            Client::Terraform => format!(
                "# SSL_CERT_FILE='{ca}' ARM_TENANT_ID={TENANT} ARM_SUBSCRIPTION_ID={subscription}\n\
                 # ARM_CLIENT_ID=any ARM_CLIENT_SECRET=any GO_AZURE_SDK_SKIP_POLLING_DELAY=true\n\
                 provider \"azurerm\" {{\n\
                 \x20 features {{}}\n\
                 \x20 metadata_host = \"{api}\"\n\
                 }}\n\
                 provider \"azapi\" {{\n\
                 \x20 endpoint = [{{\n\
                 \x20   resource_manager_endpoint       = \"https://{api}\"\n\
                 \x20   active_directory_authority_host = \"https://{api}\"\n\
                 \x20   resource_manager_audience       = \"https://management.azure.com/\"\n\
                 \x20 }}]\n\
                 \x20 disable_instance_discovery = true\n\
                 }}\n"
            ),
            Client::Octodns => format!(
                "# REQUESTS_CA_BUNDLE='{ca}'; create the zone first: the provider cannot\n\
                 providers:\n\
                 \x20 vnetdns:\n\
                 \x20   class: octodns_azure.AzurePrivateProvider\n\
                 \x20   client_id: any\n\
                 \x20   key: any\n\
                 \x20   directory_id: adfs\n\
                 \x20   sub_id: {subscription}\n\
                 \x20   resource_group: rg\n\
                 \x20   authority: https://{api}\n\
                 \x20   base_url: https://{api}\n\
                 \x20   client_total_retries: 1\n"
            ),
            Client::Curl => format!(
                "curl --cacert '{ca}' 'https://{api}/subscriptions/{subscription}/providers/Microsoft.Network/privateDnsZones\
                 ?api-version=2024-06-01'\n"
            ),
        };
        print(&text)?;
        Ok(ExitCode::SUCCESS)
    }
}

//! The settings of each client, in the syntax of the client or of a shell.

use std::net::SocketAddr;
use std::path::Path;

use clap::ValueEnum;

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Client {
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
    /// The collection azure.azcollection, by way of the proxy
    Ansible,
    /// octodns-azure, AzurePrivateProvider
    Octodns,
    /// Requests by hand
    Curl,
}

/// An arbitrary tenant ID.
const TENANT: &str = "00000000-0000-0000-0000-000000000001";

/// Text in single quotes, as a POSIX shell reads it.
pub(super) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

impl Client {
    /// The settings for the API at `api`; the file `ca` holds the certificate of its authority.
    pub(super) fn settings(self, api: &str, ca: &Path, subscription: &str, proxy: SocketAddr) -> String {
        let ca = ca.display().to_string();
        // Python, JavaScript and JSON write such a text in the same way.
        let ca_text = serde_json::Value::from(ca.as_str());
        let ca = quoted(&ca);
        match self {
            Self::Az => format!(
                "export AZURE_CONFIG_DIR=\"$PWD/vnetdns-az\" REQUESTS_CA_BUNDLE={ca} AZURE_CORE_INSTANCE_DISCOVERY=false\n\
                 az cloud register -n vnetdns --endpoint-resource-manager https://{api}/\n\
                 az cloud set -n vnetdns\n\
                 az login --service-principal -u any -p any --tenant {TENANT}\n\
                 az account set --subscription {subscription}\n"
            ),
            Self::Python => format!(
                "import os\n\
                 os.environ[\"REQUESTS_CA_BUNDLE\"] = {ca_text}\n\
                 from azure.identity import ClientSecretCredential\n\
                 from azure.mgmt.privatedns import PrivateDnsManagementClient\n\
                 credential = ClientSecretCredential(\"{TENANT}\", \"any\", \"any\", authority=\"https://{api}\",\n\
                 \x20                                    disable_instance_discovery=True)\n\
                 client = PrivateDnsManagementClient(credential, \"{subscription}\", base_url=\"https://{api}\",\n\
                 \x20                                   credential_scopes=[\"https://management.azure.com/.default\"])\n"
            ),
            Self::Node => format!(
                "// NODE_EXTRA_CA_CERTS={ca}\n\
                 const {{ ClientSecretCredential }} = require(\"@azure/identity\");\n\
                 const {{ PrivateDnsManagementClient }} = require(\"@azure/arm-privatedns\");\n\
                 const credential = new ClientSecretCredential(\"{TENANT}\", \"any\", \"any\",\n\
                 \x20 {{ authorityHost: \"https://{api}\", disableInstanceDiscovery: true }});\n\
                 const client = new PrivateDnsManagementClient(credential, \"{subscription}\", {{ endpoint: \"https://{api}\" }});\n"
            ),
            Self::Go => format!(
                "# SSL_CERT_FILE={ca} AZURE_ENVIRONMENT=AZURESTACKCLOUD AZURE_ENVIRONMENT_FILEPATH=env.json\n\
                 # AZURE_TENANT_ID={TENANT} AZURE_CLIENT_ID=any AZURE_CLIENT_SECRET=any; env.json is:\n\
                 {{\"name\": \"AzureStackCloud\", \"resourceManagerEndpoint\": \"https://{api}/\",\n\
                 \x20\"activeDirectoryEndpoint\": \"https://{api}/\", \"tokenAudience\": \"https://management.azure.com/\",\n\
                 \x20\"serviceManagementEndpoint\": \"https://management.core.windows.net/\"}}\n"
            ),
            Self::Terraform => format!(
                "# SSL_CERT_FILE={ca} ARM_TENANT_ID={TENANT} ARM_SUBSCRIPTION_ID={subscription}\n\
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
            Self::Ansible => format!(
                "# With hosts = [\"management.azure.com\", \"login.microsoftonline.com\"] in [management], and while\n\
                 # vnetdns clients --transparent --proxy {proxy} --api {api} --ca {ca} runs\n\
                 export HTTPS_PROXY=http://{proxy} REQUESTS_CA_BUNDLE={ca}\n\
                 export AZURE_TENANT={TENANT} AZURE_CLIENT_ID=any AZURE_SECRET=any AZURE_SUBSCRIPTION_ID={subscription}\n"
            ),
            Self::Octodns => format!(
                "# REQUESTS_CA_BUNDLE={ca}; create the zone first: the provider cannot\n\
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
            Self::Curl => format!(
                "curl --cacert {ca} 'https://{api}/subscriptions/{subscription}/providers/Microsoft.Network/privateDnsZones\
                 ?api-version=2024-06-01'\n"
            ),
        }
    }
}

//! Resources that can have private endpoints: their types in azurerm, and the attributes with their names.

use std::collections::HashSet;
use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use super::super::Place;
use super::collected::{Collected, Said, Standing};
use super::dns::{each, members};
use super::network;
use super::values::{Body, Values};
use crate::azure::Catalogue;

/// A type of azurerm and its counterpart in Azure Resource Manager.
pub(super) struct Service {
    terraform: &'static str,
    pub(super) arm: &'static str,
    /// Pairs of an attribute (`block.attribute` for a block that occurs once) and a member of `properties`.
    attributes: &'static [(&'static str, &'static str)],
}

const fn service(
    terraform: &'static str,
    arm: &'static str,
    attributes: &'static [(&'static str, &'static str)],
) -> Service {
    Service { terraform, arm, attributes }
}

const FQDN: &[(&str, &str)] = &[("fqdn", "fullyQualifiedDomainName")];
const ENDPOINT: &[(&str, &str)] = &[("endpoint", "endpoint")];
const HOST_NAME: &[(&str, &str)] = &[("hostname", "hostName")];
const SITE: &[(&str, &str)] = &[("default_hostname", "defaultHostName"), ("default_site_hostname", "defaultHostName")];
const STATIC_SITE: &[(&str, &str)] = &[("default_host_name", "defaultHostname")];
const HDINSIGHT: &str = "Microsoft.HDInsight/clusters";
const SITES: &str = "Microsoft.Web/sites";
const SLOTS: &str = "Microsoft.Web/sites/slots";
const REDIS_ENTERPRISE: &str = "Microsoft.Cache/redisEnterprise";
const MACHINE_LEARNING: &str = "Microsoft.MachineLearningServices/workspaces";
const WORKSPACE: &[(&str, &str)] = &[("workspace_id", "workspaceId"), ("discovery_url", "discoveryUrl")];
const ACCOUNT: &[(&str, &str)] = &[("endpoint", "endpoint"), ("custom_subdomain_name", "customSubDomainName")];

/// Sorted by ARM type. Of a catalogue type that is missing here, only the ID is used.
const SERVICES: &[Service] = &[
    service("azurerm_api_management", "Microsoft.ApiManagement/service", &[("gateway_url", "gatewayUrl")]),
    service(
        "azurerm_container_app_environment",
        "Microsoft.App/managedEnvironments",
        &[
            ("default_domain", "defaultDomain"),
            ("static_ip_address", "staticIp"),
            ("infrastructure_subnet_id", "vnetConfiguration.infrastructureSubnetId"),
            ("internal_load_balancer_enabled", "vnetConfiguration.internal"),
        ],
    ),
    service("azurerm_app_configuration", "Microsoft.AppConfiguration/configurationStores", ENDPOINT),
    service(
        "azurerm_attestation_provider",
        "Microsoft.Attestation/attestationProviders",
        &[("attestation_uri", "attestUri")],
    ),
    service("azurerm_resource_management_private_link", "Microsoft.Authorization/resourceManagementPrivateLinks", &[]),
    service(
        "azurerm_automation_account",
        "Microsoft.Automation/automationAccounts",
        &[("hybrid_service_url", "automationHybridServiceUrl")],
    ),
    service("azurerm_batch_account", "Microsoft.Batch/batchAccounts", &[("account_endpoint", "accountEndpoint")]),
    service("azurerm_bot_channels_registration", "Microsoft.BotService/botServices", &[]),
    service("azurerm_bot_service_azure_bot", "Microsoft.BotService/botServices", &[]),
    service("azurerm_bot_web_app", "Microsoft.BotService/botServices", &[]),
    service("azurerm_redis_cache", "Microsoft.Cache/redis", HOST_NAME),
    service("azurerm_managed_redis", REDIS_ENTERPRISE, HOST_NAME),
    service("azurerm_redis_enterprise_cluster", REDIS_ENTERPRISE, HOST_NAME),
    service("azurerm_ai_services", "Microsoft.CognitiveServices/accounts", ACCOUNT),
    service("azurerm_cognitive_account", "Microsoft.CognitiveServices/accounts", ACCOUNT),
    service("azurerm_disk_access", "Microsoft.Compute/diskAccesses", &[]),
    service(
        "azurerm_container_registry",
        "Microsoft.ContainerRegistry/registries",
        &[
            ("login_server", "loginServer"),
            ("data_endpoint_enabled", "dataEndpointEnabled"),
            ("data_endpoint_host_names", "dataEndpointHostNames"),
        ],
    ),
    service(
        "azurerm_kubernetes_cluster",
        "Microsoft.ContainerService/managedClusters",
        &[
            ("fqdn", "fqdn"),
            ("private_fqdn", "privateFQDN"),
            ("dns_prefix", "dnsPrefix"),
            ("dns_prefix_private_cluster", "fqdnSubdomain"),
            ("node_resource_group", "nodeResourceGroup"),
            ("private_cluster_enabled", "apiServerAccessProfile.enablePrivateCluster"),
            ("private_cluster_public_fqdn_enabled", "apiServerAccessProfile.enablePrivateClusterPublicFQDN"),
            ("private_dns_zone_id", "apiServerAccessProfile.privateDNSZone"),
        ],
    ),
    service("azurerm_mariadb_server", "Microsoft.DBforMariaDB/servers", FQDN),
    service(
        "azurerm_mysql_flexible_server",
        "Microsoft.DBforMySQL/flexibleServers",
        &[
            ("fqdn", "fullyQualifiedDomainName"),
            ("delegated_subnet_id", "network.delegatedSubnetResourceId"),
            ("private_dns_zone_id", "network.privateDnsZoneResourceId"),
        ],
    ),
    service("azurerm_mysql_server", "Microsoft.DBforMySQL/servers", FQDN),
    service(
        "azurerm_postgresql_flexible_server",
        "Microsoft.DBforPostgreSQL/flexibleServers",
        &[
            ("fqdn", "fullyQualifiedDomainName"),
            ("delegated_subnet_id", "network.delegatedSubnetResourceId"),
            ("private_dns_zone_id", "network.privateDnsZoneArmResourceId"),
        ],
    ),
    service("azurerm_cosmosdb_postgresql_cluster", "Microsoft.DBforPostgreSQL/serverGroupsv2", &[]),
    service("azurerm_postgresql_server", "Microsoft.DBforPostgreSQL/servers", FQDN),
    service("azurerm_dashboard_grafana", "Microsoft.Dashboard/grafana", ENDPOINT),
    service(
        "azurerm_databricks_workspace",
        "Microsoft.Databricks/workspaces",
        &[
            ("workspace_url", "workspaceUrl"),
            ("workspace_id", "workspaceId"),
            ("custom_parameters.virtual_network_id", "parameters.customVirtualNetworkId.value"),
        ],
    ),
    service("azurerm_data_factory", "Microsoft.DataFactory/factories", &[]),
    service("azurerm_virtual_desktop_host_pool", "Microsoft.DesktopVirtualization/hostPools", &[]),
    service("azurerm_virtual_desktop_workspace", "Microsoft.DesktopVirtualization/workspaces", &[]),
    service("azurerm_iothub_device_update_account", "Microsoft.DeviceUpdate/accounts", &[("host_name", "hostName")]),
    service("azurerm_iothub", "Microsoft.Devices/IotHubs", HOST_NAME),
    service(
        "azurerm_iothub_dps",
        "Microsoft.Devices/provisioningServices",
        &[
            ("service_operations_host_name", "serviceOperationsHostName"),
            ("device_provisioning_host_name", "deviceProvisioningHostName"),
        ],
    ),
    service(
        "azurerm_digital_twins_instance",
        "Microsoft.DigitalTwins/digitalTwinsInstances",
        &[("host_name", "hostName")],
    ),
    service("azurerm_cosmosdb_account", "Microsoft.DocumentDB/databaseAccounts", &[("endpoint", "documentEndpoint")]),
    service("azurerm_mongo_cluster", "Microsoft.DocumentDB/mongoClusters", &[]),
    service("azurerm_elastic_san", "Microsoft.ElasticSan/elasticSans", &[]),
    service("azurerm_eventgrid_domain", "Microsoft.EventGrid/domains", ENDPOINT),
    service("azurerm_eventgrid_namespace", "Microsoft.EventGrid/namespaces", &[]),
    service("azurerm_eventgrid_partner_namespace", "Microsoft.EventGrid/partnerNamespaces", ENDPOINT),
    service("azurerm_eventgrid_topic", "Microsoft.EventGrid/topics", ENDPOINT),
    service("azurerm_eventhub_namespace", "Microsoft.EventHub/namespaces", &[]),
    service("azurerm_hdinsight_hadoop_cluster", HDINSIGHT, &[]),
    service("azurerm_hdinsight_hbase_cluster", HDINSIGHT, &[]),
    service("azurerm_hdinsight_interactive_query_cluster", HDINSIGHT, &[]),
    service("azurerm_hdinsight_kafka_cluster", HDINSIGHT, &[]),
    service("azurerm_hdinsight_spark_cluster", HDINSIGHT, &[]),
    service("azurerm_healthcare_workspace", "Microsoft.HealthcareApis/workspaces", &[]),
    service("azurerm_arc_private_link_scope", "Microsoft.HybridCompute/privateLinkScopes", &[]),
    service(
        "azurerm_application_insights",
        "Microsoft.Insights/components",
        &[("app_id", "AppId"), ("workspace_id", "WorkspaceResourceId")],
    ),
    service(
        "azurerm_monitor_data_collection_endpoint",
        "Microsoft.Insights/dataCollectionEndpoints",
        &[
            ("configuration_access_endpoint", "configurationAccess.endpoint"),
            ("logs_ingestion_endpoint", "logsIngestion.endpoint"),
            ("metrics_ingestion_endpoint", "metricsIngestion.endpoint"),
        ],
    ),
    service("azurerm_iotcentral_application", "Microsoft.IoTCentral/iotApps", &[("sub_domain", "subdomain")]),
    service(
        "azurerm_key_vault_managed_hardware_security_module",
        "Microsoft.KeyVault/managedHSMs",
        &[("hsm_uri", "hsmUri")],
    ),
    service("azurerm_key_vault", "Microsoft.KeyVault/vaults", &[("vault_uri", "vaultUri")]),
    service(
        "azurerm_kusto_cluster",
        "Microsoft.Kusto/clusters",
        &[
            ("uri", "uri"),
            ("data_ingestion_uri", "dataIngestionUri"),
            ("virtual_network_configuration.subnet_id", "virtualNetworkConfiguration.subnetId"),
        ],
    ),
    service("azurerm_ai_foundry", MACHINE_LEARNING, WORKSPACE),
    service("azurerm_machine_learning_workspace", MACHINE_LEARNING, WORKSPACE),
    service("azurerm_maps_account", "Microsoft.Maps/accounts", &[("x_ms_client_id", "uniqueId")]),
    service("azurerm_media_services_account", "Microsoft.Media/mediaServices", &[]),
    service(
        "azurerm_monitor_workspace",
        "Microsoft.Monitor/accounts",
        &[("query_endpoint", "metrics.prometheusQueryEndpoint")],
    ),
    service(
        "azurerm_log_analytics_workspace",
        "Microsoft.OperationalInsights/workspaces",
        &[("workspace_id", "customerId")],
    ),
    service(
        "azurerm_purview_account",
        "Microsoft.Purview/accounts",
        &[
            ("catalog_endpoint", "endpoints.catalog"),
            ("guardian_endpoint", "endpoints.guardian"),
            ("scan_endpoint", "endpoints.scan"),
        ],
    ),
    service("azurerm_recovery_services_vault", "Microsoft.RecoveryServices/vaults", &[]),
    service("azurerm_relay_namespace", "Microsoft.Relay/namespaces", &[]),
    service("azurerm_search_service", "Microsoft.Search/searchServices", &[]),
    service("azurerm_servicebus_namespace", "Microsoft.ServiceBus/namespaces", &[("endpoint", "serviceBusEndpoint")]),
    service("azurerm_signalr_service", "Microsoft.SignalRService/signalR", HOST_NAME),
    service("azurerm_web_pubsub", "Microsoft.SignalRService/webPubSub", HOST_NAME),
    service(
        "azurerm_mssql_managed_instance",
        "Microsoft.Sql/managedInstances",
        &[("fqdn", "fullyQualifiedDomainName"), ("subnet_id", "subnetId")],
    ),
    service(
        "azurerm_mssql_server",
        "Microsoft.Sql/servers",
        &[("fully_qualified_domain_name", "fullyQualifiedDomainName")],
    ),
    service(
        "azurerm_sql_server",
        "Microsoft.Sql/servers",
        &[("fully_qualified_domain_name", "fullyQualifiedDomainName")],
    ),
    service(
        "azurerm_storage_account",
        "Microsoft.Storage/storageAccounts",
        &[
            ("primary_blob_endpoint", "primaryEndpoints.blob"),
            ("primary_dfs_endpoint", "primaryEndpoints.dfs"),
            ("primary_file_endpoint", "primaryEndpoints.file"),
            ("primary_queue_endpoint", "primaryEndpoints.queue"),
            ("primary_table_endpoint", "primaryEndpoints.table"),
            ("primary_web_endpoint", "primaryEndpoints.web"),
            ("secondary_blob_endpoint", "secondaryEndpoints.blob"),
            ("secondary_dfs_endpoint", "secondaryEndpoints.dfs"),
            ("secondary_file_endpoint", "secondaryEndpoints.file"),
            ("secondary_queue_endpoint", "secondaryEndpoints.queue"),
            ("secondary_table_endpoint", "secondaryEndpoints.table"),
            ("secondary_web_endpoint", "secondaryEndpoints.web"),
            ("dns_endpoint_type", "dnsEndpointType"),
        ],
    ),
    service("azurerm_storage_sync", "Microsoft.StorageSync/storageSyncServices", &[]),
    service("azurerm_synapse_private_link_hub", "Microsoft.Synapse/privateLinkHubs", &[]),
    service(
        "azurerm_synapse_workspace",
        "Microsoft.Synapse/workspaces",
        &[("connectivity_endpoints", "connectivityEndpoints")],
    ),
    service("azurerm_video_indexer_account", "Microsoft.VideoIndexer/accounts", &[]),
    service("azurerm_app_service_environment_v3", "Microsoft.Web/hostingEnvironments", &[("dns_suffix", "dnsSuffix")]),
    service("azurerm_app_service", SITES, SITE),
    service("azurerm_function_app", SITES, SITE),
    service("azurerm_function_app_flex_consumption", SITES, SITE),
    service("azurerm_linux_function_app", SITES, SITE),
    service("azurerm_linux_web_app", SITES, SITE),
    service("azurerm_logic_app_standard", SITES, SITE),
    service("azurerm_windows_function_app", SITES, SITE),
    service("azurerm_windows_web_app", SITES, SITE),
    service("azurerm_app_service_slot", SLOTS, SITE),
    service("azurerm_function_app_slot", SLOTS, SITE),
    service("azurerm_linux_function_app_slot", SLOTS, SITE),
    service("azurerm_linux_web_app_slot", SLOTS, SITE),
    service("azurerm_windows_function_app_slot", SLOTS, SITE),
    service("azurerm_windows_web_app_slot", SLOTS, SITE),
    service("azurerm_static_site", "Microsoft.Web/staticSites", STATIC_SITE),
    service("azurerm_static_web_app", "Microsoft.Web/staticSites", STATIC_SITE),
];

pub(super) fn of_terraform(terraform: &str) -> Option<&'static Service> {
    SERVICES.iter().find(|service| service.terraform == terraform)
}

/// The members of `properties` that affect the names of a type.
pub(super) fn members_of(kind: &str) -> impl Iterator<Item = &'static str> {
    let services = SERVICES.iter().filter(move |service| service.arm.eq_ignore_ascii_case(kind));
    services.flat_map(|service| service.attributes).map(|(_, member)| *member)
}

/// Whether the catalogue has a type.
pub(super) fn is_catalogued(kind: &str) -> bool {
    static TYPES: LazyLock<HashSet<String>> = LazyLock::new(|| {
        let catalogue = Catalogue::embedded();
        catalogue.services().iter().map(|service| service.resource_type.to_ascii_lowercase()).collect()
    });
    TYPES.contains(&kind.to_ascii_lowercase())
}

pub(super) fn add(
    id: &str,
    service: &Service,
    values: Values<'_>,
    standing: Standing,
    place: &Place,
    collected: &mut Collected,
) {
    let mut body = Body::default().with("publicNetworkAccess", public_network_access(values));
    for (attribute, member) in service.attributes {
        let value = match attribute.split_once('.') {
            Some((block, attribute)) => values.block(block).get(attribute),
            None => values.get(attribute),
        };
        if let Some(value) = value.json() {
            body.set(member, Some(value));
        }
    }
    match service.terraform {
        "azurerm_cosmosdb_account" => {
            let locations = each(values.get("geo_location"), |place| {
                members(place, &[("location", "locationName"), ("failover_priority", "failoverPriority")])
            });
            body.set("locations", locations);
            body.set(
                "capabilities",
                each(values.get("capabilities"), |capability| members(capability, &[("name", "name")])),
            );
        }
        "azurerm_cosmosdb_postgresql_cluster" => {
            body.set("serverNames", each(values.get("servers"), |server| members(server, FQDN)));
        }
        "azurerm_container_registry" => {
            for location in network::replications(values) {
                let name: String =
                    location.chars().filter(|letter| *letter != ' ').collect::<String>().to_ascii_lowercase();
                let said = Said { location: Some(location), properties: json!({}), ..Said::default() };
                collected.add(&format!("{id}/replications/{name}"), standing, said, place);
            }
        }
        _ => {}
    }
    let location = values.get("location").text().map(str::to_owned);
    collected.add(id, standing, Said { location, properties: body.json(), extra: extra(values) }, place);
}

fn public_network_access(values: Values<'_>) -> Option<Value> {
    let enabled = values.get("public_network_access_enabled");
    match enabled.flag() {
        Some(enabled) => Some(json!(if enabled { "Enabled" } else { "Disabled" })),
        None => values.get("public_network_access").json().or_else(|| enabled.json()),
    }
}

/// `kind` and `sku`, under whichever of azurerm's names.
fn extra(values: Values<'_>) -> Map<String, Value> {
    let tier = values.get("account_tier").text().zip(values.get("account_replication_type").text());
    let sku = values.get("sku_name").json().or_else(|| values.get("sku").text().map(|sku| json!(sku)));
    let sku =
        sku.or_else(|| values.block("sku").get("name").json()).or_else(|| tier.map(|(a, b)| json!(format!("{a}_{b}"))));
    let kind = values.get("kind").json().or_else(|| values.get("account_kind").json());
    Body::default().with("kind", kind).with("sku.name", sku).0
}

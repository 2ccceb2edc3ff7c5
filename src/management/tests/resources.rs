//! What each kind of resources is, and what DNS makes of it.

use serde_json::json;

use super::{Lab, S, addresses};
use crate::config::ManagementMode::{Azure, Fast};

fn zone() -> String {
    format!("{S}/resourceGroups/rg/providers/Microsoft.Network/privateDnsZones/corp.test")
}

fn network(name: &str) -> String {
    format!("{S}/resourceGroups/net/providers/Microsoft.Network/virtualNetworks/{name}")
}

async fn with_zone() -> Lab {
    let lab = Lab::new(Fast);
    assert_eq!(lab.put(&format!("{S}/resourcegroups/rg"), json!({"location": "westeurope"})).await.status, 201);
    let made = lab.put(&zone(), json!({"location": "global"})).await;
    assert_eq!(made.status, 201, "{made:?}");
    lab
}

#[tokio::test(flavor = "multi_thread")]
async fn a_linked_client_sees_what_was_put_and_nobody_else() {
    let lab = with_zone().await;
    let set = format!("{}/A/web", zone());
    let put = lab.put(&set, addresses(&["10.0.0.4", "10.0.0.1"])).await;
    assert_eq!(put.status, 201, "{put:?}");
    let link = json!({"location": "global", "properties": {"virtualNetwork": {"id": network("HUB")}}});
    let linked = lab.put(&format!("{}/virtualNetworkLinks/l", zone()), link).await;
    assert_eq!(linked.status, 201, "{linked:?}");
    assert_eq!(linked.body["properties"]["virtualNetwork"]["id"], network("HUB"), "in the client's letters");
    let all = ["10.0.0.1", "10.0.0.4"].map(str::to_owned).to_vec();
    assert_eq!(lab.dig(Some("hub"), "web.corp.test", "A"), ("NOERROR".to_owned(), all));
    assert_eq!(lab.dig(Some("hub"), "no.corp.test", "A").0, "NXDOMAIN");
    for other in [Some("spoke"), None] {
        assert_eq!(lab.dig(other, "web.corp.test", "A"), ("REFUSED".to_owned(), Vec::new()), "{other:?}");
    }
    assert_eq!(lab.put(&set, addresses(&["10.0.0.9"])).await.status, 200);
    assert_eq!(lab.dig(Some("hub"), "web.corp.test", "A").1, ["10.0.0.9"]);
    assert_eq!(lab.delete(&set).await.status, 200);
    assert_eq!(lab.delete(&set).await.status, 204);
    assert_eq!(lab.dig(Some("hub"), "web.corp.test", "A").0, "NXDOMAIN");
    assert_eq!(lab.delete(&zone()).await.status, 409, "it has a link");
    assert_eq!(lab.delete(&format!("{}/virtualNetworkLinks/l", zone())).await.status, 200);
    assert_eq!(lab.delete(&zone()).await.status, 200);
    assert_eq!(lab.get(&zone()).await.status, 404);
    assert_eq!(lab.dig(Some("hub"), "web.corp.test", "A").0, "REFUSED");
}

/// As `az storage account create` asks before it makes one.
#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_everybody_shares_is_free_or_taken() {
    let lab = with_zone().await;
    let path = format!("{S}/providers/Microsoft.Storage/checkNameAvailability");
    let asked = |name: &str| json!({"name": name, "type": "Microsoft.Storage/storageAccounts"});
    let free = lab.post(&path, asked("contosodata")).await;
    assert_eq!((free.status, &free.body), (hyper::StatusCode::OK, &json!({"nameAvailable": true})));
    let account = format!("{S}/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/contosodata");
    let made = lab.put(&account, json!({"location": "westeurope", "sku": {"name": "Standard_LRS"}})).await;
    assert_eq!(made.status, 200, "the clients of Azure Storage do not take 201");
    let taken = lab.post(&path, asked("ContosoData")).await.body;
    assert_eq!((&taken["nameAvailable"], &taken["reason"]), (&json!(false), &json!("AlreadyExists")), "{taken}");
}

#[tokio::test(flavor = "multi_thread")]
async fn values_come_back_as_they_were_sent() {
    let lab = with_zone().await;
    for (path, properties) in [
        ("AAAA/six", json!({"ttl": 5, "aaaaRecords": [{"ipv6Address": "fd00:20:0:0::10"}]})),
        ("CNAME/www", json!({"ttl": 5, "cnameRecord": {"cname": "Web.Corp.test."}})),
        ("A/order", json!({"ttl": 0, "aRecords": [{"ipv4Address": "10.0.0.9"}, {"ipv4Address": "10.0.0.1"}]})),
        ("TXT/text", json!({"ttl": 5, "txtRecords": [{"value": ["one", "two"]}], "metadata": {"k": "v"}})),
    ] {
        let path = format!("{}/{path}", zone());
        let put = lab.put(&path, json!({"properties": properties, "name": "another"})).await;
        assert_eq!(put.status, 201, "{put:?}");
        let got = lab.get(&path).await;
        for (name, value) in properties.as_object().unwrap() {
            assert_eq!(got.body["properties"][name], *value, "{path}");
        }
        assert_eq!(got.body["etag"], got.header("etag").unwrap());
        assert_eq!(got.body, put.body);
    }
    let soa = json!({"properties": {"ttl": 60, "soaRecord": {"email": "me@corp.test", "minimumTtl": 5}}});
    let put = lab.put(&format!("{}/SOA/@", zone()), soa).await;
    assert_eq!((put.status.as_u16(), &put.body["properties"]["soaRecord"]["email"]), (200, &json!("me@corp.test")));
    assert_eq!(lab.delete(&format!("{}/SOA/@", zone())).await.status, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_refused_in_azures_words() {
    let lab = with_zone().await;
    let check = async |method: &str, path: &str, body: serde_json::Value, status: u16, code: &str| {
        let answer = lab.ask(method, &format!("{path}?api-version=2024-06-01"), &[], Some(&body)).await;
        let said = answer.body["code"].as_str().or_else(|| answer.body["error"]["code"].as_str());
        assert_eq!((answer.status.as_u16(), said), (status, Some(code)), "{method} {path}: {answer:?}");
    };
    let set = |path: &str| format!("{}/{path}", zone());
    let elsewhere = zone().replace("/rg/", "/none/");
    check("PUT", &elsewhere, json!({}), 404, "ResourceGroupNotFound").await;
    check("GET", &set("A/none"), json!({}), 404, "ResourceNotFound").await;
    check("PUT", &zone().replace("corp.test", "a..b"), json!({}), 400, "BadRequest").await;
    check("PUT", &zone().replace("corp.test", "test"), json!({}), 400, "BadRequest").await;
    check("PUT", &format!("{}x/A/web", zone()), addresses(&["10.0.0.1"]), 404, "ParentResourceNotFound").await;
    check("PUT", &set("A/web"), addresses(&["10.0.0.999"]), 400, "BadRequest").await;
    check("PUT", &set("A/web"), json!({"properties": {"ttl": 2_147_483_648_u64}}), 400, "BadRequest").await;
    check("PUT", &set("A/a..b"), addresses(&["10.0.0.1"]), 400, "BadRequest").await;
    check("PUT", &set("NS/sub"), json!({}), 404, "InvalidResourceType").await;
    check("PUT", &set("SOA/web"), json!({}), 400, "BadRequest").await;
    assert_eq!(lab.put(&set("A/web"), addresses(&["10.0.0.1"])).await.status, 201);
    let alias = json!({"properties": {"ttl": 5, "cnameRecord": {"cname": "a.test"}}});
    check("PUT", &set("CNAME/web"), alias.clone(), 409, "Conflict").await;
    assert_eq!(lab.put(&set("CNAME/www"), alias).await.status, 201);
    check("PUT", &set("A/WWW"), addresses(&["10.0.0.1"]), 409, "Conflict").await;
    let twenty_one: Vec<_> = (1..=21).map(|last| format!("10.0.0.{last}")).collect();
    let twenty_one: Vec<_> = twenty_one.iter().map(String::as_str).collect();
    check("PUT", &set("A/many"), addresses(&twenty_one), 400, "BadRequest").await;
    let link = json!({"properties": {"virtualNetwork": {"id": network("nowhere")}}});
    check("PUT", &set("virtualNetworkLinks/l"), link, 400, "BadRequest").await;
    check("PATCH", &set("A/none"), json!({}), 404, "ResourceNotFound").await;
    let no_version = lab.ask("GET", &zone(), &[], None).await;
    assert_eq!(
        (no_version.status.as_u16(), no_version.body["error"]["code"].as_str()),
        (400, Some("MissingApiVersionParameter"))
    );
    let not_json = lab.ask("PUT", &format!("{}?api-version=2024-06-01", set("A/x")), &[], Some(&json!([]))).await;
    assert_eq!(not_json.status, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_paged_and_every_set_is_in_them_once() {
    let lab = with_zone().await;
    for number in 0..7 {
        assert_eq!(lab.put(&format!("{}/A/h{number}", zone()), addresses(&["10.0.0.1"])).await.status, 201);
    }
    assert_eq!(lab.put(&format!("{}/TXT/h0", zone()), json!({"properties": {"ttl": 5}})).await.status, 201);
    let list = async |path: &str, query: &str| {
        let (mut uri, mut ids, mut pages) = (format!("{path}?api-version=2024-06-01{query}"), Vec::new(), 0);
        loop {
            let page = lab.ask("GET", &uri, &[], None).await;
            assert_eq!(page.status, 200, "{page:?}");
            let value = page.body["value"].as_array().unwrap();
            let ids_of_page = value.iter().filter_map(|set| set["id"].as_str()?.split_once("corp.test"));
            ids.extend(ids_of_page.map(|(_, behind)| behind.to_owned()));
            pages += 1;
            let Some(next) = page.body["nextLink"].as_str() else { return (ids, pages) };
            uri = next.strip_prefix("https://127.0.0.1:8443").expect("it is absolute").to_owned();
        }
    };
    let hosts: Vec<_> = (0..7).map(|number| format!("/A/h{number}")).collect();
    assert_eq!(list(&format!("{}/a", zone()), "&%24top=3").await, (hosts.clone(), 3));
    let (all, pages) = list(&format!("{}/aLL", zone()), "&$top=4").await;
    assert_eq!((all.len(), pages, all[0].as_str()), (9, 3, "/SOA/@"));
    assert_eq!(list(&format!("{}/ALL", zone()), "&$recordsetnamesuffix=0").await.0, ["/A/h0", "/TXT/h0"]);
    assert_eq!(list(&zone().replace("/corp.test", ""), "").await, (vec![String::new()], 1));
    let everywhere = format!("{S}/providers/Microsoft.Network/privateDnsZones");
    assert_eq!(list(&everywhere, "").await.0.len(), 1);
    assert_eq!(lab.get(&zone()).await.body["properties"]["numberOfRecordSets"], 9);
    assert_eq!(lab.ask("GET", &format!("{}/ALL?api-version=2024-06-01&$top=0", zone()), &[], None).await.status, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_clients_with_one_etag_one_wins() {
    let lab = with_zone().await;
    let path = format!("{}/A/web", zone());
    let etag = lab.put(&path, addresses(&["10.0.0.1"])).await.body["etag"].as_str().unwrap().to_owned();
    let uri = format!("{path}?api-version=2024-06-01");
    let quoted = format!("\"{etag}\"");
    let (bare, quoted) = ([("If-Match", etag.as_str())], [("If-Match", quoted.as_str())]);
    let bodies = [addresses(&["10.0.0.2"]), addresses(&["10.0.0.3"])];
    let (one, other) =
        tokio::join!(lab.ask("PUT", &uri, &bare, Some(&bodies[0])), lab.ask("PUT", &uri, &quoted, Some(&bodies[1])),);
    let mut statuses = [one.status.as_u16(), other.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 412]);
    assert_eq!(lab.ask("DELETE", &uri, &[("If-Match", &etag)], None).await.status, 412);
    assert_eq!(lab.ask("PUT", &uri, &[("If-None-Match", "*")], Some(&addresses(&[]))).await.status, 412);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_goes_with_all_that_is_in_it() {
    let lab = with_zone().await;
    assert_eq!(lab.put(&format!("{}/A/web", zone()), addresses(&["10.0.0.1"])).await.status, 201);
    let link = json!({"properties": {"virtualNetwork": {"id": network("hub")}}});
    assert_eq!(lab.put(&format!("{}/virtualNetworkLinks/l", zone()), link).await.status, 201);
    let group = format!("{S}/resourceGroups/RG");
    let resources = lab.get(&format!("{group}/resources")).await;
    assert_eq!(resources.body["value"].as_array().unwrap().len(), 1, "{resources:?}");
    let groups = lab.get(&format!("{S}/resourcegroups")).await;
    assert_eq!(groups.body["value"].as_array().unwrap().len(), 2, "{groups:?}");
    assert_eq!(lab.ask("HEAD", &format!("{group}?api-version=2022-09-01"), &[], None).await.status, 204);
    let other = lab.put(&group, json!({"location": "northeurope"})).await;
    assert_eq!(other.status, 409, "a group does not move");
    assert_eq!(lab.delete(&group).await.status, 200);
    assert_eq!(lab.get(&group).await.status, 404);
    assert_eq!(lab.dig(Some("hub"), "web.corp.test", "A").0, "REFUSED");
    assert_eq!(lab.put(&group, json!({"location": "westus"})).await.status, 201);
    assert_eq!(lab.get(&zone()).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn in_the_mode_of_azure_writes_are_operations() {
    let lab = Lab::new(Azure);
    assert_eq!(lab.put(&format!("{S}/resourceGroups/rg"), json!({"location": "westus"})).await.status, 201);
    let made = lab.put(&zone(), json!({})).await;
    assert_eq!((made.status.as_u16(), &made.body), (202, &json!({})));
    assert_eq!(made.header("retry-after"), Some("1"));
    assert_eq!(made.header("x-go-azure-sdk-skip-polling-delay"), None, "it would be polled without a pause");
    let url = made.header("azure-asyncoperation").unwrap().strip_prefix("https://127.0.0.1:8443").unwrap().to_owned();
    let pending = lab.ask("GET", &url, &[], None).await;
    assert_eq!((pending.status.as_u16(), pending.header("retry-after")), (202, Some("1")));
    lab.finish_operations();
    let done = lab.ask("GET", &url, &[], None).await;
    assert_eq!((done.status.as_u16(), &done.body), (200, &json!({"status": "Succeeded"})));
    assert_eq!(done.header("x-go-azure-sdk-skip-polling-delay"), Some("true"));
    let deleted = lab.delete(&format!("{S}/resourceGroups/rg")).await;
    assert_eq!(deleted.status, 202);
    let url = deleted.header("location").unwrap().strip_prefix("https://127.0.0.1:8443").unwrap().to_owned();
    assert_eq!(lab.ask("GET", &url, &[], None).await.status, 202);
    lab.finish_operations();
    assert_eq!(lab.ask("GET", &url, &[], None).await.status, 204);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_files_declare_is_shown_and_not_changed() {
    let lab = Lab::new(Fast);
    let zone = |name: &str| format!("{S}/resourceGroups/net/providers/Microsoft.Network/privateDnsZones/{name}");
    let shown = lab.get(&format!("{}/A/web", zone("files.test"))).await;
    assert_eq!(shown.body["properties"]["aRecords"], json!([{"ipv4Address": "10.9.0.1"}]), "{shown:?}");
    let link = lab.get(&format!("{}/virtualNetworkLinks/hub", zone("files.test"))).await;
    assert_eq!(link.body["properties"]["virtualNetwork"]["id"], network("hub"));
    let check = async |method: &str, path: String, body: serde_json::Value, line: &str| {
        let answer = lab.ask(method, &format!("{path}?api-version=2024-06-01"), &[], Some(&body)).await;
        let message = answer.body["error"]["message"].as_str().unwrap_or_default();
        assert_eq!(
            (answer.status.as_u16(), answer.body["error"]["code"].as_str()),
            (409, Some("ScopeLocked")),
            "{answer:?}"
        );
        assert!(message.contains(&format!("vnetdns.toml:{line}")), "{message}");
    };
    check("PUT", format!("{}/A/web", zone("files.test")), addresses(&["10.0.0.1"]), "15").await;
    check("DELETE", format!("{}/A/web", zone("files.test")), json!({}), "15").await;
    check("DELETE", format!("{}/virtualNetworkLinks/hub", zone("files.test")), json!({}), "14").await;
    check("PUT", format!("{}/A/new", zone("locked.test")), addresses(&["10.0.0.1"]), "18").await;
    let added = lab.put(&format!("{}/A/new", zone("files.test")), addresses(&["10.0.0.1"])).await;
    assert_eq!(added.status, 201, "a file's zone takes what no file declares: {added:?}");
    assert_eq!(lab.dig(Some("hub"), "new.files.test", "A").1, ["10.0.0.1"]);
    assert_eq!(lab.restarted().dig(Some("hub"), "new.files.test", "A").1, ["10.0.0.1"]);
    let all = lab.get(&format!("{}/ALL", zone("files.test"))).await;
    assert_eq!(all.body["value"].as_array().unwrap().len(), 3, "{all:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_owner_of_a_resource_decides_about_its_connections() {
    let lab = Lab::new(Fast);
    let group = format!("{S}/resourceGroups/rg");
    let account = format!("{group}/providers/Microsoft.Storage/storageAccounts/acct1");
    let zone = format!("{group}/providers/Microsoft.Network/privateDnsZones/privatelink.blob.core.windows.net");
    let vnet = format!("{group}/providers/Microsoft.Network/virtualNetworks/v");
    let endpoint = format!("{group}/providers/Microsoft.Network/privateEndpoints/pe");
    let put = async |path: &str, body: serde_json::Value| {
        let answer = lab.put(path, body).await;
        assert!(answer.status.is_success(), "{path}: {answer:?}");
        answer
    };
    put(&group, json!({"location": "westeurope"})).await;
    let secret =
        json!({"location": "westeurope", "properties": {"adminPassword": "hunter2", "x": {"sharedKeySecret": "s"}}});
    let kept = put(&account, secret).await;
    assert!(
        !kept.body.to_string().contains("hunter2") && !kept.body.to_string().contains("sharedKeySecret"),
        "{kept:?}"
    );
    put(
        &vnet,
        json!({"location": "westeurope", "properties": {
            "addressSpace": {"addressPrefixes": ["10.5.0.0/16"]},
            "subnets": [{"name": "s", "properties": {"addressPrefix": "10.5.1.0/24"}}],
        }}),
    )
    .await;
    put(&zone, json!({"location": "global"})).await;
    put(&format!("{zone}/virtualNetworkLinks/v"), json!({"properties": {"virtualNetwork": {"id": vnet}}})).await;
    put(
        &endpoint,
        json!({"location": "westeurope", "properties": {
            "subnet": {"id": format!("{vnet}/subnets/s")},
            "manualPrivateLinkServiceConnections": [{"name": "c", "properties": {
                "privateLinkServiceId": account, "groupIds": ["blob"], "requestMessage": "please",
            }}],
        }}),
    )
    .await;
    put(
        &format!("{endpoint}/privateDnsZoneGroups/default"),
        json!({"properties": {"privateDnsZoneConfigs": [
        {"name": "blob", "properties": {"privateDnsZoneId": zone}}]}}),
    )
    .await;
    let host = "acct1.blob.core.windows.net";
    let private = vec!["10.5.1.4".to_owned()];
    assert_ne!(lab.dig(Some("v"), host, "A").1, private, "it is pending");
    let connections = lab.get(&format!("{account}/privateEndpointConnections")).await;
    let connection = connections.body["value"][0].clone();
    assert_eq!(connection["properties"]["privateLinkServiceConnectionState"]["status"], "Pending", "{connections:?}");
    let id = connection["id"].as_str().unwrap().to_owned();
    let decide = |status: &str| json!({"properties": {"privateLinkServiceConnectionState": {"status": status, "description": "so"}}});
    assert_eq!(lab.put(&id, decide("Perhaps")).await.status, 400);
    put(&id, decide("Approved")).await;
    assert_eq!(lab.dig(Some("v"), host, "A").1, private);
    let shown = lab.get(&endpoint).await;
    let state = &shown.body["properties"]["manualPrivateLinkServiceConnections"][0]["properties"]["privateLinkServiceConnectionState"];
    assert_eq!((&state["status"], &state["description"]), (&json!("Approved"), &json!("so")));
    put(&id, decide("Rejected")).await;
    assert_ne!(lab.dig(Some("v"), host, "A").1, private);
    let again = lab.restarted();
    assert_eq!(again.dig(Some("v"), host, "A"), lab.dig(Some("v"), host, "A"));
    assert_eq!(lab.delete(&id).await.status, 200);
    assert_eq!(lab.get(&format!("{account}/privateEndpointConnections")).await.body["value"], json!([]));
    let resources = lab.get(&format!("{account}/privateLinkResources")).await;
    let zones =
        &resources.body["value"].as_array().unwrap().iter().find(|one| one["name"] == "blob").unwrap()["properties"];
    assert_eq!(zones["requiredZoneNames"], json!(["privatelink.blob.core.windows.net"]));
}

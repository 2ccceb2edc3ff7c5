//! The resources of a template: names, copies, conditions, children, deployments, parameters.

use serde_json::{Value, json};

use super::{GROUP, options, read, try_read};
use crate::import::{Options, Parameters, Read, why_unknown};

/// Resource IDs without what stands before the type.
fn ids(read: &Read) -> Vec<String> {
    let short = |id: &str| id.split("/providers/Microsoft.").last().unwrap_or(id).to_owned();
    read.resources.iter().map(|resource| short(&resource.id)).collect()
}

fn network(name: &str) -> Value {
    json!({"type": "Microsoft.Network/virtualNetworks", "name": name, "properties": {}})
}

/// "Resource iteration", "Property iteration", "Variable iteration in ARM templates".
#[test]
fn copies_make_resources_properties_and_variables() {
    let read = read(json!({
        "parameters": {"zones": {"type": "array", "defaultValue": ["tailspin.example", "wingtip.example"]}},
        "variables": {
            "copy": [{"name": "links", "count": "[length(parameters('zones'))]",
                      "input": {"name": "[concat('to-', copyIndex('links', 1))]"}}],
            "inner": {"copy": [{"name": "numbers", "count": 2, "input": "[copyIndex('numbers')]"}], "copyOf": "b"},
        },
        "resources": [
            {"type": "Microsoft.Network/privateDnsZones", "name": "[parameters('zones')[copyIndex()]]",
             "copy": {"name": "z", "count": "[length(parameters('zones'))]"}},
            {"type": "Microsoft.Network/virtualNetworks", "name": "[format('vnet-{0}', copyIndex('n', 5))]",
             "copy": {"name": "n", "count": 2, "mode": "serial", "batchSize": 1},
             "properties": {
                "inner": "[variables('inner')]",
                "links": "[variables('links')]",
                "copy": [{"name": "subnets", "count": 2,
                          "input": {"name": "[concat('snet-', copyIndex(), '-', copyIndex('subnets'))]"}}],
             }},
        ],
    }));
    assert_eq!(
        ids(&read),
        [
            "Network/privateDnsZones/tailspin.example",
            "Network/privateDnsZones/wingtip.example",
            "Network/virtualNetworks/vnet-5",
            "Network/virtualNetworks/vnet-6",
        ]
    );
    assert_eq!(
        read.resources[3].properties,
        json!({
            "inner": {"numbers": [0, 1], "copyOf": "b"},
            "links": [{"name": "to-1"}, {"name": "to-2"}],
            "subnets": [{"name": "snet-1-0"}, {"name": "snet-1-1"}],
        })
    );
    assert_eq!(read.resources[3].place.to_string(), "main.json: resources[1], copy 1");
}

/// "Set name and type for child resources"; extensions: "Scope for extension resources".
#[test]
fn children_stand_within_their_parents_or_beside_them() {
    let id = |name: &str| format!("[reference('{name}', '2024-01-01', 'Full').id]");
    let read = read(json!({"resources": [
        {"type": "Microsoft.Network/privateEndpoints", "name": "pe", "resources": [
            {"type": "privateDnsZoneGroups", "name": "default", "properties": {}},
        ], "properties": {"ids": [id("st/default/logs"), id("w"), id("x"), id("st/Microsoft.Authorization/keep")]}},
        {"type": "Microsoft.Network/privateEndpoints/privateDnsZoneGroups", "name": "pe/other", "properties": {}},
        {"type": "Microsoft.Storage/storageAccounts", "name": "st", "resources": [
            {"type": "blobServices/containers", "name": "default/logs"},
            {"type": "Microsoft.Insights/workbooks", "name": "w"},
            // The older way to write an extension: its namespace is a name.
            {"type": "providers/locks", "name": "Microsoft.Authorization/keep"},
        ]},
        {"type": "Microsoft.Insights/workbooks", "name": "x", "scope": "Microsoft.Storage/storageAccounts/st"},
        {"type": "Microsoft.Network/privateDnsZones/A", "name": "one/two/three"},
        {"type": "Microsoft.Authorization/roleAssignments", "name": "[guid('a')]"},
    ]}));
    assert_eq!(
        ids(&read),
        [
            "Network/privateEndpoints/pe",
            "Network/privateEndpoints/pe/privateDnsZoneGroups/default",
            "Network/privateEndpoints/pe/privateDnsZoneGroups/other",
            "Storage/storageAccounts/st",
        ]
    );
    let storage = format!("{GROUP}/providers/Microsoft.Storage/storageAccounts/st");
    assert_eq!(
        read.resources[0].properties["ids"],
        json!([
            format!("{storage}/blobServices/default/containers/logs"),
            format!("{storage}/providers/Microsoft.Insights/workbooks/w"),
            format!("{storage}/providers/Microsoft.Insights/workbooks/x"),
            format!("{storage}/providers/Microsoft.Authorization/locks/keep"),
        ])
    );
    assert_eq!(read.left_out.len(), 1);
    assert!(read.left_out[0].why.contains("has 2 names, but 'one/two/three'"), "{}", read.left_out[0].why);
    assert_eq!(read.passed_over.get("Microsoft.Authorization/roleAssignments"), Some(&1));
    assert_eq!(read.passed_over.get("Microsoft.Insights/workbooks"), Some(&2));
}

/// "Conditional deployment": the condition of a parent is not its children's.
#[test]
fn a_false_condition_leaves_the_resource_out_alone() {
    let read = read(json!({
        "parameters": {"deploy": {"type": "bool", "defaultValue": false}},
        "resources": [
            {"type": "Microsoft.Network/virtualNetworks", "name": "a", "condition": "[parameters('deploy')]", "resources": [
                {"type": "subnets", "name": "s", "properties": {}},
            ]},
            {"type": "Microsoft.Network/virtualNetworks", "name": "b", "condition": "[not(parameters('deploy'))]"},
            {"type": "Microsoft.Network/virtualNetworks", "name": "c", "condition": "[empty(newGuid())]"},
        ],
    }));
    assert_eq!(ids(&read), ["Network/virtualNetworks/a/subnets/s", "Network/virtualNetworks/b"]);
    assert_eq!(read.left_out[0].what, "Microsoft.Network/virtualNetworks");
    assert!(read.left_out[0].why.starts_with("whether it is deployed is not known"), "{}", read.left_out[0].why);
}

/// "Linked and nested templates", "Expression evaluation scope in nested templates": its example has `admin` in the parent and
/// the nested template.
#[test]
fn the_scope_of_a_nested_template_decides_whose_variables_count() {
    let nested = |scope: &str| {
        json!({
            "type": "Microsoft.Resources/deployments",
            "name": "nested",
            "resourceGroup": "rg-other",
            "properties": {
                "expressionEvaluationOptions": {"scope": scope},
                "parameters": {"suffix": {"value": "[variables('admin')]"}},
                "template": {
                    "parameters": {"suffix": {"type": "string"}},
                    "variables": {"admin": "nested"},
                    "resources": [{
                        "type": "Microsoft.Network/virtualNetworks",
                        "name": "[variables('admin')]",
                        "properties": {"group": "[resourceGroup().name]", "id": "[resourceId('Microsoft.Network/x', 'y')]"},
                    }],
                    "outputs": {"name": {"type": "string", "value": "[variables('admin')]"}},
                },
            },
        })
    };
    for (scope, name, group) in [("outer", "parent", "rg-tailspin"), ("Inner", "nested", "rg-other")] {
        let read = read(json!({
            "variables": {"admin": "parent"},
            "resources": [nested(scope), network("[reference('nested').outputs.name.value]")],
        }));
        let inner = &read.resources[0];
        let other = GROUP.replace("rg-tailspin", "rg-other");
        assert_eq!(inner.id, format!("{other}/providers/Microsoft.Network/virtualNetworks/{name}"));
        assert_eq!(inner.properties["group"], group);
        assert!(inner.properties["id"].as_str().is_some_and(|id| id.contains(&format!("/{group}/"))));
        assert_eq!(inner.place.address, "resources[0].properties.template.resources[0]");
    }
}

#[test]
fn outputs_of_deployments_reach_names_and_properties_of_others() {
    let module = |name: &str, parameters: Value, resources: Value, outputs: Value| {
        json!({
            "type": "Microsoft.Resources/deployments",
            "name": format!("[format('{name}-{{0}}', uniqueString(deployment().name))]"),
            "properties": {
                "expressionEvaluationOptions": {"scope": "inner"},
                "parameters": parameters,
                "template": {
                    "parameters": {"zone": {"type": "string", "defaultValue": "tailspin.example"},
                                   "network": {"type": "string", "nullable": true},
                                   "subnet": {"type": "string", "defaultValue": ""}},
                    "resources": resources,
                    "outputs": outputs,
                },
            },
        })
    };
    let output = |of: &str, name: &str| {
        let id = format!(
            "resourceId('Microsoft.Resources/deployments', format('{of}-{{0}}', uniqueString(deployment().name)))"
        );
        json!({"value": format!("[reference({id}, '2022-09-01').outputs.{name}.value]")})
    };
    let subnets = json!({"subnets": [{"name": "snet", "properties": {}}]});
    let read = read(json!({"resources": [
        module("links", json!({"zone": output("zones", "name"), "network": output("net", "id"), "subnet": output("net", "subnet")}), json!([{
            "type": "Microsoft.Network/privateDnsZones/virtualNetworkLinks",
            "name": "[format('{0}/{1}', parameters('zone'), 'link')]",
            "properties": {"virtualNetwork": {"id": "[parameters('network')]"}, "subnet": "[parameters('subnet')]"},
        }]), json!({})),
        module("zones", json!({"network": {"value": null}}), json!([
            {"type": "Microsoft.Network/privateDnsZones", "name": "[parameters('zone')]"},
        ]), json!({"name": {"type": "string", "value": "[parameters('zone')]"}})),
        module("net", json!({}), json!([
            {"type": "Microsoft.Network/virtualNetworks", "name": "vnet", "properties": subnets},
        ]), json!({
            "id": {"type": "string", "value": "[resourceId('Microsoft.Network/virtualNetworks', 'vnet')]"},
            "subnet": {"type": "string",
                       "value": "[reference(resourceId('Microsoft.Network/virtualNetworks', 'vnet')).subnets[0].id]"},
        })),
    ]}));
    assert_eq!(read.left_out, []);
    assert_eq!(ids(&read)[0], "Network/privateDnsZones/tailspin.example/virtualNetworkLinks/link");
    let vnet = format!("{GROUP}/providers/Microsoft.Network/virtualNetworks/vnet");
    let properties = &read.resources[0].properties;
    assert_eq!(properties["virtualNetwork"]["id"], vnet.as_str());
    assert_eq!(properties["subnet"], format!("{vnet}/subnets/snet"));
}

#[test]
fn deployments_to_other_scopes_have_their_ids() {
    let read = read(json!({
        "$schema": "https://schema.management.azure.com/schemas/2018-05-01/subscriptionDeploymentTemplate.json#",
        "resources": [
            {"type": "Microsoft.Resources/resourceGroups", "name": "rg-net", "location": "swedencentral"},
            {"type": "Microsoft.Resources/deployments", "name": "d", "resourceGroup": "rg-net", "properties": {
                "expressionEvaluationOptions": {"scope": "inner"},
                "template": {
                    "parameters": {"location": {"type": "string", "defaultValue": "[resourceGroup().location]"}},
                    "resources": [{"type": "Microsoft.Network/virtualNetworks", "name": "v", "location": "[parameters('location')]"}],
                },
            }},
            {"type": "Microsoft.Resources/deployments", "name": "e", "location": "x",
             "subscriptionId": "11111111-1111-1111-1111-111111111111", "resourceGroup": "rg-far", "properties": {
                "template": {"resources": [network("w")]},
            }},
        ],
    }));
    let of = |at: usize| read.resources[at].id.as_str();
    assert_eq!(
        of(0),
        format!("{}/providers/Microsoft.Network/virtualNetworks/v", GROUP.replace("rg-tailspin", "rg-net"))
    );
    assert_eq!(read.resources[0].location.as_deref(), Some("swedencentral"));
    assert_eq!(
        of(1),
        "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/rg-far/providers/Microsoft.Network/\
         virtualNetworks/w"
    );
    assert_eq!(read.passed_over.get("Microsoft.Resources/resourceGroups"), Some(&1));
}

#[test]
fn a_linked_template_is_left_out_with_its_place() {
    let read = read(json!({"resources": [
        {"type": "Microsoft.Resources/deployments", "name": "linked", "properties": {
            "mode": "Incremental", "templateLink": {"uri": "https://example.com/nested.json"},
        }},
        network("v"),
    ]}));
    assert_eq!(ids(&read), ["Network/virtualNetworks/v"]);
    assert_eq!(read.left_out[0].place.to_string(), "main.json: resources[0]");
    assert!(read.left_out[0].why.contains("templateLink"), "{}", read.left_out[0].why);
}

/// Language version 2.0: "Use symbolic name".
#[test]
fn symbolic_names_mean_resources_and_their_copies() {
    let read = read(json!({
        "languageVersion": "2.0",
        "resources": {
            "hub": {"existing": true, "type": "Microsoft.Network/virtualNetworks", "name": "vnet-hub",
                    "resourceGroup": "rg-hub"},
            "zones": {"type": "Microsoft.Network/privateDnsZones", "name": "[format('{0}.example', copyIndex())]",
                      "copy": {"name": "zones", "count": 2}, "location": "global", "properties": {"numberOfVirtualNetworkLinks": 1}},
            "link": {"type": "Microsoft.Network/privateDnsZones/virtualNetworkLinks",
                     "name": "1.example/hub",
                     "properties": {
                        "zone": "[resourceInfo('zones[1]').name]",
                        "virtualNetwork": {"id": "[resourceInfo('hub').id]"},
                        "count": "[reference('zones[1]').numberOfVirtualNetworkLinks]",
                        "all": "[length(references('zones'))]",
                        "region": "[reference('zones[0]', '2024-06-01', 'full').location]",
                        "space": "[reference('hub').addressSpace]",
                     }},
            "graph": {"import": "microsoftGraph", "type": "Microsoft.Graph/groups", "properties": {}},
        },
    }));
    assert_eq!(
        ids(&read),
        [
            "Network/privateDnsZones/1.example/virtualNetworkLinks/hub",
            "Network/privateDnsZones/0.example",
            "Network/privateDnsZones/1.example"
        ]
    );
    let properties = &read.resources[0].properties;
    let hub = GROUP.replace("rg-tailspin", "rg-hub");
    assert_eq!(
        properties["virtualNetwork"]["id"],
        format!("{hub}/providers/Microsoft.Network/virtualNetworks/vnet-hub")
    );
    assert_eq!(properties["zone"], "1.example");
    assert_eq!(
        (&properties["count"], &properties["all"], &properties["region"]),
        (&json!(1), &json!(2), &json!("global"))
    );
    assert!(why_unknown(&properties["space"]).is_some_and(|why| why.contains("exists already")));
    assert_eq!(read.resources[1].place.address, "resources.zones, copy 0");
    // A resource of an extension is none of Azure's.
    assert_eq!(read.passed_over.get("Microsoft.Graph/groups"), Some(&1));
}

/// "User-defined functions".
#[test]
fn functions_of_the_template_see_their_parameters_alone() {
    let read = read(json!({
        "parameters": {"prefix": {"type": "string", "defaultValue": "outside"}},
        "functions": [{"namespace": "tailspin", "members": {"name": {
            "parameters": [{"name": "prefix", "type": "string"}, {"name": "number", "type": "int"}],
            "output": {"type": "string", "value": "[format('{0}-{1}', toLower(parameters('prefix')), parameters('number'))]"},
        }}}],
        "resources": [network("[tailspin.name('VNET', 3)]")],
    }));
    assert_eq!(ids(&read), ["Network/virtualNetworks/vnet-3"]);
}

/// "Parameters in ARM templates", "Create Resource Manager parameter file".
#[test]
fn values_come_from_the_user_or_the_default_as_their_type() {
    let template = json!({
        "parameters": {
            "count": {"type": "int"},
            "on": {"type": "bool", "defaultValue": false},
            "spaces": {"type": "Array", "defaultValue": ["[concat('10.', '1.0.0/16')]"]},
            "name": {"type": "string", "defaultValue": "[format('vnet-{0}', parameters('count'))]"},
            "size": {"type": "string", "allowedValues": ["small", "large"], "defaultValue": "small"},
            "secret": {"type": "secureString"},
            "vault": {"type": "string"},
        },
        "resources": [{"type": "Microsoft.Network/virtualNetworks", "name": "[parameters('name')]", "properties": {
            "on": "[parameters('on')]", "spaces": "[parameters('spaces')]", "size": "[parameters('size')]",
            "secret": "[concat('x', parameters('secret'))]", "vault": "[parameters('vault')]",
        }}],
    });
    let given = |values: Value| {
        let values = values.as_object().cloned().unwrap_or_default();
        Options { parameters: vec![Parameters { file: "values.json".into(), values }], ..options(json!({})) }
    };
    let read = try_read(
        template.clone(),
        &given(json!({
            "COUNT": {"value": "7"}, "on": {"value": "True"}, "size": {"value": "LARGE"}, "secret": {"value": "hunter2"},
            "vault": {"reference": {"keyVault": {"id": "x"}, "secretName": "y"}},
        })),
    )
    .expect("a template");
    let properties = &read.resources[0].properties;
    assert!(read.resources[0].id.ends_with("/vnet-7"));
    assert_eq!((&properties["on"], &properties["size"]), (&json!(true), &json!("LARGE")));
    assert_eq!(properties["spaces"], json!(["10.1.0.0/16"]));
    assert!(why_unknown(&properties["secret"]).is_some_and(|why| why.contains("'secret' is secure")));
    assert!(why_unknown(&properties["vault"]).is_some_and(|why| why.contains("key vault")));
    assert!(!format!("{read:?}").contains("hunter2"));
    let wrong =
        json!({"count": {"value": "seven"}, "on": {"value": 1}, "size": {"value": "x"}, "spaces": {"value": {}}});
    let refusal = try_read(template, &given(wrong)).expect_err("wrong types").0;
    for says in
        ["values.json: parameter 'count': an int", "'on': a bool", "one of \"small\", \"large\"", "'spaces': an array"]
    {
        assert!(refusal.contains(says), "{refusal}");
    }
}

#[test]
fn parameters_that_are_needed_are_named_all_and_others_are_not() {
    let parameter = |what: &str| json!({"type": "string", "metadata": {"description": what}});
    let template = json!({
        "parameters": {
            "networkName": parameter("Name of the network."),
            "space": parameter("Its address space"),
            "adminName": parameter("Nobody needs it"),
            "securityGroup": parameter("Nor that"),
            "unused": {"type": "int"},
        },
        "resources": [
            {"type": "Microsoft.Network/virtualNetworks", "name": "[parameters('networkName')]", "properties": {}},
            {"type": "Microsoft.Network/virtualNetworks", "name": "w", "properties": {
                "addressSpace": {"addressPrefixes": ["[parameters('space')]"]},
                "subnets": [{"name": "s", "properties": {"networkSecurityGroup": {"id": "[parameters('securityGroup')]"}}}],
            }},
            {"type": "Microsoft.Compute/virtualMachines", "name": "vm", "properties": {
                "osProfile": {"adminUsername": "[parameters('adminName')]"},
            }},
        ],
    });
    let refusal = try_read(template.clone(), &options(json!({}))).expect_err("values are missing").0;
    assert_eq!(
        refusal,
        "parameters have no value: networkName (string: Name of the network); space (string: Its address space): give a \
         parameter file, or --parameters networkName=VALUE for each"
    );
    let read =
        try_read(template, &options(json!({"networkName": "v", "space": "10.1.0.0/16"}))).expect("all that is needed");
    assert_eq!(read.resources.len(), 3);
    assert_eq!(
        read.notes,
        ["A template does not say where it is deployed: subscription 00000000-0000-0000-0000-000000000000 is assumed \
          (--subscription GUID tells it)"]
    );
}

#[test]
fn a_value_that_cannot_be_computed_costs_one_object() {
    let read = read(json!({
        "parameters": {"account": {"type": "string", "defaultValue": "[concat('st', uniqueString(resourceGroup().id))]"}},
        "resources": [
            {"type": "Microsoft.Storage/storageAccounts", "name": "[parameters('account')]"},
            {"type": "Microsoft.Network/privateEndpoints", "name": "pe", "properties": {"privateLinkServiceConnections": [
                {"properties": {"privateLinkServiceId":
                    "[resourceId('Microsoft.Storage/storageAccounts', parameters('account'))]"}},
            ]}},
            {"type": "Microsoft.Network/virtualNetworks", "name": "[substring('abc', 5)]"},
            {"type": "Microsoft.Network/virtualNetworks"},
            {"name": "no type"},
            "no object",
            network("v"),
        ],
    }));
    assert_eq!(ids(&read), ["Network/privateEndpoints/pe", "Network/virtualNetworks/v"]);
    let target =
        &read.resources[0].properties["privateLinkServiceConnections"][0]["properties"]["privateLinkServiceId"];
    let why = why_unknown(target).expect("unknown");
    assert_eq!(why, "uniqueString() is computed by Azure (--parameters account=VALUE tells it)");
    let mut said: Vec<_> = read.left_out.iter().map(|left| format!("{} {}", left.place.address, left.why)).collect();
    said.sort();
    assert_eq!(said.len(), 5);
    for (said, expected) in said.iter().zip([
        "resources[0] its name is not known: uniqueString()",
        "resources[2] its name is not known: resources[2].name: [substring('abc', 5)]: `substring` has to stay",
        "resources[3] its name is not known: it has no `name`",
        "resources[4] it has no `type`",
        "resources[5] a resource is an object",
    ]) {
        assert!(said.starts_with(expected), "{said}");
    }
}

#[test]
fn the_suffixes_of_a_cloud_are_those_of_the_region() {
    for (region, storage, vault) in [
        ("North Europe", "core.windows.net", ".vault.azure.net"),
        ("usgovvirginia", "core.usgovcloudapi.net", ".vault.usgovcloudapi.net"),
        ("chinanorth3", "core.chinacloudapi.cn", ".vault.azure.cn"),
    ] {
        let read = read(json!({
            "parameters": {"location": {"type": "string", "defaultValue": region}},
            "resources": [network("[concat('a.', environment().suffixes.storage, environment().suffixes.keyvaultDns)]")],
        }));
        assert!(read.resources[0].id.ends_with(&format!("/a.{storage}{vault}")), "{}", read.resources[0].id);
    }
}

/// Definitions of Bicep's user-defined types: a secure member of an object is not read.
#[test]
fn secure_members_of_typed_objects_are_not_read() {
    let read = try_read(
        json!({
            "languageVersion": "2.0",
            "definitions": {
                "secretType": {"type": "securestring"},
                "setupType": {"type": "object", "properties": {"name": {"type": "string"}, "key": {"$ref": "#/definitions/secretType"}}},
            },
            "parameters": {"setup": {"$ref": "#/definitions/setupType"}},
            "resources": {"v": {"type": "Microsoft.Network/virtualNetworks", "name": "[parameters('setup').name]",
                                "properties": {"key": "[parameters('setup').key]", "adminPassword": "hunter3"}}},
        }),
        &options(json!({"setup": {"name": "v", "key": "hunter2"}})),
    )
    .expect("a template");
    assert!(read.resources[0].id.ends_with("/v"));
    let text = format!("{read:?}");
    assert!(!text.contains("hunter"), "{text}");
}
